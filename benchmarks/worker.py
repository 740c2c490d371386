"""One contestant's process: ``python -m benchmarks.worker legacy|port`` makes a side's driver and times what it is asked to.

It answers a line of JSON for each line of JSON. The driver is a thin file for each side: `benchmarks.legacy` [tensorflow],
`benchmarks.port` [torch].
"""

from __future__ import annotations

import gc
import sys
import time
from importlib import import_module
from typing import Any

from benchmarks.timing import Slowed, Task
from parity.lines import serve


class BenchmarkWorker:
    """A driver, and the tasks that are open."""

    def __init__(self, side: str) -> None:
        self._side = side
        self._driver: Any = None
        self._tasks: dict[str, Task] = {}

    def start(self, **settings: Any) -> dict[str, Any]:
        """Import the framework and make the driver; say what it is and how long that took."""
        start = time.perf_counter()
        self._driver = import_module(f"benchmarks.{self._side}").Driver(settings)
        return {"about": self._driver.about(), "start_s": time.perf_counter() - start}

    def write_inputs(self, folder: str, batch_sizes: list[int]) -> dict[str, Any]:
        """Write the batches that all contestants compute on."""
        self._driver.write_inputs(folder, batch_sizes)
        return {}

    def open(self, name: str, task: str, slowdown: float = 0.0, **options: Any) -> dict[str, Any]:
        """Make a task and call it for the first time."""
        start = time.perf_counter()
        made: Task = self._driver.make_task(task, **options)
        self._tasks[name] = Slowed(made, slowdown) if slowdown else made
        return {"open_s": time.perf_counter() - start, "images": made.images}

    def warm_up(self, name: str) -> dict[str, Any]:
        """Return the samples that are thrown away."""
        return {"samples": self._tasks[name].warm_up()}

    def block(self, name: str, samples: int) -> dict[str, Any]:
        """Return a block of samples."""
        return {"samples": self._tasks[name].block(samples)}

    def close(self, name: str) -> dict[str, Any]:
        """End a task and return its evidence."""
        task = self._tasks.pop(name)
        task.close()
        found = {"evidence": task.evidence, "device_peak_bytes": self._driver.device_peak_bytes()}
        del task
        gc.collect()
        return found


def main() -> None:
    """Answer until the input ends."""
    worker = BenchmarkWorker(sys.argv[1])
    serve({name: getattr(worker, name) for name in ("start", "write_inputs", "open", "warm_up", "block", "close")})


if __name__ == "__main__":
    main()
