"""What both recorders of the inference gate and its comparison agree on."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from parity.workspace import Case, Workspace

FREE_TAP_IMAGES = 1
DROPOUT_SHAPE = (64, 256)
TIMED_REPEATS = 3


def alone(workspace: Workspace) -> tuple[Case, ...]:
    """Images that are also predicted in a batch of one."""
    return workspace.tap_cases("evaluation")


def time_batch(predict: Callable[[np.ndarray], np.ndarray], batch: np.ndarray) -> dict[str, object]:
    """Predict a batch that was predicted before, a few times over.

    Args:
        predict: Batch (N, H, W, C) -> probabilities (N, K) in the host's memory.
        batch: The batch.

    Returns:
        The number of images in the batch and the seconds of each time.
    """
    elapsed_s = []
    for _ in range(TIMED_REPEATS):
        start = time.perf_counter()
        predict(batch)
        elapsed_s.append(time.perf_counter() - start)
    return {"images": len(batch), "elapsed_s": elapsed_s}
