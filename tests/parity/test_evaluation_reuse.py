"""The output of a side's own evaluate command is used again only when everything it came from is the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from parity import evaluation, reuse
from parity.artefact import RecordingWriter
from parity.contract import PROFILES, RunSpec
from parity.evaluation import evaluated, evaluation_command
from parity.workspace import Workspace

SPEC = RunSpec(
    data="/d", data_sha256="1", checkpoint="/c", checkpoint_sha256="2", resolution="20x", split="published", split_sha256="",
    splits=("val",), image_scale=0.08, images=None, profile=next(iter(PROFILES)), arch="resnet50v2", device="cpu",
    gates=("decisions",),
)  # fmt: skip
# Stands for the interpreter of a side: writes its words down, and makes the folder that it is to write.
INTERPRETER = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls.txt"
mkdir -p "$(echo "$@" | sed 's/.*--out \\([^ ]*\\).*/\\1/')"
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "run")
    made.folder.mkdir()
    SPEC.write_json(made.spec_path)
    record(made, "key")
    return made


def record(workspace: Workspace, key: str) -> None:
    for side in ("legacy", "port"):
        with RecordingWriter(workspace.recording_folder(side, "inference"), key=key) as out:
            out.write_value("known", True)


@pytest.fixture
def calls(tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Evaluate once more and return the commands that have been run so far."""
    python = tmp_path / "python"
    python.write_text(INTERPRETER)
    python.chmod(0o755)
    for side in ("LEGACY", "PORT"):
        monkeypatch.setenv(f"PARITY_{side}_PYTHON", str(python))

    def ask(side: str, folder: Path = workspace.folder) -> list[str]:
        with evaluated(Workspace(folder), side, lambda message: None):
            pass
        return (tmp_path / "calls.txt").read_text().splitlines()

    return ask


@pytest.mark.parametrize("side", ["legacy", "port"])
def test_nothing_changed_nothing_is_evaluated_again(calls, side: str):
    assert len(calls(side)) == 1
    assert len(calls(side)) == 1


@pytest.mark.parametrize("side", ["legacy", "port"])
def test_a_run_that_is_moved_is_not_evaluated_again(calls, workspace: Workspace, tmp_path: Path, side: str):
    calls(side)
    workspace.folder.rename(tmp_path / "moved")
    assert len(calls(side, tmp_path / "moved")) == 1


@pytest.mark.parametrize("side", ["legacy", "port"])
def test_other_words_are_another_command(calls, monkeypatch: pytest.MonkeyPatch, side: str):
    calls(side)
    monkeypatch.setattr(evaluation, "evaluation_command", lambda *given: [*evaluation_command(*given), "--threads", "1"])
    before, now = calls(side)
    assert now == f"{before} --threads 1"
    assert len(calls(side)) == 2


@pytest.mark.parametrize("side", ["legacy", "port"])
def test_what_another_recording_came_from_counts(calls, workspace: Workspace, side: str):
    calls(side)
    record(workspace, "another key")
    assert len(calls(side)) == 2


@pytest.mark.parametrize("side", ["legacy", "port"])
def test_the_code_that_the_command_itself_runs_counts(calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: str):
    """Between the recording and the command somebody may edit the side."""
    calls(side)
    monkeypatch.setattr(reuse, "PROJECT", tmp_path)
    (tmp_path / reuse.PACKAGES[side]).mkdir()
    (tmp_path / reuse.PACKAGES[side] / "model.py").write_text("")
    assert len(calls(side)) == 2


def test_every_option_of_a_run_that_changes_an_answer_is_among_the_words():
    before = evaluation_command("port", SPEC, "/c", Path("/out"))
    for change in (
        {"data": "/e"}, {"resolution": "40x"}, {"split": "random"}, {"splits": ("val", "test")}, {"image_scale": 0.1},
        {"images": 3}, {"arch": "torchvision_resnet50"}, {"device": "cuda"},
    ):  # fmt: skip
        assert evaluation_command("port", replace(SPEC, **change), "/c", Path("/out")) != before
