"""The timing core: what is timed, and how. Standard library only: it runs in either side's process and knows no framework."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

# "s": seconds; "drain_s": seconds after the clock was stopped; "images": counted in the result; of an epoch "parts", seconds by
# name, and "counts" instead.
Sample = dict[str, Any]
Clock = Callable[[], float]
Mark = tuple[float, int, int]  # seconds; images trained on and validated in the epoch until then

LEAST_WARM_UP = 2
MOST_WARM_UP = 8
# Two calls in a row that differ by no more than this end the warm-up.
STABLE_SPREAD = 0.05


class Task:
    """Something to time, as a side's driver makes it.

    Attributes:
        images: Number of images that one call of `run` works on.
        evidence: What was found in the live objects about the work: see `benchmarks.audit`.
    """

    images: int
    evidence: dict[str, Any]

    def run(self) -> Any:
        """Do the work once and return its result, which a device may still be computing."""
        raise NotImplementedError

    def synchronize(self) -> None:
        """Wait until the device has done all that was asked of it."""

    def fetch(self, result: Any) -> None:
        """Read the result on the host, which waits for it whatever `synchronize` did."""

    def count(self, result: Any) -> int:
        """Return the number of images that the last call has worked on, counted in what it returned or left behind."""
        return len(result)

    def warm_up(self) -> list[Sample]:
        """Work until two times in a row are alike; return what is thrown away."""
        thrown: list[Sample] = []
        while len(thrown) < MOST_WARM_UP:
            thrown.append(take_sample(self))
            if len(thrown) >= LEAST_WARM_UP and is_stable(thrown[-2]["s"], thrown[-1]["s"]):
                break
        return thrown

    def block(self, samples: int) -> list[Sample]:
        """Return so many samples, taken one after the other.

        The call before them is thrown away: while others had their turn, caches and pages of this process have gone cold.
        """
        return [take_sample(self) for _ in range(1 + samples)][1:]

    def close(self) -> None:
        """Give back what the task holds."""


def take_sample(task: Task, clock: Clock = time.perf_counter) -> Sample:
    """Time one call, from an idle device to an idle device.

    Reading the result afterwards must take no time: if it does, the clock was stopped before the work was done.
    """
    task.synchronize()
    start = clock()
    result = task.run()
    task.synchronize()
    stop = clock()
    task.fetch(result)
    drained = clock()
    return {"s": stop - start, "drain_s": drained - stop, "images": task.count(result)}


def is_stable(before: float, after: float) -> bool:
    """Return whether two times in a row are alike."""
    return abs(after - before) <= STABLE_SPREAD * min(before, after)


def split_epochs(marks: Sequence[Mark]) -> list[Sample]:
    """Return a sample for each epoch, from its beginning to that of the next.

    Args:
        marks: At the beginning of each epoch, of its validation, and at the end of that; one more when training has ended.
    """
    samples = []
    for start in range(0, len(marks) - 3, 3):
        (begin, *_), (validation, *trained), (end, *both), (following, *_) = marks[start : start + 4]
        parts = {"training": validation - begin, "validation": end - validation, "keeping": following - end}
        counts = {"training": trained, "validation": both}
        samples.append({"s": following - begin, "drain_s": 0.0, "parts": parts, "counts": counts})
    return samples


class Slowed(Task):
    """A task that takes longer by a known share: the planted slowdown that a comparison must see.

    Args:
        task: The task.
        share: Of its time.
    """

    def __init__(self, task: Task, share: float) -> None:
        self.task = task
        self.share = share
        self.images = task.images
        self.evidence = task.evidence

    def run(self) -> Any:
        start = time.perf_counter()
        result = self.task.run()
        self.task.synchronize()
        end = start + (time.perf_counter() - start) * (1 + self.share)
        while time.perf_counter() < end:
            pass
        return result

    def synchronize(self) -> None:
        self.task.synchronize()

    def fetch(self, result: Any) -> None:
        self.task.fetch(result)

    def count(self, result: Any) -> int:
        return self.task.count(result)

    def close(self) -> None:
        self.task.close()
