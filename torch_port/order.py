"""The order in which the legacy's generator yields training images."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator

from torch.utils.data import Sampler

BatchOrder = Callable[[int], Iterable[int]]


def batches_as_fit(count: int) -> list[int]:
    """Return the order in which Keras' ``fit`` asks for batches: shuffled by the global ``random``."""
    order = list(range(count))
    random.shuffle(order)
    return order


class LegacyBatchSampler(Sampler[list[int]]):
    """Batches of indices as `legacy_tf.generator.CustomDataGenerator` makes them.

    Whenever batch 0 is asked for, the images are shuffled by Python's global ``random.shuffle``, starting
    from their present
    order: so in the same state of the random numbers the order is the legacy's. It is drawn in the process
    that iterates: augmentation and order share their random numbers only without worker processes.

    Args:
        size: Number of images.
        batch_size: Images in a batch; the last one may be short.
        batch_order: Number of batches -> the order in which they are asked for; the default goes from first
            to last. With `batches_as_fit` the reshuffle comes in the middle of an epoch (quirk
            ``mid_epoch_reshuffle``).
    """

    def __init__(self, size: int, batch_size: int, batch_order: BatchOrder = range) -> None:
        self.batch_size = batch_size
        self.batch_order = batch_order
        self.order = list(range(size))

    def __len__(self) -> int:
        return math.ceil(len(self.order) / self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self.batch_order(len(self)):
            if batch == 0:
                random.shuffle(self.order)
            yield self.order[batch * self.batch_size : (batch + 1) * self.batch_size]
