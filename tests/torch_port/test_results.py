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

from parity.contract import RunSpec
from parity.sides.port import convert_weights
from parity.workspace import Workspace
from tests.places import FULL_DISKS, contents_of, full_disk, read_only
from torch_port.__main__ import main, make_parser
from torch_port.errors import InputError, PlaceError
from torch_port.results import Results
from torch_port.whole_files import write_whole

pytestmark = pytest.mark.usefixtures("one_thread")
SCALE = ("--image-scale", "0.03", "--batch-size", "2", "--device", "cpu")
OVERLAYS = [f"{number:03d}_{name}.png" for number in range(2) for name in ("aca_pd_20x_10", "nor_20x_11", "scc_bd_20x_12")]


@dataclass(frozen=True)
class Inputs:
    """What every command is given."""

    data: Path
    checkpoint: Path
    npz: Path


@dataclass(frozen=True)
class Command:
    """A command, as its test gives it.

    Attributes:
        words: Of the inputs and the place to write.
        files: Whatever it writes, below that place.
        place: The place, in the folder; empty where the folder is the place.
        option: That names the place in its message.
    """

    words: Callable[[Inputs, Path], list[str]]
    files: tuple[str, ...]
    place: str = ""
    option: str = "out"


def evaluation(inputs: Inputs, out: Path) -> list[str]:
    return ["--data", str(inputs.data), "--checkpoint", str(inputs.checkpoint), "--out", str(out), *SCALE]


