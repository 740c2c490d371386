"""Kernels of a backbone that nobody trained, drawn from a seed: they need not be kept, for they can be drawn again."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np


def glorot_bound(shape: tuple[int, ...]) -> float:
    """Return the largest element that Glorot's uniform distribution allows in a kernel (H, W, I, O) or (I, O).

    References:
        Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks (2010).

    >>> round(glorot_bound((7, 7, 3, 64)) ** -2, 6)
    547.166667
    """
    *window, fan_in, fan_out = shape
    return math.sqrt(6.0 / (math.prod(window) * (fan_in + fan_out)))


def draw_kernel(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Return a kernel (H, W, I, O) or (I, O), float32, uniform within Glorot's bound.

    Args:
        name: Legacy name; every kernel has random numbers of its own.
        shape: In the legacy's axis order.
        seed: Of the whole network.
    """
    bound = glorot_bound(shape)
    numbers = np.random.Generator(np.random.PCG64([seed, *hashlib.sha256(name.encode()).digest()[:8]]))
    return (bound * (2.0 * numbers.random(shape, dtype=np.float32) - 1.0)).astype(np.float32)


def specification(seed: int) -> dict[str, Any]:
    """Return in words what `draw_kernel` draws from."""
    return {
        "generator": "numpy PCG64 of [seed, first 8 bytes of the SHA-256 of the name], float32",
        "distribution": "uniform within sqrt(6 / (fan_in + fan_out)) of 0",
        "seed": seed,
    }
