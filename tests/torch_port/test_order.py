from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import numpy as np
import pytest
from torch import distributed
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils.data import BatchSampler, SequentialSampler

from torch_port.errors import DataError
from torch_port.order import Draw, EpochSampler, LegacyBatchSampler, SharedBatchSampler, random_stream


class Images:
    """A data set whose images are random numbers: one is drawn for each that is read."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.read: list[int] = []

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> float:
        self.read.append(index)
        return random.random()


class KerasGenerator:
    """What the legacy's generator does to its list of images, in as few lines as possible."""

    def __init__(self, size: int, batch_size: int, shuffle: bool) -> None:
        self.images = list(range(size))
        self.batch_size = batch_size
        self.shuffle = shuffle

    def __getitem__(self, batch: int) -> list[tuple[int, float]]:
        if batch == 0 and self.shuffle:
            random.shuffle(self.images)
        return [(image, random.random()) for image in self.images[batch * self.batch_size : (batch + 1) * self.batch_size]]


def epochs_of_fit(size: int, batch_size: int, *, shuffle: bool, epochs: int) -> list[list[tuple[int, float]]]:
    """Batches as Keras' ``fit`` (or, without shuffle, its validation) asks for them: a look first."""
    generator = KerasGenerator(size, batch_size, shuffle)
    batches = []
    generator[0]
    for _ in range(epochs):
        order = list(range(-(-size // batch_size)))
        if shuffle:
            random.shuffle(order)
        batches += [generator[batch] for batch in order]
    return batches


@contextmanager
def process(rank: int, processes: int) -> Iterator[None]:
    """Be one process of a distributed job of so many, the others of which do not exist."""
    distributed.init_process_group("fake", rank=rank, world_size=processes, store=FakeStore())
    try:
        yield
    finally:
        distributed.destroy_process_group()


def shares(size: int, batch_size: int, processes: int) -> list[list[list[int]]]:
    """Return the batches of each process."""
    found = []
    for rank in range(processes):
        sampler = SharedBatchSampler(SequentialSampler(range(size)), batch_size)
        with process(rank, processes):
            found.append(list(sampler))
            assert len(sampler) == len(found[-1])
    return found


def epoch_of(sampler: EpochSampler, epoch: int) -> list[Draw]:
    sampler.set_epoch(epoch)
    return list(sampler)


def test_every_epoch_has_every_image_once_in_an_order_of_its_own():
    sampler = EpochSampler(20, seed=3)
    orders = [[draw.index for draw in epoch_of(sampler, epoch)] for epoch in range(5)]
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert len({tuple(order) for order in [*orders, range(20)]}) == 6
    assert len(sampler) == 20


def test_an_epoch_depends_on_the_seed_and_its_number_alone():
    through = EpochSampler(20, seed=3)
    for epoch in range(4):
        reached = epoch_of(through, epoch)
    random.seed(0)
    assert epoch_of(EpochSampler(20, seed=3), 3) == reached
    assert epoch_of(EpochSampler(20, seed=4), 3) != reached


def test_no_image_and_no_epoch_and_no_seed_shares_a_stream_with_another():
    draws = [draw for seed in range(3) for epoch in range(50) for draw in epoch_of(EpochSampler(100, seed), epoch)]
    assert len({draw.stream for draw in draws}) == len(draws) == 15_000
    assert all(0 <= draw.stream < 2**63 for draw in draws)


def test_a_stream_belongs_to_the_image_wherever_it_comes():
    small, large = (dict(epoch_of(EpochSampler(size, seed=3), 1)) for size in (5, 20))
    assert small.items() < large.items()


def test_a_stream_is_its_own_and_the_global_random_numbers_go_on():
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    expected = (random.random(), np.random.random())  # noqa: NPY002
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    found = []
    for stream in (2**63 - 1, 2**63 - 2, 2**63 - 1, 2**32 - 1):  # the second differs in its low bits, the last in its high ones
        with random_stream(stream):
            found.append((random.random(), np.random.random()))  # noqa: NPY002
    assert found[0] == found[2]
    assert len({number for pair in found for number in pair}) == 6
    assert (random.random(), np.random.random()) == expected  # noqa: NPY002


@pytest.mark.parametrize(("size", "batch_size"), [(8, 4), (10, 4), (3, 4), (5, 1), (9, 8)])
def test_one_process_has_the_batches_of_torch(size, batch_size):
    sampler = SharedBatchSampler(SequentialSampler(range(size)), batch_size)
    expected = BatchSampler(SequentialSampler(range(size)), batch_size, drop_last=False)
    assert list(sampler) == list(expected)
    assert len(sampler) == len(expected)


@pytest.mark.parametrize(
    ("size", "batch_size", "processes"),
    [(16, 8, 2), (19, 8, 2), (17, 8, 2), (17, 8, 3), (21, 7, 3), (23, 8, 8), (263, 8, 4), (8, 8, 8), (3, 8, 3)],
)
def test_processes_share_every_batch(size, batch_size, processes):
    found = shares(size, batch_size, processes)
    assert sorted(chain.from_iterable(chain.from_iterable(found))) == list(range(size))
    assert len({len(batches) for batches in found}) == 1
    start = 0
    for parts in zip(*found, strict=True):
        lengths = [len(part) for part in parts]
        assert min(lengths) >= 1
        assert max(lengths) - min(lengths) <= 1
        assert sorted(chain.from_iterable(parts)) == list(range(start, start + sum(lengths)))  # the batch of one process
        start += sum(lengths)


def test_a_last_batch_that_is_too_small_is_joined_to_the_one_before():
    assert shares(5, 2, 2) == [[[0], [2, 4]], [[1], [3]]]
    assert shares(17, 8, 2)[0] == [[0, 2, 4, 6], [8, 10, 12, 14, 16]]


@pytest.mark.parametrize(("size", "batch_size"), [(16, 3), (3, 8)])
def test_fewer_images_than_processes_are_refused(size, batch_size):
    with pytest.raises(DataError, match=f"`batch_size` must give each of 4 processes an image, got batches of {batch_size}"):
        shares(size, batch_size, 4)


@pytest.mark.parametrize("shuffle", [True, False], ids=["training", "validation"])
@pytest.mark.parametrize("size", [40, 42, 3], ids=["full batches", "short last batch", "one batch"])
def test_three_epochs_are_those_of_fit(size, shuffle):
    dataset = Images(size)
    sampler = LegacyBatchSampler(dataset, 4, shuffle=shuffle)
    random.seed(17)
    found = [[(index, dataset[index]) for index in batch] for _ in range(3) for batch in sampler]
    after = random.random()
    random.seed(17)
    assert found == epochs_of_fit(size, 4, shuffle=shuffle, epochs=3)
    assert random.random() == after
    assert len(sampler) == -(-size // 4)


def test_the_legacy_reshuffles_in_the_middle_of_an_epoch():
    random.seed(17)
    seen = list(chain.from_iterable(LegacyBatchSampler(Images(40), 4, shuffle=True)))
    assert len(seen) == 40
    assert len(set(seen)) < 40  # some are not seen, and some twice


def test_the_look_comes_once_and_when_the_first_batch_is_asked_for():
    dataset = Images(10)
    sampler = LegacyBatchSampler(dataset, 4, shuffle=False)
    epoch = iter(sampler)
    assert dataset.read == []
    assert list(epoch) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    list(sampler)
    assert dataset.read == [0, 1, 2, 3]
