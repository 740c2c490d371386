"""What both recorders of the inference gate and its comparison agree on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import numpy as np

from parity.contract import BATCH_SIZE
from parity.workspace import Case, Workspace

FREE_TAP_IMAGES = 1
DROPOUT_SHAPE = (64, 256)


def alone(workspace: Workspace) -> tuple[Case, ...]:
    """Images that are also predicted in a batch of one."""
    return workspace.tap_cases("evaluation")


def predict_batches(
    predict: Callable[[np.ndarray], np.ndarray], batches: Iterable[np.ndarray]
) -> tuple[np.ndarray, list[float]]:
    """Predict stored batches one by one.

    Args:
        predict: Batch (N, H, W, C) -> probabilities (N, K) in the host's memory.
        batches: The batches.

    Returns:
        All probabilities, and the seconds of each whole batch after the first, which warms up.
    """
    found: list[np.ndarray] = []
    elapsed_s: list[float] = []
    for batch in batches:
        start = time.perf_counter()
        found.append(predict(batch))
        if len(found) > 1 and len(batch) == BATCH_SIZE:
            elapsed_s.append(time.perf_counter() - start)
    return np.concatenate(found), elapsed_s
