"""Work that is shared out over threads, each with warm processes of its own, and whose results are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from parity.faults.results import Results
from parity.lines import Worker
from parity.processes import KEEP_MEMORY, Listener

NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


LIMIT_S = 300.0  # of a request, for example to record a gate: the slowest takes 15 s on two quiet cores


class Workers:
    """Warm processes of either side, started when they are first asked for, ended with the block.

    Args:
        logs: Folder of what they print.
        threads: Threads of each process.
        limit_s: How long a request may take.
    """

    def __init__(self, logs: Path, threads: int, limit_s: float = LIMIT_S) -> None:
        self._logs = logs
        self._threads = threads
        self._limit_s = limit_s
        self._started: dict[tuple[str, str], Worker] = {}

    def get(self, side: str, environment: Mapping[str, str] = NO_VARIABLES) -> Worker:
        """Return the process of a side that was started with these variables."""
        key = (side, str(dict(environment)))
        if key not in self._started:
            variables = {**KEEP_MEMORY, "OMP_NUM_THREADS": str(self._threads), **environment}
            program = [f"parity.faults.{side}_worker"]
            log = self._logs / f"{side}.txt"
            self._started[key] = Worker(side, program, log=log, environment=variables, limit_s=self._limit_s)
        return self._started[key]

    def close(self) -> None:
        """End all of them; who asks again gets new ones."""
        while self._started:
            self._started.popitem()[1].close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


Make = Callable[[Workers], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Pool:
    """What work is shared out with.

    Attributes:
        processes: Threads that work, each with processes of its own.
        threads: Threads of each process.
        logs: Folder of what the processes print.
        limit_s: How long a request may take.
        results: Where results are kept.
        listen: Told of the progress.
    """

    processes: int
    threads: int
    logs: Path
    limit_s: float
    results: Results
    listen: Listener

    def run(self, step: str, makes: Mapping[str, Make]) -> list[dict[str, Any]]:
        """Return the result of each name, in order: what is kept, or what is made.

        After a result without a verdict the processes are started anew: whatever it left behind ends with them.
        """
        left, done = iter(makes.items()), count(1)

        def work(_: int) -> dict[str, dict[str, Any]]:
            found = {}
            with Workers(self.logs, self.threads, self.limit_s) as workers:
                while (item := next(left, None)) is not None:
                    name, make = item
                    found[name] = self.results.find(name, partial(make, workers))
                    if found[name].get("verdict") == "NOT_RUN":
                        workers.close()
                    self.listen({"side": "faults", "step": step, "done": next(done), "of": len(makes)})
            return found

        with ThreadPoolExecutor(self.processes) as threads:
            found = {name: row for part in threads.map(work, range(self.processes)) for name, row in part.items()}
        return [found[name] for name in makes]
