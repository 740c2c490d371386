"""Seeds of random streams that do not meet: one for each thing that draws, from the training's seed."""

from __future__ import annotations

import numpy as np

SEED_BITS = 63


def derive_seed(*parts: int) -> int:
    """Return the seed of a stream, from 0 to 2**63 - 1, for non-negative numbers that name it.

    Other numbers give another stream, in practice always (a hash of 64 bits).

    References:
        O'Neill, Developing a seed_seq Alternative, 2015 (numpy's ``SeedSequence``).
    """
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> (64 - SEED_BITS))
