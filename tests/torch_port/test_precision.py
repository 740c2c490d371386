"""TF32 is asked for, and refused where there is none: it must not be in the name of numbers that were computed without it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from torch_port.__main__ import main
from torch_port.errors import InputError
from torch_port.precision import check_precision, lightning_word, set_tf32

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_a_cpu_has_no_tf32():
    with pytest.raises(InputError, match=r"`precision` must be one that the device has, got tf32"):
        check_precision("tf32", CPU)
    for precision in ("32-true", "bf16-mixed"):
        check_precision(precision, CPU)


@pytest.mark.parametrize(("capability", "has_it"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_a_gpu_has_it_from_capability_8(capability: tuple[int, int], has_it: bool, monkeypatch: pytest.MonkeyPatch):
    """Stands for a T4, an A100 and an H100, which torch asks the driver about."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    if has_it:
        check_precision("tf32", GPU)
    else:
        with pytest.raises(InputError, match=r"compute capability 8\.0"):
            check_precision("tf32", GPU)


def test_convolutions_and_products_are_set_together():
    for allowed in (True, False):
        set_tf32(allowed)
        assert torch.backends.cudnn.allow_tf32 is allowed
        assert torch.backends.cuda.matmul.allow_tf32 is allowed


def test_lightning_knows_tf32_as_float32():
    assert [lightning_word(word) for word in ("tf32", "32-true", "bf16-mixed")] == ["32-true", "32-true", "bf16-mixed"]


@pytest.mark.parametrize("command", ["evaluate", "predict", "train"])
def test_on_a_cpu_a_command_refuses_it(command: str, data_set: Path, checkpoint: Path, tmp_path: Path, capsys):
    out = tmp_path / "out.csv"
    words = {
        "evaluate": ["--data", str(data_set), "--checkpoint", str(checkpoint)],
        "predict": [str(data_set / "images"), "--checkpoint", str(checkpoint)],
        "train": ["--data", str(data_set), "--weights", "none", "--epochs", "1"],
    }[command]
    shared = ["--image-scale", "0.05", "--device", "cpu", "--precision", "tf32", "--out", str(out)]
    assert main([command, *words, *shared]) == 2
    assert "`precision` must be one that the device has, got tf32" in capsys.readouterr().err
    assert not out.exists()
