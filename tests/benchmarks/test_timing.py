"""What is timed, on a device that works while the host goes on: a thread with a queue, as a GPU's stream is one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import timing
from benchmarks.audit import audit
from benchmarks.timing import LEAST_WARM_UP, MOST_WARM_UP, Sample, Slowed, Task, is_stable, take_sample
from tests.benchmarks.comparisons import failures, find, make_compute

WORK_S = 0.03
LATE_S = 0.02  # far more than a thread is kept waiting on a busy machine, far less than the work


class Stream(Task):
    """Work that is queued and done by another thread, one after the other; `run` returns at once."""

    images = 1

    def __init__(self, seconds: float = WORK_S) -> None:
        self.seconds = seconds
        self.evidence: dict[str, Any] = {}
        self.device = ThreadPoolExecutor(max_workers=1)
        self.done: list[float] = []

    def run(self) -> Future[None]:
        return self.device.submit(self._work)

    def _work(self) -> None:
        start = time.perf_counter()
        time.sleep(self.seconds)
        self.done.append(time.perf_counter() - start)

    def synchronize(self) -> None:
        self.device.submit(lambda: None).result()

    def fetch(self, result: Future[None]) -> None:
        result.result()

    def count(self, result: Future[None]) -> int:
        return int(result.done())

    def close(self) -> None:
        self.device.shutdown()


class Asynchronous(Stream):
    """The mistake: nobody waits for the device."""

    def synchronize(self) -> None:
        pass


class WrongStream(Stream):
    """The mistake: another stream is waited for."""

    def __init__(self, seconds: float = WORK_S) -> None:
        super().__init__(seconds)
        self.other = ThreadPoolExecutor(max_workers=1)

    def synchronize(self) -> None:
        self.other.submit(lambda: None).result()

    def close(self) -> None:
        super().close()
        self.other.shutdown()


Open = Callable[[Task], Task]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Return a function that has a task closed after the test."""
    tasks: list[Task] = []

    def open_task(task: Task) -> Task:
        tasks.append(task)
        return task

    yield open_task
    for task in tasks:
        task.close()


def judge(samples: list[Sample]) -> set[tuple[str, str]]:
    """Return the failed checks of a comparison in which the port has these samples, the shortest first."""
    comparison = make_compute(batch=1)
    row = find(comparison, "port fp32")
    row["blocks"] = [sorted(samples, key=lambda sample: sample["s"])[: comparison["samples"]]] * 4
    found = failures(comparison)
    assert len(audit(comparison)) > len(found)
    return found


def test_a_device_that_is_waited_for_gives_the_true_time(opened: Open):
    stream = opened(Stream())
    samples = stream.block(5)
    assert len(samples) == 5
    for sample, worked in zip(samples, stream.done[1:], strict=True):
        assert WORK_S <= worked <= sample["s"] <= worked + LATE_S
        assert sample["drain_s"] < timing_allowance(sample)
    assert judge(samples) == set()


def timing_allowance(sample: Sample) -> float:
    return max(0.05 * sample["s"], 0.005)


@pytest.mark.parametrize("mistake", [Asynchronous, WrongStream])
def test_a_device_that_is_not_waited_for_is_found_out(opened: Open, mistake: type[Stream]):
    """The clock shows what it takes to queue the work; reading the result then takes the work's time."""
    stream = opened(mistake())
    samples = stream.block(5)
    for sample, worked in zip(samples, stream.done[1:], strict=True):
        assert sample["s"] < WORK_S - LATE_S / 2
        assert sample["s"] + sample["drain_s"] >= worked
    assert judge(samples) == {("synchronised", "port fp32")}


def test_work_of_before_is_not_counted(opened: Open):
    """The device has work left when the clock is to start: the first wait is for that."""
    stream = opened(Stream())
    stream.device.submit(time.sleep, 5 * WORK_S)
    assert WORK_S <= take_sample(stream)["s"] <= WORK_S + LATE_S


def test_a_short_task_that_is_not_waited_for_is_found_out(opened: Open):
    """A forward pass of small images takes a GPU a few milliseconds."""
    stream = opened(Asynchronous(0.003))
    samples = [sample for sample in stream.block(8) if sample["s"] + sample["drain_s"] < 0.005]
    assert all(sample["s"] < 0.002 for sample in samples)
    assert judge(samples) == {("synchronised", "port fp32")}


