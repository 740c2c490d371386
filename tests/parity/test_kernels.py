"""Kernels that are drawn again: the same for ever, each its own, within Glorot's bound."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from parity.kernels import draw_kernel, specification

SHAPE = (3, 3, 16, 32)


def draw_by_hand(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """The low half of each 64 bits of PCG64 first; the upper 24 of these 32 bits are the number."""
    generator = np.random.PCG64([seed, *hashlib.sha256(name.encode("utf-8")).digest()[:8]])
    count = math.prod(shape)
    raw = [int(value) for value in generator.random_raw(count // 2 + 1)]
    halves = [half for value in raw for half in (value & 0xFFFFFFFF, value >> 32)][:count]
    unit = np.array([(half >> 8) / 2**24 for half in halves], dtype=np.float32)
    bound = np.float32(math.sqrt(6 / (math.prod(shape[:-2]) * (shape[-2] + shape[-1]))))
    return (bound * (np.float32(2) * unit - np.float32(1))).reshape(shape)


@pytest.mark.parametrize("shape", [SHAPE, (7, 7, 3, 5), (1, 1, 4, 4), (9, 2), (1, 1)])
@pytest.mark.parametrize("seed", [0, 17, 2**40])
def test_a_kernel_is_what_its_specification_says(shape: tuple[int, ...], seed: int):
    found = draw_kernel("conv2/block1/kernel", shape, seed)
    assert (found.dtype, found.shape) == (np.float32, shape)
    np.testing.assert_array_equal(found, draw_by_hand("conv2/block1/kernel", shape, seed))


def test_a_kernel_is_the_same_for_ever():
    digest = hashlib.sha256(draw_kernel("conv2_block1_1_conv/kernel", SHAPE, 17).astype("<f4").tobytes()).hexdigest()
    assert digest == "541b092f9833e79c7c380373a0c977bdd1bf12a087bab559051e923e32da3b8b"


@pytest.mark.parametrize(
    ("name", "seed"), [("b/kernel", 17), ("a/kernel", 18), ("a/kernel ", 17), ("A/kernel", 17), ("a/kernel", 17 + 2**32)]
)
def test_another_name_or_seed_draws_other_numbers(name: str, seed: int):
    first, other = draw_kernel("a/kernel", SHAPE, 17), draw_kernel(name, SHAPE, seed)
    assert np.mean(first == other) < 0.001
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.06, "four standard deviations"


@pytest.mark.parametrize(("shape", "bound"), [(SHAPE, math.sqrt(6 / (9 * 48))), ((100, 50), math.sqrt(6 / 150))])
def test_numbers_fill_glorots_bound_evenly(shape: tuple[int, ...], bound: float):
    kernel = draw_kernel("a/kernel", shape, 3) / bound
    assert 0.99 < np.abs(kernel).max() <= 1 + 1e-6
    assert abs(kernel.mean()) < 4 / math.sqrt(3 * kernel.size)
    assert abs(kernel.var() - 1 / 3) < 4 * math.sqrt(4 / 45 / kernel.size)


def test_the_specification_names_the_seed():
    assert specification(29)["seed"] == 29
