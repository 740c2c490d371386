"""Running statistics in float64, where the two frameworks keep different ones, made comparable step by step.

TensorFlow's batch norm is fused in float32 and stores the unbiased variance, as torch does; in float64 it is not fused and
stores the biased one. And Keras makes the share of a new value, 1 - 0.99, a float32 number before it is cast to float64:
0.0099999998 instead of 0.01. What a step added is found from two statistics in a row, and added up again as Keras does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parity.architecture import BATCH_NORMS, TAPS, tap_shapes
from parity.contract import CLASSES

PORT_SHARE = 0.01
KERAS_SHARE = float(np.float32(1 - 0.99))


def as_keras_keeps(start: np.ndarray, running: np.ndarray, factors: Sequence[float]) -> np.ndarray:
    """Return the running statistics that Keras would have kept of the batches that torch saw.

    Args:
        start: Statistic before the first step, (C,).
        running: The port's statistic after each step, (T, C).
        factors: What each batch's statistic is multiplied by, T numbers: 1 for means, (n - 1) / n for variances.

    Returns:
        (T, C).

    >>> running = np.array([[0.99 * 4.0 + 0.01 * 2.0]])
    >>> np.round(as_keras_keeps(np.array([4.0]), running, [0.5]), 6).tolist()
    [[3.97]]
    """
    found = np.empty_like(running)
    before, kept = start, start
    for step, factor in enumerate(factors):
        batch = (running[step] - (1 - PORT_SHARE) * before) / PORT_SHARE * factor
        kept = kept - (kept - batch) * KERAS_SHARE
        before, found[step] = running[step], kept
    return found


def norm_positions(height_px: int, width_px: int) -> dict[str, int]:
    """Return rows times columns of the input of every batch norm, by its path.

    >>> positions = norm_positions(96, 128)
    >>> positions["conv2/block3/bn1"], positions["conv2/block3/bn2"], positions["post_bn"]
    (768, 192, 12)
    """
    shapes = tap_shapes(height_px, width_px, len(CLASSES))
    area = {tap.name: shapes[tap.name][1] * shapes[tap.name][2] for tap in TAPS if tap.axes == "NHWC"}
    order = list(area)
    found = {}
    for norm in BATCH_NORMS:
        block = norm.name.rpartition("/")[0] + "/out" if "/" in norm.name else "post/norm"
        reduced = norm.name.endswith("/bn2") or "/" not in norm.name
        found[norm.name] = area[block] if reduced else area[order[order.index(block) - 1]]
    return found
