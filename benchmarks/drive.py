"""Runs a benchmark: starts the contestants' processes, lets them take turns, and keeps every raw sample."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.audit import is_measured
from benchmarks.memory import PeakMemory
from benchmarks.plan import GRADCAM_IMAGES, Comparison, Contestant
from parity.errors import BadInputError
from parity.lines import Worker, WorkerError
from parity.processes import Listener

HEIGHT_PX, WIDTH_PX = 1200, 1600


class Processes:
    """The contestants' processes, started one after the other when they are first needed, ended with the block.

    Args:
        settings: What every driver is told.
        logs: Folder of what they print.
    """

    def __init__(self, settings: dict[str, Any], logs: Path) -> None:
        self.settings = settings
        self.logs = logs
        self._stack = ExitStack()
        self._started: dict[tuple[Any, ...], tuple[Worker, dict[str, Any]]] = {}

    def find(self, contestant: Contestant, image_scale: float) -> tuple[Worker, dict[str, Any]]:
        """Return a contestant's process and what it said of itself.

        Raises:
            WorkerError: It cannot be started.
        """
        key = (contestant.side, contestant.precision, contestant.process, image_scale)
        if key not in self._started or self._started[key][0].has_ended:
            log = self.logs / f"{'-'.join(str(word) for word in key)}.txt"
            start = time.perf_counter()
            try:
                worker = Worker(contestant.side, ["benchmarks.worker", contestant.side], log=log, environment={})
            except BadInputError as error:
                raise WorkerError(str(error)) from error
            self._stack.enter_context(worker)
            inputs = str(self.inputs(image_scale))
            settings = {**self.settings, "precision": contestant.precision, "image_scale": image_scale, "inputs": inputs}
            about = worker.ask("start", **settings)
            about["start_s"] = time.perf_counter() - start
            self._started[key] = worker, about
        return self._started[key]

    def inputs(self, image_scale: float) -> Path:
        """Return the folder of the resident batches of a size."""
        return Path(self.settings["scratch"]) / f"inputs-{image_scale}"

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def run_plan(
    plan: Sequence[Comparison],
    settings: dict[str, Any],
    *,
    image_scale: float,
    batch_sizes: Sequence[int],
    logs: Path,
    listen: Listener,
    keep: Callable[[list[dict[str, Any]]], None],
) -> None:
    """Measure the comparisons one after the other.

    Args:
        plan: The comparisons.
        settings: What every driver is told; its folder ``inputs`` is filled.
        image_scale: Size of the network's input as a fraction of 1200 x 1600.
        batch_sizes: Of the resident batches.
        logs: Folder of what the processes print.
        listen: Told of the progress.
        keep: Called with all that is measured after each comparison.
    """
    measured: list[dict[str, Any]] = []
    written: set[float] = set()
    with Processes(settings, logs) as processes:
        for comparison in plan:
            scale = comparison.image_scale or image_scale
            if scale not in written:
                error = _write_inputs(processes, comparison.contestants, scale, batch_sizes)
                if error and not any(is_measured(row) for each in measured for row in each["contestants"]):
                    raise BadInputError(f"no side can be measured: {error}")
                written.add(scale)
            measured.append(_measure(processes, comparison, scale, listen))
            keep(measured)


def _write_inputs(processes: Processes, contestants: Sequence[Contestant], scale: float, batch_sizes: Sequence[int]) -> str:
    """Have the first contestant that is there write the resident batches; return why none could, if so."""
    error = ""
    for contestant in contestants:
        try:
            worker, _ = processes.find(contestant, scale)
            worker.ask("write_inputs", folder=str(processes.inputs(scale)), batch_sizes=sorted({GRADCAM_IMAGES, *batch_sizes}))
            return ""
        except WorkerError as failure:
            error = str(failure)
    return error


def _measure(processes: Processes, comparison: Comparison, scale: float, listen: Listener) -> dict[str, Any]:
    rows = [_make_row(contestant) for contestant in comparison.contestants]
    step = f"{comparison.what}: {comparison.task}"
    of = len(rows) * (comparison.rounds + 1)
    done = iter(range(1, of + 1))

    def tell() -> None:
        listen({"side": "bench", "step": step, "done": next(done), "of": of})

    listen({"side": "bench", "step": step, "done": 0, "of": of})
    workers: dict[str, Worker] = {}
    for contestant, row in zip(comparison.contestants, rows, strict=True):
        with _noted(row):
            worker, about = processes.find(contestant, scale)
            row |= about
            workers[contestant.name] = worker
            options = {**comparison.options, **contestant.options}
            with PeakMemory(worker.pid) as peak:
                row |= worker.ask("open", name=contestant.name, task=comparison.task, **options)
                row["warm_up"] = worker.ask("warm_up", name=contestant.name)["samples"]
            row["peak_bytes"] = peak.bytes
        tell()
    for number in range(comparison.rounds):
        for row in take_turns(rows, number):
            if "error" not in row:
                with _noted(row):
                    answer = workers[row["name"]].ask("block", name=row["name"], samples=comparison.samples)
                    row["blocks"].append(answer["samples"])
            tell()
    for row in rows:
        if row["name"] in workers:
            with _noted(row):  # one that failed is closed too, for what it holds
                closed = workers[row["name"]].ask("close", name=row["name"])
                row |= closed if "error" not in row else {}
    return {
        "what": comparison.what, "task": comparison.task, "options": comparison.options, "rounds": comparison.rounds,
        "samples": comparison.samples, "image_size": [int(HEIGHT_PX * scale), int(WIDTH_PX * scale)], "contestants": rows,
    }  # fmt: skip


def take_turns(rows: Sequence[dict[str, Any]], number: int) -> Sequence[dict[str, Any]]:
    """Return the order of a round, from 0: there, back, then from the next one on, so that nobody stays in the middle."""
    first = number // 2 % len(rows)
    turns = [*rows[first:], *rows[:first]]
    return turns if number % 2 == 0 else turns[::-1]


def _make_row(contestant: Contestant) -> dict[str, Any]:
    words = asdict(contestant)
    del words["process"]
    return {**words, "blocks": []}


@contextmanager
def _noted(row: dict[str, Any]) -> Iterator[None]:
    """A contestant that cannot be measured says why, and the others go on."""
    try:
        yield
    except WorkerError as error:
        row.setdefault("error", str(error))
