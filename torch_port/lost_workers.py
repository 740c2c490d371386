"""A process that reads images and is lost, or has no shared memory left, ends the command with one message.

Nothing of torch is imported here: command lines need this before it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.queues import Queue
from typing import Any

from torch_port.errors import InputError

# What torch says of a worker that has ended, of a file in shared memory, and of file descriptors that could not be handed over.
LOSSES = (
    "DataLoader worker (pid", "Pin memory thread exited", "</torch_", "Too many open files", "items of ancdata",
    "can't start new thread",
)  # fmt: skip
FROM_WORKER = "in DataLoader worker process"


class LostWorkerError(InputError, OSError):
    """A process that reads images has ended, or could not hand its images over: the system's failure, not the port's."""


@contextmanager
def explained_losses(*, transport: bool = False) -> Iterator[None]:
    """Turn what torch raises where a worker is lost into one message. It may do so at any moment: from a signal handler.

    Args:
        transport: Whether the block only talks to workers, so that no other error of the system can come from it.

    Raises:
        LostWorkerError: A worker is lost, or cannot be started.
    """
    try:
        yield
    except LostWorkerError:  # said already, in a block inside
        raise
    except (RuntimeError, OSError, EOFError) as error:
        text = str(error).strip() or type(error).__name__
        said = text.splitlines()[-1].strip()  # before it there may be a worker's traceback
        spoken = any(loss in said for loss in LOSSES)
        if not spoken and (not transport or isinstance(error, RuntimeError) or FROM_WORKER in text):
            raise
        raise LostWorkerError.about(
            "workers", must="read images to the end", got=f"one that could not: {said}",
            place="--workers", remedy="give --workers 0, or more shared memory, in Docker by --shm-size 1g",
        ) from error  # fmt: skip


def end_with_what_is_lost() -> None:
    """End this worker if it cannot hand a batch over: multiprocessing would drop the batch, and the command wait for ever."""
    Queue._on_queue_feeder_error = staticmethod(_end)  # the hook that concurrent.futures overrides, too


def _end(error: Exception, _: Any) -> None:
    print(f"a worker has ended: {error}", file=sys.stderr, flush=True)
    os._exit(1)
