"""Peak memory of a process and of those it has started: proportional set sizes, as Linux tells them. Standard library only."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Self

INTERVAL_S = 0.2


class PeakMemory:
    """Looks at a process five times a second while the block runs.

    Pages that several processes share are counted once (PSS), so the sum over loader workers is what they take together.

    Args:
        pid: The process.

    Attributes:
        bytes: The largest sum that was seen.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.bytes = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.bytes = max(self.bytes, sum(proportional_set_size(pid) for pid in process_tree(self.pid)))
            if self._end.wait(INTERVAL_S):
                return


def process_tree(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    found = [pid]
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return found
    for task in tasks:
        try:
            children = (task / "children").read_text()
        except OSError:  # it has ended
            continue
        for child in children.split():
            found += process_tree(int(child))
    return found


def proportional_set_size(pid: int) -> int:
    """Return the bytes of a process, shared pages divided by who shares them; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
