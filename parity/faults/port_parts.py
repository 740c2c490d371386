"""What faults put into the port's place [torch]."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import albumentations as A
import cv2
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from parity.artefact import hash_array
from parity.workspace import Workspace
from torch_port import gradcam, model
from torch_port.transforms import MAX_LEVEL, input_size

# Pixels


def shrink_antialiased(percent_resize: float, quirks: object) -> list[A.BasicTransform]:
    """Stand in for ``transforms._shrink_and_scale``: Pillow's bilinear filter, which averages like torchvision's."""
    height, width = input_size(percent_resize)
    return _shrink_by(lambda image, **_: np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)))


def shrink_with_aligned_corners(percent_resize: float, quirks: object) -> list[A.BasicTransform]:
    """Stand in for ``transforms._shrink_and_scale``: torch's interpolation with ``align_corners``."""
    size = input_size(percent_resize)

    def shrink(image: np.ndarray, **_: Any) -> np.ndarray:
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
        shrunk = F.interpolate(pixels, size, mode="bilinear", align_corners=True)
        return shrunk[0].permute(1, 2, 0).round().byte().numpy()

    return _shrink_by(shrink)


def _shrink_by(shrink: Callable[..., np.ndarray]) -> list[A.BasicTransform]:
    return [A.Lambda(name="shrink", image=shrink, p=1.0), A.ToFloat(max_value=MAX_LEVEL)]


def remap_precisely(
    src: np.ndarray, map1: np.ndarray, map2: np.ndarray, interpolation: int, borderMode: int, borderValue: Any = None
) -> np.ndarray:
    """Stand in for ``cv2.remap``: bilinear in float64, mirrored at the border; OpenCV 4 counts 32 places between pixels."""
    if (interpolation, borderMode) != (cv2.INTER_LINEAR, cv2.BORDER_REFLECT_101):
        raise ValueError("only linear interpolation with a mirrored border is emulated")
    corners, shares = zip(
        *(_places(places, size) for places, size in ((map2, src.shape[0]), (map1, src.shape[1]))), strict=True
    )
    total = np.zeros((*map1.shape, src.shape[2]))
    for low_y in (0, 1):
        for low_x in (0, 1):
            share = np.abs(1 - low_y - shares[0]) * np.abs(1 - low_x - shares[1])
            total += share[:, :, None] * src[corners[0][low_y], corners[1][low_x]]
    return np.round(total).astype(src.dtype)


def _places(places: np.ndarray, size: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Return the two pixels that each place lies between, and the share of the second."""
    low = np.floor(places.astype(np.float64)).astype(np.int64)
    period = 2 * (size - 1)
    mirrored = [np.where((index := at % period) < size, index, period - index) for at in (low, low + 1)]
    return (mirrored[0], mirrored[1]), places - low


# The network


class BiasedBatchNorm(nn.BatchNorm2d):
    """A batch norm that takes up the biased variance of a batch."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        before = self.running_var.clone()
        normalised = super().forward(x)
        if self.training:
            n = x.numel() // x.shape[1]  # `data`: what backward keeps of the buffer must not count as changed
            kept = (1 - self.momentum) * before
            self.running_var.data.copy_(kept + (self.running_var - kept) * (n - 1) / n)
        return normalised


def biased_batch_norm(channels: int) -> nn.BatchNorm2d:
    """Stand in for ``model.batch_norm``."""
    return BiasedBatchNorm(channels, eps=model.BATCH_NORM_EPSILON, momentum=model.BATCH_NORM_MOMENTUM)


@contextmanager
def batch_statistics(network: nn.Module) -> Iterator[None]:
    """Have every batch norm use the batch's statistics inside the block, and keep its running ones as they are."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    with ExitStack() as stack:
        for norm in norms:
            stack.enter_context(patch.multiple(norm, training=True, momentum=0.0))
        yield


@contextmanager
def other_architecture(workspace: Workspace, arch: str) -> Iterator[None]:
    """Have the run ask for another architecture of the port."""
    before = workspace.spec
    workspace.__dict__["spec"] = replace(before, arch=arch)
    try:
        yield
    finally:
        workspace.__dict__["spec"] = before


# Training: what is put into `ClassifierTraining`


def leave_gradients(self: Any, *_: Any) -> None:
    """Stand in for ``optimizer_zero_grad``."""


def step_every_second_batch(self: Any, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
    """Stand in for ``optimizer_step``."""
    if batch_idx % 2 == 0:
        optimizer.step(closure=optimizer_closure)
    else:
        optimizer_closure()


def stay_in_evaluation_mode(self: Any) -> None:
    """Stand in for ``on_train_epoch_start``."""
    if self.current_epoch > 0:
        self.eval()


def stay_in_training_mode(self: Any) -> None:
    """Stand in for ``on_validation_epoch_start``."""
    self.train()


def set_first_epoch(self: Any, *_: Any) -> None:
    """Stand in for ``EpochOrder.on_train_epoch_start``, which it has not."""
    self.sampler.set_epoch(0)


def make_optimizer_anew(self: Any, trainer: Any, pl_module: Any) -> None:
    """Stand in for ``EpochLimit.on_train_epoch_start``, which it has not: a new optimizer with the old learning rate."""
    learning_rate = trainer.optimizers[0].param_groups[0]["lr"]
    trainer.optimizers = [pl_module.configure_optimizers()]
    trainer.optimizers[0].set_learning_rate(learning_rate)


# Grad-CAM


def hooked_gradcam(
    images: Tensor, network: Any, layer_name: str = gradcam.LAST_CONV_LAYER, pred_index: int | None = None
) -> np.ndarray:
    """Stand in for ``gradcam.raw_gradcam_heatmap``: a hook that keeps the layer's output itself, not a copy."""
    kept: list[Tensor] = []
    hook = gradcam.get_layer(network, layer_name).register_forward_hook(lambda *found: kept.append(found[2]))
    try:
        probabilities = network.probabilities(images.detach().requires_grad_())
    finally:
        hook.remove()
    index = int(probabilities[0].argmax()) if pred_index is None else pred_index
    (gradient,) = torch.autograd.grad(probabilities[0, index], kept[0])
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return (weights * kept[0]).sum(dim=1)[0].detach().cpu().numpy()


@contextmanager
def explain_labels(workspace: Workspace) -> Iterator[None]:
    """Have Grad-CAM explain the label of each image of the run."""
    labels = {hash_array(workspace.image(case)): case.label for case in workspace.all_cases}
    original = gradcam.raw_gradcam_heatmap

    def explain(images: Tensor, network: Any, layer: str, pred_index: int | None = None) -> np.ndarray:
        pixels = np.ascontiguousarray(images.permute(0, 2, 3, 1).float().cpu().numpy())
        return original(images, network, layer, labels.get(hash_array(pixels), pred_index))

    with patch.object(gradcam, "raw_gradcam_heatmap", explain):
        yield
