"""Too little memory is no finding about the port. Errors here stand for those of torch and TensorFlow on a full device."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from parity.artefact import read_recording
from parity.errors import LostSideError
from parity.recorder import record_gate
from parity.workspace import Workspace

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
    with pytest.raises(LostSideError, match=r"^the port side had too little memory in gate blocks .*; free memory, take fewer"):
        record_gate(side(error), "blocks", "key")
    assert not (tmp_path / "port" / "blocks").exists()


def test_a_port_that_is_wrong_is_a_finding(side, tmp_path: Path):
    record_gate(side(RuntimeError(WRONG)), "blocks", "key")
    assert read_recording(tmp_path / "port" / "blocks").values["error"] == f"RuntimeError: {WRONG}"
