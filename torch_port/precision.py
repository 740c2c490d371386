"""In which precision a GPU multiplies: full float32, or TF32, which keeps 10 of 23 bits of each factor and is faster."""

from __future__ import annotations

import torch

from torch_port.errors import InputError

TF32 = "tf32"
TF32_CAPABILITY = (8, 0)  # the first GPUs that have it


def set_tf32(allowed: bool) -> None:
    """Let convolutions and matrix products on a GPU compute in TF32, or not. torch's default is both, one of each."""
    torch.backends.cudnn.allow_tf32 = allowed
    torch.backends.cuda.matmul.allow_tf32 = allowed


def check_precision(precision: str, device: torch.device) -> None:
    """Refuse TF32 where there is none: results would be called what they are not.

    Raises:
        InputError: The device computes no TF32.
    """
    if precision == TF32 and (device.type != "cuda" or torch.cuda.get_device_capability(device) < TF32_CAPABILITY):
        raise InputError.about(
            "precision", must="be one that the device has", got="tf32 on one without it", place="--precision",
            remedy="use 32-true, or a GPU of compute capability 8.0 or later",
        )  # fmt: skip


def lightning_word(precision: str) -> str:
    """Return Lightning's word for a precision: TF32 is a setting of torch beside ``32-true``."""
    return "32-true" if precision == TF32 else precision
