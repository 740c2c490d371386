"""What both recorders of the bn_state gate and its comparison agree on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from parity.workspace import Workspace

PASSES = 10
# Passes after which the running statistics are kept.
MARKS = {1: "pass01", 2: "pass02", PASSES: "pass10"}
EVALUATED = "evaluated"  # after one more pass, in evaluation mode
STATISTICS = ("mean", "variance")

# So few values in a channel of the last stage (8) that a biased variance is an eighth too small.
SMALL = "small"
SMALL_BATCH, SMALL_PX = 2, 64
LARGE = "large"


def sizes(profile: str) -> tuple[str, ...]:
    """Return the sizes of batches that a profile asks for: small ones, and those of the run itself."""
    return (SMALL,) if profile == "probe" else (SMALL, LARGE)


def small_name(number: int) -> str:
    """Return under which name both sides keep the small batch of one pass, counted from 0."""
    return f"{SMALL}/batch{number:02d}/images"


def large_batches(workspace: Workspace) -> Iterator[np.ndarray]:
    """Yield the batch (N, H, W, C) of each pass: the stored ones in turn, each time rolled a little further."""
    stored = list(workspace.batches("augmented"))
    for number in range(PASSES):
        yield np.roll(stored[number % len(stored)], (7 * number, 11 * number), axis=(1, 2))
