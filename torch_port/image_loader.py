"""The loader of all commands: torch's, but a lost worker is one message and never an endless wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
from torch.utils.data import DataLoader

from torch_port.lost_workers import end_with_what_is_lost, explained_losses


class ImageLoader(DataLoader[Any]):
    """A loader whose workers each compute in one thread.

    Args:
        dataset: What is loaded.
        options: Of torch's loader. A `collate_fn` must make its tensors with torch's `default_collate`, which puts them into
            shared memory at once: where there is too little, the worker can then say so.
    """

    def __init__(self, dataset: Any, **options: Any) -> None:
        super().__init__(dataset, worker_init_fn=start_worker, **options)

    def __iter__(self) -> Iterator[Any]:
        """Start the workers and return their batches.

        Raises:
            LostWorkerError: A worker cannot be started, or is lost later.
        """
        with explained_losses(transport=self.num_workers > 0):
            batches = super().__iter__()
        return _Batches(batches) if self.num_workers else batches


class _Batches(Iterator[Any]):
    def __init__(self, batches: Iterator[Any]) -> None:
        self._batches = batches

    def __next__(self) -> Any:
        with explained_losses(transport=True):
            return next(self._batches)


def start_worker(worker: int) -> None:
    """Let OpenCV compute in one thread, as torch does in a worker: the other CPUs are for the other workers."""
    cv2.setNumThreads(0)  # 1 would wait for ever for threads that a fork leaves behind
    end_with_what_is_lost()
