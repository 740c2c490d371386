"""Stands for a side's process where neither framework is: its tasks sleep, and write down when they had their turn.

Started as an interpreter would be: ``emulated_side.py -m benchmarks.worker SIDE``.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks import worker
from benchmarks.inputs import describe_batch, read_batch, write_batch
from benchmarks.timing import Sample, Task


class Driver:
    """A driver whose tasks do nothing but take time, or fail as they are told."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        if settings["precision"] == "bf16":
            raise RuntimeError("no bf16 here")
        self.turns = Path(settings["scratch"]) / "turns.txt"

    def about(self) -> dict[str, Any]:
        return {"versions": {}, "threads": 1, "device": "cpu", "flags": {"tf32": False}, "pid": os.getpid()}

    def device_peak_bytes(self) -> int | None:
        return None

    def write_inputs(self, folder: str, batch_sizes: list[int]) -> None:
        for size in batch_sizes:
            write_batch(Path(folder), np.full((size, 2, 2, 3), 0.5, np.float32), np.eye(3, dtype=np.float32)[[0] * size])

    def make_task(self, name: str, **options: Any) -> Task:
        if name != "forward":
            raise ValueError(f"no task {name}")
        return Sleep(self, **options)


class Sleep(Task):
    """Sleeps; `dies` and `raises` say in which block it ends the process, or fails."""

    def __init__(
        self, driver: Driver, batch_size: int, label: str, seconds: float = 0.002, dies: int = -1, raises: int = -1
    ) -> None:
        self.driver, self.images, self.label, self.seconds = driver, batch_size, label, seconds
        self.dies, self.raises, self.blocks = dies, raises, 0
        images, _ = read_batch(Path(driver.settings["inputs"]), batch_size)
        source, probabilities = describe_batch(images), [[1.0, 0.0]] * batch_size
        self.evidence = {"source": source, "metrics": [], "precision": ["float32"], "probabilities": probabilities}

    def note(self, what: str) -> None:
        with self.driver.turns.open("a", encoding="utf-8") as file:
            file.write(f"{what} {self.label}\n")

    def warm_up(self) -> list[Sample]:
        self.note("warm-up")
        return super().warm_up()

    def block(self, samples: int) -> list[Sample]:
        self.note("block")
        if self.blocks == self.dies:
            os._exit(3)
        if self.blocks == self.raises:
            raise ValueError("out of paper")
        self.blocks += 1
        return super().block(samples)

    def run(self) -> float:
        time.sleep(self.seconds)
        return 1.0

    def count(self, result: float) -> int:
        return self.images

    def close(self) -> None:
        self.note("close")


if __name__ == "__main__":
    side = sys.argv[-1]
    module = ModuleType(f"benchmarks.{side}")
    module.Driver = Driver  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    sys.argv = ["benchmarks.worker", side]
    worker.main()
