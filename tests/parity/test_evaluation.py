"""What either `evaluate` refuses: bad input, or a finding about the port."""

from __future__ import annotations

from pathlib import Path

import pytest

from parity.artefact import RecordingWriter
from parity.contract import RunSpec
from parity.errors import BadInputError
from parity.evaluation import evaluated
from parity.processes import INTERPRETER_VARIABLES
from parity.workspace import EVALUATION_ERROR, Workspace

SPEC = RunSpec(
    data="/nowhere", data_sha256="", checkpoint="/nowhere", checkpoint_sha256="", resolution="20x", split="published",
    split_sha256="", splits=("val",), image_scale=0.08, images=None, profile="probe", arch="resnet50v2", device="cpu",
    gates=("decisions",),
)  # fmt: skip
FINDING = "error: `last_dense` must be a tensor of the network, got nothing in x; convert it again"
FULL = "error: `out` must be a place that can be written, got No space left on device in x; make room"


@pytest.mark.parametrize(
    ("side", "said", "is_finding"), [("port", FINDING, True), ("port", FULL, False), ("legacy", FINDING, False)]
)
def test_only_what_the_port_refuses_by_itself_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: str, said: str, is_finding: bool
):
    """A full disk says nothing about the port."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 2\n")
    program.chmod(0o755)
    monkeypatch.setenv(INTERPRETER_VARIABLES[side], str(program))
    workspace = Workspace(tmp_path / "run")
    SPEC.write_json(workspace.spec_path)
    with RecordingWriter(workspace.recording_folder(side, "inference"), key="key"):
        pass

    def evaluate() -> None:
        with evaluated(workspace, side, lambda message: None):
            pass

    error = workspace.evaluation_output(side) / EVALUATION_ERROR
    if is_finding:
        evaluate()
        assert error.read_text(encoding="utf-8") == said
    else:
        with pytest.raises(BadInputError, match="must be a"):
            evaluate()
        assert not error.exists()
