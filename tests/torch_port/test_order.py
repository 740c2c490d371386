from __future__ import annotations

import random

import pytest

from torch_port.order import LegacyBatchSampler, batches_as_fit


class KerasGenerator:
    """What the legacy's generator does to its list of images, in as few lines as possible."""

    def __init__(self, size: int, batch_size: int) -> None:
        self.images = [f"image {index}" for index in range(size)]
        self.batch_size = batch_size

    def __getitem__(self, batch: int) -> list[str]:
        if batch == 0:
            random.shuffle(self.images)
        return self.images[batch * self.batch_size : (batch + 1) * self.batch_size]


@pytest.mark.parametrize("size", [8, 10], ids=["full batches", "short last batch"])
def test_three_epochs_are_those_of_the_generator(size):
    sampler, generator = LegacyBatchSampler(size, 4), KerasGenerator(size, 4)
    random.seed(17)
    found = [[f"image {index}" for index in batch] for _ in range(3) for batch in sampler]
    random.seed(17)
    expected = [generator[batch] for _ in range(3) for batch in range(len(sampler))]
    assert found == expected
    assert len(sampler) == -(-size // 4)


def test_the_order_of_fit_reshuffles_in_the_middle_of_an_epoch():
    sampler, generator = LegacyBatchSampler(40, 4, batches_as_fit), KerasGenerator(40, 4)
    random.seed(17)
    found = [[f"image {index}" for index in batch] for _ in range(2) for batch in sampler]
    random.seed(17)
    expected = []
    for _ in range(2):
        order = list(range(10))
        random.shuffle(order)
        expected += [generator[batch] for batch in order]
    assert found == expected
    assert len({image for batch in found[:10] for image in batch}) < 40  # some are not seen in the first epoch


def test_any_order_of_batches_can_be_replayed():
    orders = iter([(2, 0, 1), (1, 0, 2)])
    sampler, generator = LegacyBatchSampler(10, 4, lambda count: next(orders)), KerasGenerator(10, 4)
    random.seed(1)
    found = [[f"image {index}" for index in batch] for _ in range(2) for batch in sampler]
    random.seed(1)
    assert found == [generator[batch] for batch in (2, 0, 1, 1, 0, 2)]


def test_numbers_are_drawn_when_the_batch_is_asked_for():
    sampler = iter(LegacyBatchSampler(10, 4))
    random.seed(1)
    expected = random.random()
    random.seed(1)
    assert random.random() == expected  # making the iterator drew nothing
    next(sampler)
    assert random.random() != expected
