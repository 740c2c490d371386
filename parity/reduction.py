"""What is kept of an array that is too large to keep: enough to see it change, at the scale of its own elements. numpy only.

A reduced array is compared with the same reduction of another one as whole arrays are: the relative error of the two
reductions is of the size of the relative error of the arrays, within the limits that these have.
"""

from __future__ import annotations

import hashlib

import numpy as np

ELEMENTS, PROJECTIONS = 64, 8
SAMPLE, SKETCH = "sample", "sketch"


def reduce(array: np.ndarray, how: str) -> np.ndarray:
    """Return what is kept of an array, (n,) float64.

    Args:
        array: Of any shape; its elements are taken in C order.
        how: `SAMPLE` keeps `ELEMENTS` elements, evenly spaced, the first and the last among them. `SKETCH` adds
            `PROJECTIONS` random signed sums of all elements, divided by the root of their number, the root mean square, and
            the largest absolute value.

    >>> reduce(np.array([3.0, -4.0]), SKETCH)[[0, 1, -2, -1]]
    array([ 3.        , -4.        ,  3.53553391,  4.        ])
    """
    flat = np.asarray(array, dtype=np.float64).reshape(-1)
    places = np.linspace(0, flat.size - 1, min(ELEMENTS, flat.size)).round().astype(np.int64)
    if how == SAMPLE:
        return flat[places]
    sums = [2.0 * flat[_signs(number, flat.size)].sum() - flat.sum() for number in range(PROJECTIONS)]
    scale = np.sqrt(flat.size)
    return np.concatenate([flat[places], np.array(sums) / scale, [np.linalg.norm(flat) / scale, np.abs(flat).max()]])


def _signs(seed: int, count: int) -> np.ndarray:
    """Return which of `count` elements are added rather than taken away: bits of SHAKE-256, the same for ever."""
    drawn = hashlib.shake_256(f"projection {seed}".encode()).digest(-(-count // 8))
    return np.unpackbits(np.frombuffer(drawn, np.uint8), count=count).astype(bool)