class Clock:
    """A clock that stands still but for what tasks add, and a microsecond each time it is read."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        self.now += 1e-6
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=made))
    monkeypatch.setattr(take_sample, "__defaults__", (made,))
    return made


class Scheduled(Task):
    """A task whose calls take the seconds of a list, the last of them for ever."""

    images = 4

    def __init__(self, clock: Clock, seconds: Sequence[float], late: float = 0.0) -> None:
        self.clock = clock
        self.late = late
        self.evidence: dict[str, Any] = {"precision": ["float32"]}
        self.calls: list[str] = []
        self._seconds = (seconds[min(number, len(seconds) - 1)] for number in count())

    def run(self) -> str:
        self.calls.append("run")
        self.clock.now += next(self._seconds)
        return f"result {len(self.calls)}"

    def synchronize(self) -> None:
        self.calls.append("synchronize")

    def fetch(self, result: str) -> None:
        self.calls.append(f"fetch {result}")
        self.clock.now += self.late

    def count(self, result: str) -> int:
        self.clock.now += 1.0  # which is in no time
        return 8

    def close(self) -> None:
        self.calls.append("close")


def test_a_sample_is_from_an_idle_device_to_an_idle_device(clock: Clock):
    task = Scheduled(clock, [2.0], late=0.25)
    assert take_sample(task) == pytest.approx({"s": 2.0, "drain_s": 0.25, "images": 8}, abs=1e-5)
    assert task.calls == ["synchronize", "run", "synchronize", "fetch result 2"]


def seconds_of(samples: list[Sample]) -> list[float]:
    return [round(sample["s"], 4) for sample in samples]


@pytest.mark.parametrize(
    ("seconds", "thrown"),
    [
        ([9.0, 1.0, 1.04], [9.0, 1.0, 1.04]),
        ([1.0, 1.0], [1.0, 1.0]),
        ([9.0, 3.0, 2.0, 1.5, 1.44], [9.0, 3.0, 2.0, 1.5, 1.44]),
        ([1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 1.0], [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0]),
        ([512.0, 256.0, 128.0, 64.0, 32.0, 16.0, 8.0, 4.0, 2.0, 2.0], [512.0, 256.0, 128.0, 64.0, 32.0, 16.0, 8.0, 4.0]),
    ],
    ids=["the first compiles", "stable at once", "slowly", "never", "ever faster"],
)
def test_a_warm_up_ends_when_two_times_are_alike(clock: Clock, seconds: list[float], thrown: list[float]):
    task = Scheduled(clock, seconds)
    samples = task.warm_up()
    assert seconds_of(samples) == pytest.approx(thrown, abs=1e-4)
    assert LEAST_WARM_UP <= len(samples) <= MOST_WARM_UP == 8
    assert task.calls.count("run") == len(samples)


@pytest.mark.parametrize(
    ("before", "after", "stable"), [(1.0, 1.049, True), (1.049, 1.0, True), (1.0, 1.051, False), (1.051, 1.0, False)]
)
def test_alike_is_within_5_percent_of_the_smaller(before: float, after: float, stable: bool):
    assert is_stable(before, after) is stable


def test_the_first_call_of_a_block_is_thrown_away(clock: Clock):
    task = Scheduled(clock, [7.0, 1.0, 1.0, 1.0])
    assert seconds_of(task.block(3)) == [1.0, 1.0, 1.0]
    assert task.calls.count("run") == 4


def test_after_a_warm_up_the_first_slow_call_is_in_no_sample(clock: Clock):
    comparison = make_compute()
    row = find(comparison, "port fp32")
    task = Scheduled(clock, [90.0, 0.5])
    row["warm_up"] = task.warm_up()
    row["blocks"] = [task.block(3) for _ in range(4)]
    assert seconds_of(row["warm_up"]) == [90.0, 0.5, 0.5]
    assert {seconds for block in row["blocks"] for seconds in seconds_of(block)} == {0.5}
    assert failures(comparison) == set()
    row["blocks"] = [[*task.block(2), {**row["warm_up"][0]}] for _ in range(4)]
    row["blocks"][0].reverse()
    assert failures(comparison) == {("warmed up", "port fp32")}


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_a_planted_slowdown_is_exactly_that(clock: Clock, share: float):
    task = Scheduled(clock, [2.0])
    slowed = Slowed(task, share)
    assert seconds_of(slowed.block(3)) == pytest.approx([2.0 * (1 + share)] * 3, abs=2e-4)
    assert seconds_of(slowed.warm_up()) == pytest.approx([2.0 * (1 + share)] * 2, abs=2e-4)
    assert (slowed.images, slowed.evidence) == (task.images, task.evidence)
    slowed.close()
    assert task.calls[-1] == "close"


@pytest.mark.slow  # it needs a quiet machine
def test_a_planted_slowdown_counts_what_the_device_does(opened: Open):
    """5 % of the time until the device is idle, not of the time that queueing takes."""
    stream = opened(Stream())
    samples = Slowed(stream, 0.05).block(5)
    ratios = [sample["s"] / worked for sample, worked in zip(samples, stream.done[1:], strict=True)]
    assert min(ratios) >= 1.05
    assert min(ratios) <= 1.12
    assert judge(samples) == set()


def test_a_task_of_nothing_says_so():
    with pytest.raises(NotImplementedError):
        take_sample(Task())
