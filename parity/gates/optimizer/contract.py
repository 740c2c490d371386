"""Injected gradients: one decade of magnitudes in each row, and a row of zeros; other values in every step."""

from __future__ import annotations

import numpy as np

GATE = "optimizer"
DECADES = tuple(range(-9, 4))
ROWS = (*(f"1e{decade:+03d}" for decade in DECADES), "zero")
COLUMNS = 16
RUNS = ("constant", "lowered")  # learning rate
LOWERED_AFTER = 3  # steps
FACTOR = 0.1
STEPS = 100
RECORDED_STEPS = (1, 2, 3, 4, STEPS)
QUANTITIES = ("weights", "first_moment", "second_moment")
START_SCALE = 1e-6  # small weights: what a step of a small gradient adds to them must not be lost in rounding
INJECTED = {"start": "NC", "gradients": "KNC"}  # N decades, C values, K steps


def make_start() -> np.ndarray:
    """Return the weights to start from (N, C), float64."""
    return START_SCALE * np.random.default_rng(17).standard_normal((len(ROWS), COLUMNS))


def make_gradients() -> np.ndarray:
    """Return the gradients of all steps (K, N, C), float64: in [1, 10) times the row's magnitude, of either sign."""
    rng = np.random.default_rng(18)
    shape = (STEPS, len(ROWS), COLUMNS)
    magnitudes = np.array([*(float(f"1e{decade}") for decade in DECADES), 0.0])
    signs = rng.choice([-1.0, 1.0], shape)
    gradients: np.ndarray = signs * rng.uniform(1.0, 10.0, shape) * magnitudes[:, None]
    return gradients


def array_name(run: str, step: int, quantity: str) -> str:
    return f"float64/{run}/step{step:03d}/{quantity}"
