"""The ways to predict: float32 is the model's own function, compiled it is exact but for rounding, bfloat16 is near."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import nn

from torch_port import evaluate
from torch_port.errors import InputError
from torch_port.inference import check_compiler, make_predictor
from torch_port.model import Classifier, make_model


@pytest.fixture(scope="module")
def model() -> Classifier:
    """A network whose batch norms have something to fold."""
    torch.manual_seed(3)
    made = make_model()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return evaluate.prepare_model(made, torch.device("cpu"))


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(5)).contiguous(memory_format=torch.channels_last)


@pytest.fixture(scope="module")
def expected(model: Classifier, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.probabilities(images)


def test_float32_is_the_model(model: Classifier, images: torch.Tensor, expected: torch.Tensor):
    found = make_predictor(model)(images)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_bfloat16_is_near_and_another(model: Classifier, images: torch.Tensor, expected: torch.Tensor):
    found = make_predictor(model, precision="bf16-mixed")(images)
    assert found.dtype == torch.float32
    assert torch.allclose(found.sum(dim=1), torch.ones(2), atol=1e-6)  # softmax itself is float32
    assert 0 < (found - expected).abs().max() < 0.05


def needs_compiler(test: Callable[..., None]) -> Callable[..., None]:
    """Skip where there is no compiler; what torch warns of while it compiles is not ours."""
    for mark in (
        pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler"),
        pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"),
    ):
        test = mark(test)
    return test


@needs_compiler
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_weights_and_batch_norms_are_folded_into_the_program(model: Classifier, images: torch.Tensor, precision: str):
    changing = deepcopy(model)
    predict = make_predictor(changing, precision=precision, compiled=True)
    with torch.no_grad():
        for parameter in changing.parameters():
            parameter.zero_()
    found = predict(images)
    assert torch.equal(found, predict(images))
    assert torch.allclose(make_predictor(changing)(images), torch.full((2, 3), 1 / 3))
    difference = (found - make_predictor(model, precision=precision)(images)).abs().max()
    assert 0 < difference < (1e-5 if precision == "32-true" else 0.05)  # exact but for rounding
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        predict(images)
    operations = {event.name for event in profile.events()}
    assert "mkldnn::_convolution_pointwise" in operations  # takes weights in its own layout, with what follows in the same pass
    assert not {name for name in operations if name.startswith("aten::") and ("convolution" in name or "batch_norm" in name)}


@pytest.mark.parametrize(("device", "variable"), [("cpu", "CXX"), ("cuda", "CC")])
def test_without_a_compiler_nothing_is_begun(device: str, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """On a GPU, Triton asks for a C compiler: nothing of the GPU itself is needed to find out that there is none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(InputError, match=r"`compiler` must be there to compile inference, got none"):
        check_compiler(torch.device(device))
    compiler = tmp_path / "my-compiler"
    compiler.touch(mode=0o755)
    monkeypatch.setenv(variable, str(compiler))
    check_compiler(torch.device(device))


def test_a_network_is_not_copied_for_a_compiler_that_is_not_there(
    model: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(InputError, match="compiler"):
        make_predictor(model, compiled=True)
