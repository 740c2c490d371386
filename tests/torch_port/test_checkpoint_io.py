"""Round trips of what Lightning keeps; that a training is resumed from it is in test_training."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from torch_port.checkpoint_io import SafetensorsIO
from torch_port.errors import InputError

IO = SafetensorsIO()
SHARED = torch.arange(12.0).reshape(3, 4)
CHECKPOINT = {
    "epoch": 3,
    "nothing": None,
    "flags": [True, False, 1, 0],
    "numbers": {"nan": math.nan, "inf": math.inf, "minus": -math.inf, "small": 5e-324, "large": 1 << 80, "third": 1 / 3},
    "text": "é\n\"'\\ \u2028",
    "empty": {"dict": {}, "list": [], "text": ""},
    "optimizer_states": [{"state": {0: {"step": 7, "m": SHARED}, 1: {"m": SHARED}}, 2: {"key": "of numbers"}}],
    "like tensors": {"tensor": "0", "dict": [["a", 1]], "list": [1]},
    "tensors": {
        **{
            str(dtype): torch.tensor([[0, 1], [1, 0]]).to(dtype)
            for dtype in (torch.float64, torch.bfloat16, torch.int64, torch.bool)
        },
        "of no dimension": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "transposed": SHARED.T,
        "part of another": SHARED[1:],
        "special": torch.tensor([math.nan, math.inf, -0.0]),
        "trained": torch.ones(2, requires_grad=True),
    },
}


def assert_same(found: Any, expected: Any) -> None:
    """Compare types, orders and bits."""
    assert type(found) is type(expected)
    if isinstance(expected, torch.Tensor):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        bits = (tensor.detach().flatten().view(torch.uint8) for tensor in (found, expected))
        assert torch.equal(*bits)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for pair in zip(found, expected, strict=True):
            assert_same(*pair)
    else:
        assert found == expected or (found != found and expected != expected)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "new folder" / "last.ckpt"
    IO.save_checkpoint(CHECKPOINT, path)
    return path


def test_everything_comes_back(path: Path):
    assert_same(IO.load_checkpoint(path), CHECKPOINT)
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


def test_what_comes_back_is_independent(path: Path):
    state = IO.load_checkpoint(path)["optimizer_states"][0]["state"]
    state[0]["m"].zero_()
    assert torch.equal(state[1]["m"], SHARED)


def test_tuples_become_lists(tmp_path: Path):
    IO.save_checkpoint({"betas": (0.9, (1, "a"))}, tmp_path / "last.ckpt")
    assert_same(IO.load_checkpoint(tmp_path / "last.ckpt"), {"betas": [0.9, [1, "a"]]})


def test_nothing_is_pickled(path: Path):
    with pytest.raises(TypeError, match="`checkpoint` must hold tensors and plain values, got object"):
        IO.save_checkpoint({"callbacks": {"mine": [object()]}}, path)
    assert_same(IO.load_checkpoint(path), CHECKPOINT)  # the one before is still there


def test_a_pickle_is_never_loaded(path: Path):
    torch.save({"epoch": 1}, path)
    with pytest.raises(InputError, match="`checkpoint` must be a whole file"):
        IO.load_checkpoint(path)


@pytest.mark.parametrize("kept", [0, 7, 100, -1])
def test_a_truncated_file_is_refused(path: Path, kept: int):
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"`checkpoint` must be a whole file that a training wrote, got .*; start again"):
        IO.load_checkpoint(path)


def test_a_missing_file_and_another_one_are_refused(tmp_path: Path):
    from safetensors.torch import save_file

    save_file({"0": torch.ones(1)}, tmp_path / "weights.safetensors")
    save_file({"0": torch.ones(1)}, tmp_path / "odd.ckpt", metadata={"checkpoint": '{"tensor": "1"}'})
    for name in ("no.ckpt", "weights.safetensors", "odd.ckpt"):
        with pytest.raises(InputError, match=f"`checkpoint` must be a whole file .* in .*{name}; "):
            IO.load_checkpoint(tmp_path / name)


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.usefixtures("usual_umask")
def test_others_may_read_it_as_far_as_they_may_read_any_new_file(tmp_path: Path):
    IO.save_checkpoint(CHECKPOINT, tmp_path / "last.ckpt")
    assert stat.S_IMODE((tmp_path / "last.ckpt").stat().st_mode) == 0o640


def test_removing_twice_does_no_harm(path: Path):
    IO.remove_checkpoint(path)
    IO.remove_checkpoint(path)
    assert not path.exists()
