"""A file has its name when it is whole; a full disk is one message and loses nothing."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from parity.artefact import RecordingWriter, read_recording
from parity.errors import BadInputError
from parity.files import made_folder, refuse_place, remove, whole_file, write_whole
from parity.golden.bundle import pack, unpack
from parity.signoff.keys import make_key
from parity.workspace import PROJECT
from tests.places import FULL_DISKS, contents_of, full_disk, read_only

MANY = np.arange(100_000.0)


def record(folder: Path) -> None:
    with RecordingWriter(folder / "gate", key="new") as out:
        out.write_array("a", MANY, "N")


WRITERS: dict[str, Callable[[Path], object]] = {
    "text": lambda folder: write_whole(folder / "a.txt", "new" * 100_000),
    "bytes in a new folder": lambda folder: write_whole(folder / "deep" / "er" / "a.bin", os.urandom(100_000)),
    "recording": record,
    "bundle": lambda folder: pack(folder.parent / "source", folder / "golden.npz", {}),
    "unpacked bundle": lambda folder: unpack(folder.parent / "golden.npz", folder / "run", ["a.npy"]),
    "key": lambda folder: make_key(folder / "keys" / "ada.pem"),
}


@pytest.mark.parametrize("kind", FULL_DISKS)
@pytest.mark.parametrize("what", WRITERS)
def test_on_a_full_disk_what_was_there_stays_and_nothing_is_left(tmp_path: Path, what: str, kind: str):
    folder = tmp_path / "disk"
    folder.mkdir()
    (tmp_path / "source").mkdir()
    np.save(tmp_path / "source" / "a.npy", np.random.default_rng(17).normal(size=100_000))
    pack(tmp_path / "source", tmp_path / "golden.npz", {})
    write_whole(folder / "a.txt", "old")
    with RecordingWriter(folder / "gate", key="old") as out:
        out.write_array("a", np.arange(3.0), "N")
    before = contents_of(folder)
    with full_disk(folder, kind, 40 if kind == "file size" else 0 if what == "key" else 8192):
        with pytest.raises(
            BadInputError, match=r"`(file|--key)` must be .*, got '(No space left on device|File too large|\d+ requested)"
        ):
            WRITERS[what](folder)
        assert contents_of(folder) == before
    assert read_recording(folder / "gate").key == "old"


def test_killed_while_it_writes_the_file_from_before_stays(tmp_path: Path):
    path = tmp_path / "report.json"
    write_whole(path, "before")
    program = (
        "import sys, time; from pathlib import Path; from parity.files import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as file:\n    file.write_text('ha'); print('now', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        os.kill(process.pid, signal.SIGKILL)
    assert path.read_text() == "before"
    write_whole(path, "after")
    assert contents_of(tmp_path) == {"report.json": b"after"}


def test_what_fails_in_the_block_leaves_nothing(tmp_path: Path):
    def write() -> None:
        with whole_file(tmp_path / "new" / "a.txt") as file:
            file.write_text("half")
            raise KeyError("a bug")

    with pytest.raises(KeyError, match="a bug"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_made_goes_only_if_it_is_empty(tmp_path: Path):
    def make(name: str | None) -> None:
        with made_folder(tmp_path / "a" / "b"):
            if name is not None:
                (tmp_path / name).touch()
            raise KeyError("refused")

    with pytest.raises(KeyError):
        make("a/kept")
    assert set(contents_of(tmp_path)) == {"a", "a/kept"}
    with pytest.raises(KeyError):
        make(None)
    assert set(contents_of(tmp_path)) == {"a", "a/kept"}


def test_a_place_that_cannot_be_written_is_said_before(tmp_path: Path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "deep"):
        with pytest.raises(
            BadInputError, match=r"`--out` must be a folder that can be written, got '.*file, which is no folder'"
        ):
            refuse_place(place)
    (tmp_path / "out").mkdir()
    with read_only(tmp_path / "out"), pytest.raises(BadInputError, match=r"got 'no permission in .*out' in .*new"):
        refuse_place(tmp_path / "out" / "new")
    refuse_place(tmp_path / "new" / "deep")
    assert not (tmp_path / "new").exists()


def test_a_link_to_a_folder_is_removed_and_the_folder_stays(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").touch()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    remove(tmp_path / "link")
    remove(tmp_path / "nothing")
    assert set(contents_of(tmp_path)) == {"folder", "folder/a"}


# Modules that may write files, and how they do it; any other writes through one of these.
WRITERS_OF_FILES = {
    # what writes whole
    "parity/files.py", "torch_port/whole_files.py", "torch_port/results.py", "legacy_tf/results.py",
    # under a name that one of these has given
    "torch_port/evaluate.py", "torch_port/train_command.py", "torch_port/prediction_table.py", "legacy_tf/commands.py",
    "legacy_tf/predictions.py", "parity/demo/checkpoint.py",
    # into memory
    "parity/golden/weights.py", "parity/report/svg.py",
    # into a folder that has its name when it is whole, or a scratch folder of a run
    "parity/golden/bundle.py", "parity/golden/make.py", "parity/signoff/sign.py", "parity/faults/legacy_worker.py",
    # the lock of the project, in its own checkout
    "parity/locks.py",
}  # fmt: skip
WRITE = {"write_text", "write_bytes", "savefig", "savez", "savez_compressed", "copyfile", "copytree", "save_weights"}


def test_no_module_writes_a_file_in_a_way_of_its_own():
    found = set()
    for package in ("parity", "benchmarks", "torch_port", "legacy_tf"):
        for path in (PROJECT / package).rglob("*.py"):
            nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            names = {node.func.attr for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)}
            if names & WRITE:
                found.add(path.relative_to(PROJECT).as_posix())
    assert found <= WRITERS_OF_FILES
    assert {"parity/files.py", "torch_port/whole_files.py"} <= found
