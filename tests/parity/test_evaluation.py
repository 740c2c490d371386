"""What the sides' own ``evaluate`` commands leave when they end other than well."""

from __future__ import annotations

from pathlib import Path

import pytest

from parity.artefact import RecordingWriter
from parity.errors import BadInputError, LostSideError
from parity.evaluation import evaluated, evaluation_command
from parity.workspace import EVALUATION_ERROR, Workspace
from tests.parity.gates.conftest import SPEC

SIDES = ("legacy", "port")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A run whose images have been predicted by both sides."""
    found = Workspace(tmp_path / "run")
    found.spec_path.parent.mkdir(parents=True)
    SPEC.write_json(found.spec_path)
    for side in SIDES:
        with RecordingWriter(found.recording_folder(side, "inference"), key="key"):
            pass
    return found


def evaluate(workspace: Workspace, side: str, monkeypatch: pytest.MonkeyPatch, ends: str) -> None:
    """Run the side's command, which writes a file and ends as it is told."""
    program = workspace.folder / "python"
    out = workspace.evaluation_output(side)
    program.write_text(f'#!/bin/sh\nmkdir -p "{out}"; touch "{out}/predictions.csv"; echo "error: no" >&2; {ends}\n')
    program.chmod(0o755)
    monkeypatch.setenv(f"PARITY_{side.upper()}_PYTHON", str(program))
    with evaluated(workspace, side, lambda message: None):
        pass


def test_what_the_port_refuses_is_a_finding(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    evaluate(workspace, "port", monkeypatch, "exit 2")
    assert (workspace.evaluation_output("port") / EVALUATION_ERROR).read_text() == "error: no"


def test_what_the_legacy_refuses_is_bad_input(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(BadInputError, match=r"^error: no$"):
        evaluate(workspace, "legacy", monkeypatch, "exit 2")
    assert not (workspace.evaluation_output("legacy") / EVALUATION_ERROR).exists()


@pytest.mark.parametrize(
    "ends",
    [
        "kill -9 $$", "kill -15 $$", "exit 137", "exit 130", "echo MemoryError >&2; exit 1",
        "echo 'RuntimeError: CUDA error: out of memory' >&2; exit 1",
    ],
)  # fmt: skip
@pytest.mark.parametrize("side", SIDES)
def test_a_side_that_is_killed_is_no_finding_and_is_asked_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, side: str, ends: str
):
    with pytest.raises(LostSideError):
        evaluate(workspace, side, monkeypatch, ends)
    assert not (workspace.evaluation_output(side) / EVALUATION_ERROR).exists()
    evaluate(workspace, side, monkeypatch, "exit 0")
    assert (workspace.evaluation_output(side) / "key.txt").read_text()


FULL = "error: `out` must be a place that can be written, got No space left on device in x; make room"


@pytest.mark.parametrize("side", SIDES)
def test_a_full_disk_is_no_finding(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, side: str):
    with pytest.raises(BadInputError, match="No space left"):
        evaluate(workspace, side, monkeypatch, f"echo '{FULL}' >&2; exit 2")
    assert not (workspace.evaluation_output(side) / EVALUATION_ERROR).exists()


def test_both_evaluate_commands_compute_alike():
    """TensorFlow's own default on a GPU is TF32, which moves probabilities by more than any limit."""
    words = {side: evaluation_command(side, SPEC, "w", "out") for side in SIDES}
    found = {side: command[command.index("--precision") + 1] for side, command in words.items()}
    assert found == {"legacy": "float32", "port": "32-true"}
