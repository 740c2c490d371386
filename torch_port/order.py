"""Which training image comes when, and from which random numbers it is augmented."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import numpy as np
from torch import distributed
from torch.utils.data import Sampler

from torch_port.errors import DataError
from torch_port.streams import derive_seed


class Draw(NamedTuple):
    """An image, and the seed of its augmentation.

    Attributes:
        index: Position of the image in the data set.
        stream: Seed of the random numbers that it is augmented with, from 0 to 2**63 - 1.
    """

    index: int
    stream: int


@contextmanager
def random_stream(stream: int) -> Iterator[None]:
    """Draw from a stream of its own inside the block, and leave the global random numbers as they were.

    Args:
        stream: Seed of Python's and of numpy's global generator, from 0 to 2**64 - 1.
    """
    state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002 - what albumentations may draw from
    random.seed(stream)
    # The same words would give both generators the same numbers: they are the same algorithm.
    np.random.seed([stream & 0xFFFFFFFF, stream >> 32, 1])  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)  # noqa: NPY002


class EpochSampler(Sampler[Draw]):
    """Every image once, in an order and with random numbers that depend on the seed and the epoch alone.

    So a training repeats exactly with any number of workers, no two images and no two epochs share random
    numbers, and a resumed training needs to know nothing but its epoch. Counterpart of the shuffling in
    `legacy_tf.generator.CustomDataGenerator`, from which it differs deliberately.

    Args:
        size: Number of images.
        seed: Seed of the training, not negative.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, from 0; the trainer does so before it asks for one."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[Draw]:
        seed, epoch = self.seed, self.epoch
        order = np.random.default_rng(derive_seed(seed, epoch, 0)).permutation(self.size)
        for index in order.tolist():
            yield Draw(index, derive_seed(seed, epoch, 1 + index))


class SharedBatchSampler(Sampler[list[Any]]):
    """Batches over all processes of a distributed training; each process gets its share of every batch.

    Every image comes exactly once, and every process gets the same number of batches, as even as possible: so
    `batch_size` means the same for any number of processes. A last batch with fewer images than processes is
    joined to the one before. In one process these are the batches of torch's ``BatchSampler``.

    Args:
        sampler: What to cut into batches; it must yield the same in every process.
        batch_size: Images in a batch over all processes; the last one may be short.
    """

    def __init__(self, sampler: Sampler, batch_size: int) -> None:
        self.sampler = sampler
        self.batch_size = batch_size

    def __len__(self) -> int:
        return len(self._lengths(process_place()[1]))

    def __iter__(self) -> Iterator[list[Any]]:
        rank, processes = process_place()
        rows = iter(self.sampler)
        for length in self._lengths(processes):
            yield [next(rows) for _ in range(length)][rank::processes]

    def _lengths(self, processes: int) -> list[int]:
        """Return the number of images in each batch."""
        size = len(cast("Sized", self.sampler))
        if processes > 1 and min(self.batch_size, size) < processes:
            raise DataError.about(
                "batch_size",
                must=f"give each of {processes} processes an image",
                got=f"batches of {self.batch_size} out of {size} images",
                place="--batch-size",
                remedy="take a larger one, or fewer devices",
            )
        full, rest = divmod(size, self.batch_size)
        lengths = [self.batch_size] * full
        if rest >= processes:
            lengths.append(rest)
        elif rest:
            lengths[-1] += rest
        return lengths


def process_place() -> tuple[int, int]:
    """Return the rank of this process and the number of processes; a job that is not distributed has one."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


class LegacyBatchSampler(Sampler[list[int]]):
    """Batches of indices as Keras' ``fit`` asks `legacy_tf.generator.CustomDataGenerator` for them.

    Keras looks at item 0 once, before the first batch, and throws it away. With `shuffle`, the order of the
    batches is shuffled at the start of every epoch, and whenever item 0 is asked for the images are shuffled,
    starting from their present order: in the middle of an epoch (quirk ``mid_epoch_reshuffle``). Everything
    is drawn from Python's global random numbers, which the augmentation draws from as well: so in the same
    state of the random numbers order and images are the legacy's, without worker processes.

    Args:
        dataset: Images; those of the look are read and augmented.
        batch_size: Images in a batch; the last one may be short.
        shuffle: Off for validation, where only the look is left.
    """

    def __init__(self, dataset: Any, batch_size: int, *, shuffle: bool) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.order = list(range(len(dataset)))
        self._looked = False

    def __len__(self) -> int:
        return math.ceil(len(self.order) / self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        if not self._looked:
            self._looked = True
            for index in self._item(0):
                self.dataset[index]
        batches = list(range(len(self)))
        if self.shuffle:
            random.shuffle(batches)
        for batch in batches:
            yield self._item(batch)

    def _item(self, batch: int) -> list[int]:
        if batch == 0 and self.shuffle:
            random.shuffle(self.order)
        return self.order[batch * self.batch_size : (batch + 1) * self.batch_size]
