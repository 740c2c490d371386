"""What a command has not made it neither replaces nor removes; a refused command leaves nothing behind."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from legacy_tf.__main__ import main, make_parser
from legacy_tf.errors import InputError, PlaceError
from legacy_tf.export import weight_name
from legacy_tf.results import Results, whole_file
from tests.places import FULL_DISKS, contents_of, full_disk, read_only

from .conftest import NOT_ALL_EAGER, ROWS, image_name

pytestmark = [pytest.mark.usefixtures("eager"), NOT_ALL_EAGER]
SCALE = ("--image-scale", "0.04", "--batch-size", "3", "--device", "cpu")
STEMS = [Path(image_name(row)).stem for row in ROWS[6:]]  # of test


@dataclass(frozen=True)
class Inputs:
    """What every command is given."""

    data: Path
    checkpoint: Path


@dataclass(frozen=True)
class Command:
    """A command, as its test gives it: its words, whatever files it writes, and the place in the folder where it writes."""

    words: Callable[[Inputs, Path], list[str]]
    files: tuple[str, ...]
    place: str = ""


def data_words(inputs: Inputs, out: Path) -> list[str]:
    return ["--data", str(inputs.data), "--out", str(out), *SCALE]


COMMANDS = {
    "train": Command(
        lambda inputs, out: ["train", *data_words(inputs, out), "--weights", "none", "--epochs", "1", "--seed", "1"],
        (
            "best_weights.index", "best_weights.data-00000-of-00001", "checkpoint", "history.json", "curves.png",
            "predictions.csv", "metrics.json",
        ),
    ),
    "evaluate": Command(
        lambda inputs, out: ["evaluate", *data_words(inputs, out), "--checkpoint", str(inputs.checkpoint), "--splits", "test"],
        ("predictions.csv", "metrics.json"),
    ),
    "gradcam": Command(
        lambda inputs, out: ["gradcam", *data_words(inputs, out), "--checkpoint", str(inputs.checkpoint), "--samples", "3"],
        tuple(f"{stem}{suffix}" for stem in STEMS for suffix in (".png", ".npz")),
    ),
    "export": Command(lambda inputs, out: ["export", str(inputs.checkpoint), "--out", str(out)], ("w.npz",), "w.npz"),
}  # fmt: skip


@pytest.fixture(scope="module")
def inputs(dataset: Path, model, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    checkpoint = tmp_path_factory.mktemp("checkpoint") / "legacy.npz"
    np.savez(checkpoint, **{weight_name(variable): variable.numpy() for variable in model.weights})
    return Inputs(dataset, checkpoint)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "a folder"
    folder.mkdir()
    return folder


def put(folder: Path, name: str) -> None:
    (folder / name).write_text(f"somebody's {name}")


def test_every_command_is_tried():
    (commands,) = (action for action in make_parser()._actions if isinstance(action, argparse._SubParsersAction))
    assert set(COMMANDS) == set(commands.choices)


@pytest.mark.parametrize(("name", "file"), [(name, file) for name, command in COMMANDS.items() for file in command.files])
def test_somebodys_file_is_refused_and_stays(name: str, file: str, inputs: Inputs, folder: Path, capsys: pytest.CaptureFixture):
    put(folder, file)
    put(folder, "notes.txt")
    before = contents_of(folder.parent)
    assert main(COMMANDS[name].words(inputs, folder / COMMANDS[name].place)) == 2
    said = capsys.readouterr().err
    assert said.startswith(
        "error: `--out` must be a folder without files that this command would replace and has not made, got "
    )
    assert contents_of(folder.parent) == before


@pytest.mark.parametrize("name", COMMANDS)
def test_bad_input_changes_nothing_in_somebodys_folder(name: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    put(folder, "notes.txt")
    nothing = Inputs(tmp_path / "no data", tmp_path / "no.npz")
    before = contents_of(tmp_path)
    for place in (folder / COMMANDS[name].place, tmp_path / "new" / "deep" / COMMANDS[name].place):
        assert main(COMMANDS[name].words(nothing, place)) == 2
        assert contents_of(tmp_path) == before
    assert capsys.readouterr().err.count("error: ") == 2


@pytest.mark.parametrize("kind", FULL_DISKS)
@pytest.mark.parametrize("name", COMMANDS)
def test_on_a_full_disk_nothing_is_lost_and_nothing_is_left(
    name: str, kind: str, inputs: Inputs, folder: Path, capsys: pytest.CaptureFixture
):
    put(folder, "notes.txt")
    before = contents_of(folder)
    with full_disk(folder, kind, 1 << 20 if name in ("train", "export") else 300):
        assert main(COMMANDS[name].words(inputs, folder / COMMANDS[name].place)) == 2
        assert contents_of(folder) == before
    said = capsys.readouterr().err
    assert said.count("error: ") == 1
    assert "`--out` must be a place that can be written, got " in said
    assert "Traceback" not in said


@pytest.mark.parametrize("name", COMMANDS)
def test_its_own_results_are_replaced_whole_but_not_what_somebody_made_of_them(
    name: str, inputs: Inputs, folder: Path, capsys: pytest.CaptureFixture
):
    command = COMMANDS[name]
    words = command.words(inputs, folder / command.place)
    put(folder, "notes.txt")
    assert main(words) == 0
    made = contents_of(folder)
    assert {*command.files, "notes.txt"} < set(made)
    with full_disk(folder, "tmpfs", 0):
        assert main(words) == 2
        assert contents_of(folder) == made
    assert main(words) == 0
    assert list(contents_of(folder)) == list(made)

    put(folder, command.files[-1])
    before = contents_of(folder.parent)
    assert main(words) == 2
    assert contents_of(folder.parent) == before
    assert f"has not made, got {command.files[-1]} in " in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_that_cannot_be_written_is_refused_at_once(
    name: str, inputs: Inputs, folder: Path, capsys: pytest.CaptureFixture
):
    with read_only(folder):
        for place in (folder, folder / "new"):
            assert main(COMMANDS[name].words(inputs, place / COMMANDS[name].place)) == 2
            assert "`--out` must be a place that can be written, got " in capsys.readouterr().err


def test_killed_while_it_writes_the_file_from_before_stays(tmp_path: Path):
    path = tmp_path / "metrics.json"
    path.write_text("before")
    program = (
        "import sys, time; from pathlib import Path; from legacy_tf.results import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as file:\n    file.write_text('ha'); print('now', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        os.kill(process.pid, signal.SIGKILL)
    assert path.read_text() == "before"
    with whole_file(path) as file:
        file.write_text("after")
    assert contents_of(tmp_path) == {"metrics.json": b"after"}


@pytest.mark.parametrize("other", ["another file", "folder", "link", "dangling link", "another name", "no list", "torn list"])
def test_what_is_not_in_the_list_is_somebody_elses(folder: Path, other: str):
    results, path = Results(folder, "evaluate"), folder / "a.txt"
    with results.file("a.txt") as file:
        file.write_text("a")
    Results(folder, "evaluate").refuse_others(["a.txt", "b.txt"])
    if other == "another name":
        path.rename(folder / "b.txt")
    elif other == "no list":
        results.record.unlink()
    elif other == "torn list":
        results.record.write_bytes(results.record.read_bytes()[:-5])
    else:
        path.unlink()
        if other == "another file":
            path.write_text("b")
        elif other == "folder":
            path.mkdir()
        else:
            if other == "link":
                (folder / "target").write_text("a")
            path.symlink_to(folder / "target")
    with pytest.raises(InputError, match=r"has not made, got [ab]\.txt in "):
        Results(folder, "evaluate").refuse_others(["a.txt", "b.txt"])


def test_another_commands_results_are_not_its_own(folder: Path):
    with Results(folder, "gradcam").file("a.txt") as file:
        file.write_text("a")
    with pytest.raises(InputError, match=r"has not made, got a\.txt in "):
        Results(folder, "evaluate").refuse_others(["a.txt"])


def test_an_error_of_ours_is_not_said_to_be_a_full_disk(tmp_path: Path):
    with pytest.raises(KeyError), whole_file(tmp_path / "a.txt"):
        raise KeyError("a bug")
    with pytest.raises(PlaceError, match="got No such file or directory in"), whole_file(tmp_path / "a.txt") as file:
        (file / "b").write_text("")
