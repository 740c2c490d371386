"""Too little memory is no finding about the port. Errors here stand for those of torch and TensorFlow on a full device."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from parity import evaluation
from parity.artefact import RecordingWriter, read_recording
from parity.errors import BadInputError
from parity.recorder import is_out_of_memory, record_gate
from parity.workspace import Workspace

from .gates.conftest import SPEC

FULL = (
    "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.19 GiB of which 3.25 MiB is free.",
    "CUDA error: out of memory",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.",
    "OOM when allocating tensor with shape[8,2048,10,13] and type float on /job:localhost/replica:0/task:0/device:GPU:0",
)
WRONG = "mat1 and mat2 shapes cannot be multiplied (8x2048 and 256x3)"


@pytest.fixture
def side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], SimpleNamespace]:
    """A port whose gate `blocks` raises."""

    def make(error: Exception) -> SimpleNamespace:
        def record(side: object, out: object) -> None:
            raise error

        module = ModuleType("parity.gates.blocks.port")
        module.record = record  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return SimpleNamespace(name="port", workspace=Workspace(tmp_path))

    return make


@pytest.mark.parametrize("error", [*map(RuntimeError, FULL), MemoryError()], ids=lambda error: str(error)[:30])
def test_a_port_without_memory_is_no_finding(error: Exception, side, tmp_path: Path):
    with pytest.raises(BadInputError, match=r"`memory of the port side` must be enough, got .* in gate blocks; end what else"):
        record_gate(side(error), "blocks", "key")
    assert not (tmp_path / "port" / "blocks").exists()


def test_a_port_that_is_wrong_is_a_finding(side, tmp_path: Path):
    record_gate(side(RuntimeError(WRONG)), "blocks", "key")
    assert read_recording(tmp_path / "port" / "blocks").values["error"] == f"RuntimeError: {WRONG}"


@pytest.mark.parametrize(("words", "finding"), [(FULL[0], False), (FULL[1], False), (WRONG, True)])
def test_an_evaluate_command_without_memory_is_no_finding(
    words: str, finding: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*arguments: object, **options: object) -> None:
        raise BadInputError(f"the port side stopped with code 1; its last words: {words}")

    workspace = Workspace(tmp_path)
    SPEC.write_json(workspace.spec_path)
    with RecordingWriter(tmp_path / "port" / "inference", key="key"):
        pass
    monkeypatch.setattr(evaluation, "run_side", refuse)
    if finding:
        evaluation._evaluate(workspace, "port", lambda message: None)
    else:
        with pytest.raises(BadInputError, match="its last words"):
            evaluation._evaluate(workspace, "port", lambda message: None)
    assert (workspace.evaluation_output("port") / "error.txt").is_file() == finding
    assert not is_out_of_memory(WRONG)


def test_both_evaluate_commands_compute_alike():
    """TensorFlow's own default on a GPU is TF32, which moves probabilities by more than any limit."""
    words = {side: evaluation.evaluation_command(side, SPEC, "w", "out") for side in ("legacy", "port")}
    assert {side: found[found.index("--precision") + 1] for side, found in words.items()} == {
        "legacy": "float32",
        "port": "32-true",
    }