TRAINING = (
    "best_weights.safetensors", "history.json", "last.ckpt", "training.json", "csv/version_0/metrics.csv", "tensorboard/mine",
    "decoded_images/mine", "curves.png", "confusion_matrix.png", "classification_report.txt", "predictions.csv", "metrics.json",
)  # fmt: skip
COMMANDS = {
    "convert": Command(
        lambda inputs, out: ["convert", str(inputs.npz), "--out", str(out)], ("w.safetensors",), "w.safetensors"
    ),
    "train": Command(
        lambda inputs, out: [
            "train", "--data", str(inputs.data), "--out", str(out), *SCALE,
            "--weights", "none", "--epochs", "1", "--workers", "0", "--seed", "1",
        ],
        TRAINING,
    ),
    "evaluate": Command(
        lambda inputs, out: ["evaluate", *evaluation(inputs, out), "--splits", "test"], ("predictions.csv", "metrics.json")
    ),
    "predict": Command(
        lambda inputs, out: [
            "predict", str(inputs.data / "images"), "--checkpoint", str(inputs.checkpoint), "--out", str(out), *SCALE,
        ],
        ("p.csv", "p.csv.json"), "p.csv",
    ),
    "predict with maps": Command(
        lambda inputs, out: [
            "predict", str(inputs.data / "images"), "--checkpoint", str(inputs.checkpoint), "--out", f"{out}.csv",
            "--gradcam", str(out), *SCALE,
        ],
        ("nor_20x_3.png", "nor_20x_4.npz"), option="gradcam",
    ),
    "gradcam": Command(
        lambda inputs, out: ["gradcam", *evaluation(inputs, out), "--splits", "test", "--samples", "2"],
        ("raw_maps.npz", *OVERLAYS),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def inputs(data_set: Path, checkpoint: Path, legacy_arrays: dict, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    npz = tmp_path_factory.mktemp("legacy") / "legacy.npz"
    np.savez(npz, **legacy_arrays)
    return Inputs(data_set, checkpoint, npz)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "a folder"
    folder.mkdir()
    return folder


def put(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"somebody's {name}")


def test_every_command_is_tried():
    (commands,) = (action for action in make_parser()._actions if isinstance(action, argparse._SubParsersAction))
    assert {name.partition(" ")[0] for name in COMMANDS} == set(commands.choices)


@pytest.mark.parametrize(
    ("name", "file"), [(name, file) for name, command in COMMANDS.items() for file in command.files if file not in OVERLAYS[1:]]
)
def test_somebodys_file_is_refused_and_stays(name: str, file: str, inputs: Inputs, folder: Path, capsys: pytest.CaptureFixture):
    command = COMMANDS[name]
    for each in command.files if file in OVERLAYS else [file]:  # of the overlays one does not know which ones
        put(folder, each)
    put(folder, "notes.txt")
    before = contents_of(folder.parent)
    assert main(command.words(inputs, folder / command.place)) == 2
    said = capsys.readouterr().err
    assert f"choose another --{command.option}" in said
    assert said.startswith("error: ")
    assert contents_of(folder.parent) == before


@pytest.mark.parametrize("name", COMMANDS)
def test_bad_input_changes_nothing_in_somebodys_folder(
    name: str, inputs: Inputs, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    put(folder, "notes.txt")
    nothing = Inputs(tmp_path / "no data", tmp_path / "no.safetensors", tmp_path / "no.npz")
    before = contents_of(tmp_path)
    for place in (folder / COMMANDS[name].place, tmp_path / "new" / "deep" / COMMANDS[name].place):
        assert main(COMMANDS[name].words(nothing, place)) == 2
        assert contents_of(tmp_path) == before
    assert capsys.readouterr().err.count("error: ") == 2


@pytest.mark.parametrize("name", ["convert", "evaluate", "predict", "predict with maps", "gradcam"])
def test_its_own_results_are_replaced_but_not_what_somebody_made_of_them(
    name: str, inputs: Inputs, folder: Path, capsys: pytest.CaptureFixture
):
    command = COMMANDS[name]
    words = command.words(inputs, folder / command.place)
    put(folder, "notes.txt")
    assert main(words) == 0
    made = contents_of(folder)
    assert made["notes.txt"] == b"somebody's notes.txt"
    table = folder / "p.csv" if name == "predict" else Path(f"{folder}.csv")
    table.unlink(missing_ok=True)
    Path(f"{table}.json").unlink(missing_ok=True)
    assert main(words) == 0
    again = contents_of(folder)
    assert list(again) == list(made)
    if name != "convert":  # the order of metadata is left to chance
        assert again == made

    if name == "predict with maps":
        table.unlink()
        Path(f"{table}.json").unlink()
    changed = next(path for path in folder.iterdir() if path.name in command.files)
    put(folder, changed.name)
    before = contents_of(folder.parent)
    assert main(words) == 2
    assert contents_of(folder.parent) == before
    assert f"`{command.option}` must be a" in capsys.readouterr().err


def limit_of(name: str) -> int:
    """Return how much of its results a command can write: not enough."""
    return {"convert": 1 << 20, "train": 1 << 20, "predict": 18}.get(name, 300)


@pytest.mark.parametrize("kind", FULL_DISKS)
@pytest.mark.parametrize("name", COMMANDS)
def test_on_a_full_disk_nothing_is_lost_and_nothing_is_left(
    name: str, kind: str, inputs: Inputs, folder: Path, capsys: pytest.CaptureFixture
):
    command = COMMANDS[name]
    put(folder, "notes.txt")
    if name in ("evaluate", "convert"):  # of their own, from before
        assert main(command.words(inputs, folder / command.place)) == 0
    before = contents_of(folder)
    capsys.readouterr()
    with full_disk(folder, kind, limit_of(name)):
        assert main(command.words(inputs, folder / command.place)) == 2
        assert contents_of(folder) == before
    said = capsys.readouterr().err
    assert said.count("error: ") == 1
    assert "must be a place that can be written, got " in said
    assert "Traceback" not in said


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_that_cannot_be_written_is_refused_at_once(
    name: str, inputs: Inputs, folder: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    with read_only(folder):
        for place in (folder, folder / "new"):
            assert main(COMMANDS[name].words(inputs, place / COMMANDS[name].place)) == 2
            said = capsys.readouterr().err
            assert "must be a place that can be written, got " in said
            assert "evaluate" not in said


def test_killed_while_it_writes_the_file_from_before_stays(tmp_path: Path):
    path = tmp_path / "metrics.json"
    write_whole(path, "before")
    program = (
        "import sys, time; from pathlib import Path; from torch_port.whole_files import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as file:\n    file.write_text('ha'); print('now', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        os.kill(process.pid, signal.SIGKILL)
    assert path.read_text() == "before"
    write_whole(path, "after")
    assert contents_of(tmp_path) == {"metrics.json": b"after"}


@pytest.fixture
def results(folder: Path) -> Results:
    results = Results(folder, "evaluate")
    with results.file("a.txt") as path:
        path.write_text("a")
    return results


@pytest.mark.parametrize("other", ["another file", "folder", "link", "dangling link", "another name", "no list"])
def test_what_is_not_in_the_list_is_somebody_elses(results: Results, folder: Path, other: str):
    results.refuse_others(["a.txt", "b.txt"])
    path = folder / "a.txt"
    if other == "another name":
        path = path.rename(folder / "b.txt")
    elif other == "no list":
        results.record.unlink()
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
    with pytest.raises(
        InputError, match=r"must be a folder without files that .* has not made, got 1 such file in .*\n  - [ab]\.txt$"
    ):
        Results(folder, "evaluate").refuse_others(["a.txt", "b.txt"])


def test_a_torn_list_is_of_nothing(results: Results, folder: Path):
    results.record.write_bytes(results.record.read_bytes()[:-5])
    with pytest.raises(InputError, match="has not made"):
        Results(folder, "evaluate").refuse_others(["a.txt"])


def test_another_commands_results_are_not_its_own(results: Results, folder: Path):
    with pytest.raises(InputError, match="has not made"):
        Results(folder, "gradcam").refuse_others(["a.txt"])


def test_either_all_of_the_files_appear_or_none(results: Results, folder: Path):
    before = contents_of(folder)

    def write() -> None:
        with results.file("a.txt") as first, results.file("b.txt") as second:
            first.write_text("new")
            (second / "c").write_text("new")

    with pytest.raises(PlaceError, match="No such file"):
        write()
    assert contents_of(folder) == before


def test_a_full_disk_is_no_finding_about_the_converter(inputs: Inputs, folder: Path):
    """What the converter refuses by itself is one: the gate `weights` fails."""
    workspace = Workspace(folder)
    spec = dict.fromkeys(RunSpec.__dataclass_fields__, "") | {"arch": "resnet50v2", "splits": (), "gates": (), "images": None}
    RunSpec(**spec).write_json(workspace.spec_path)
    workspace.legacy_weights.parent.mkdir()
    workspace.legacy_weights.symlink_to(inputs.npz)
    before = sorted(folder.rglob("*"))
    with full_disk(folder, "file size", 1 << 20), pytest.raises(PlaceError, match="must be a place that can be written"):
        convert_weights(workspace)
    assert sorted(folder.rglob("*")) == before
