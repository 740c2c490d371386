"""Conditions to run the port under [torch]: of other arithmetic, other layouts, other random numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from parity.sides.port import PortSide
from parity.workspace import Workspace
from torch_port import model
from torch_port.training_module import ClassifierTraining

TF32_MANTISSA_BITS, FLOAT32_MANTISSA_BITS = 10, 23


class PreciseBatchNorm(nn.BatchNorm2d):
    """A batch norm whose running statistics are computed in float64."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        before = self.running_mean.double().clone(), self.running_var.double().clone()
        normalised = super().forward(x)
        if self.training:
            found = x.detach().double().mean(dim=(0, 2, 3)), x.detach().double().var(dim=(0, 2, 3))
            for kept, old, new in zip((self.running_mean, self.running_var), before, found, strict=True):
                kept.data.copy_((1 - self.momentum) * old + self.momentum * new)
        return normalised


def precise_batch_norm(channels: int) -> nn.BatchNorm2d:
    """Stand in for ``model.batch_norm``."""
    return PreciseBatchNorm(channels, eps=model.BATCH_NORM_EPSILON, momentum=model.BATCH_NORM_MOMENTUM)


@contextmanager
def tf32_convolutions() -> Iterator[None]:
    """Round the operands of every float32 convolution to TF32, and keep torch's flag as it was."""
    original, flag = nn.Conv2d._conv_forward, torch.backends.cudnn.allow_tf32

    def forward(self: nn.Conv2d, given: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return original(self, _round_to_tf32(given), _round_to_tf32(weight), bias)

    with patch.object(nn.Conv2d, "_conv_forward", forward):
        try:
            yield
        finally:
            torch.backends.cudnn.allow_tf32 = flag


def _round_to_tf32(values: Tensor) -> Tensor:
    if values.dtype != torch.float32:
        return values
    dropped = FLOAT32_MANTISSA_BITS - TF32_MANTISSA_BITS
    bits = values.detach().contiguous().view(torch.int32) + (1 << (dropped - 1))
    rounded = (bits >> dropped << dropped).view(torch.float32)
    return values + (rounded - values).detach()


def mixed_precision() -> Any:
    """Return a context of automatic bfloat16."""
    return torch.autocast("cpu", dtype=torch.bfloat16)


def without_onednn() -> Any:
    """Return a context without oneDNN."""
    return torch.backends.mkldnn.flags(enabled=False)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Compute on so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def channels_last() -> Iterator[None]:
    """Lay every image and every weight out channels last."""
    make_model, make_tensor = PortSide.model, PortSide.tensor

    def model_(self: PortSide, dtype: str) -> Any:
        return make_model(self, dtype).to(memory_format=torch.channels_last)

    def tensor(self: PortSide, images: np.ndarray, dtype: str, axes: str = "NHWC") -> Tensor:
        made = make_tensor(self, images, dtype, axes)
        return made.contiguous(memory_format=torch.channels_last) if made.ndim == 4 else made

    with patch.multiple(PortSide, model=model_, tensor=tensor):
        yield


@contextmanager
def small_batches(count: int) -> Iterator[None]:
    """Predict so many images at a time."""
    predict = PortSide.predict

    def parts(self: PortSide, network: Any, images: np.ndarray, dtype: str) -> np.ndarray:
        starts = range(0, len(images), count)
        return np.concatenate([predict(self, network, images[start : start + count], dtype) for start in starts])

    with patch.object(PortSide, "predict", parts):
        yield


@contextmanager
def precise_statistics() -> Iterator[None]:
    """Compute running statistics in float64."""
    with patch.object(model, "batch_norm", precise_batch_norm):
        yield


@contextmanager
def noisy_gradients(amount: float) -> Iterator[None]:
    """Add a relative error to every gradient."""
    with _after_backward(lambda name, gradient, noise: gradient * (amount * noise)):
        yield


@contextmanager
def noisy_biases(amount: float) -> Iterator[None]:
    """Add an absolute error to the gradients of convolutions' biases."""
    with _after_backward(lambda name, gradient, noise: amount * noise * name.endswith(("conv3.bias", "shortcut.bias"))):
        yield


@contextmanager
def _after_backward(error: Callable[[str, Tensor, Tensor], Tensor]) -> Iterator[None]:
    generator = torch.Generator().manual_seed(17)

    def on_after_backward(self: Any) -> None:
        for name, parameter in self.model.named_parameters():
            if parameter.grad is not None and parameter.grad.dtype == torch.float64:
                noise = torch.randn(parameter.grad.shape, generator=generator, dtype=torch.float64)
                parameter.grad += error(name, parameter.grad, noise)

    with patch.object(ClassifierTraining, "on_after_backward", on_after_backward):
        yield


@contextmanager
def another_seed(seed: int) -> Iterator[None]:
    """Start the global random numbers elsewhere than the recorders do."""
    original = PortSide.__init__

    def begin(self: PortSide, workspace: Workspace) -> None:
        original(self, workspace)
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002

    state = random.getstate(), np.random.get_state()  # noqa: NPY002
    with ExitStack() as stack:
        stack.callback(random.setstate, state[0])
        stack.callback(np.random.set_state, state[1])
        stack.enter_context(patch.object(PortSide, "__init__", begin))
        yield
