"""What both recorders of the bn_state gate and its comparison agree on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from parity.workspace import Workspace

PASSES = 10
MARKS = (1, 2, PASSES)  # passes after which the running statistics are kept
EVALUATED = "evaluated"  # after one more pass, in evaluation mode
STATISTICS = ("mean", "variance")

# So few values in a channel of the last stage (8) that a biased variance is an eighth too small.
SMALL = "small"
SMALL_BATCH, SMALL_PX = 2, 64
LARGE = "large"


def marks(profile: str) -> Mapping[str, tuple[int, ...]]:
    """Return the sizes of batches that a profile asks for, small ones and those of the run itself, and their `MARKS`.

    The first two passes show what a port can do wrongly; eight more of a large batch take two thirds of the gate's time.
    """
    large = {"quick": MARKS[:2], "full": MARKS}.get(profile)
    return {SMALL: MARKS} if large is None else {SMALL: MARKS, LARGE: large}


def mark_name(number: int) -> str:
    """Return under which name the statistics after so many passes are kept."""
    return f"pass{number:02d}"


def small_name(number: int) -> str:
    """Return under which name both sides keep the small batch of one pass, counted from 0."""
    return f"{SMALL}/batch{number:02d}/images"


def large_batches(workspace: Workspace, passes: int) -> Iterator[np.ndarray]:
    """Yield the batch (N, H, W, C) of each pass: the stored ones in turn, each time rolled a little further."""
    stored = list(workspace.batches("augmented"))
    for number in range(passes):
        yield np.roll(stored[number % len(stored)], (7 * number, 11 * number), axis=(1, 2))
