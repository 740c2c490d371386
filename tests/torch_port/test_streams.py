from __future__ import annotations

import itertools

import numpy as np
import pytest

from torch_port.streams import derive_seed


def test_a_stream_is_that_of_its_numbers():
    assert derive_seed(3, 0, 7) == derive_seed(3, 0, 7)
    words = np.random.SeedSequence([3, 0, 7]).generate_state(2, np.uint32)
    assert derive_seed(3, 0, 7) == (int(words[1]) << 32 | int(words[0])) >> 1


def test_no_two_streams_meet():
    names = [*itertools.product(range(20), range(20), range(20)), *itertools.product(range(20), range(20))]
    # Trailing zeros name the same stream in numpy, so that only names of one length are told apart.
    seeds = {derive_seed(*name) for name in names if name[-1]}
    assert len(seeds) == sum(1 for name in names if name[-1])
    assert all(0 <= seed < 1 << 63 for seed in seeds)


def test_negative_numbers_name_nothing():
    with pytest.raises(ValueError, match="non-negative"):
        derive_seed(-1)
