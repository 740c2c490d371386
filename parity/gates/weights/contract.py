"""What both recorders of the weights gate and its comparison agree on."""

from __future__ import annotations

import numpy as np

Figures = dict[str, float]


def describe(values: np.ndarray) -> Figures:
    """Return count, mean, standard deviation, smallest and largest element of a tensor, worked out in float64.

    >>> describe(np.array([1.0, 3.0], dtype=np.float32))
    {'n': 2, 'mean': 2.0, 'std': 1.0, 'min': 1.0, 'max': 3.0}
    """
    exact = np.asarray(values, dtype=np.float64)
    figures = {"mean": exact.mean(), "std": exact.std(), "min": exact.min(), "max": exact.max()}
    return {"n": exact.size, **{name: float(value) for name, value in figures.items()}}
