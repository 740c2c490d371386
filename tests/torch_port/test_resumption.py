"""What is kept of the order of images; that it suffices is in test_training."""

from __future__ import annotations

import json
import random

import pytest
from torch.utils.data import DataLoader, SequentialSampler

from torch_port.order import EpochSampler, LegacyBatchSampler, SharedBatchSampler
from torch_port.resumption import EpochOrder, LegacyOrder, make_order_callbacks

IMAGES = list(range(7))


def test_a_permutation_needs_its_epoch():
    sampler = EpochSampler(7, seed=3)
    loaders = [DataLoader(IMAGES, batch_sampler=SharedBatchSampler(each, 4)) for each in (sampler, SequentialSampler(IMAGES))]
    (callback,) = make_order_callbacks(*loaders)
    assert isinstance(callback, EpochOrder)
    callback.on_load_checkpoint(None, None, {"epoch": 4})
    assert sampler.epoch == 5


def test_other_batches_need_nothing():
    assert make_order_callbacks(DataLoader(IMAGES, batch_size=2), DataLoader(IMAGES, batch_size=None), [1, 2]) == []


@pytest.fixture
def same_random_numbers():
    state = random.getstate()
    yield
    random.setstate(state)


@pytest.mark.usefixtures("same_random_numbers")
def test_the_legacy_order_goes_on_where_it_was():
    random.seed(17)
    first = LegacyBatchSampler(IMAGES, 3, shuffle=True)
    list(first)
    (callback,) = make_order_callbacks(DataLoader(IMAGES, batch_sampler=first))
    kept = json.loads(json.dumps(callback.state_dict()))  # as a checkpoint keeps it
    expected = [list(first), list(first), random.random()]
    random.seed(99)
    second = LegacyBatchSampler(IMAGES, 3, shuffle=True)
    LegacyOrder(second).load_state_dict(kept)
    assert [list(second), list(second), random.random()] == expected
