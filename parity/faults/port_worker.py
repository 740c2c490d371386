"""Plants faults in the port and records gates, one request at a time, in a process that stays warm [torch].

``python -m parity.faults.port_worker`` reads a JSON object from each line of its input and answers with one: ``begin`` plants
a fault and prepares the side, ``record`` records a gate, ``end`` takes the fault out again.
"""

from __future__ import annotations

import gc
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

from parity.faults.catalogue import find_fault
from parity.faults.runs import CONVERT
from parity.lines import serve
from parity.recorder import record_gate
from parity.sides import port
from parity.workspace import Workspace

TRACED = ("torch_port", "albumentations", "cv2", "parity.sides")


class PortWorker:
    """A port with at most one fault in it."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._workspace: Workspace | None = None
        self._side: port.PortSide | None = None

    def begin(self, run: str, fault: dict[str, Any] | None, convert: bool) -> dict[str, Any]:
        """Plant a fault, then convert the weights anew or leave those that are there.

        Args:
            run: Folder of the run.
            fault: What `parity.faults.catalogue.find_fault` takes; None: the port as it is.
            convert: Whether the run has no converted weights yet.
        """
        self._workspace = Workspace(Path(run))
        if fault is not None:
            self._stack.enter_context(find_fault(**fault).planted(self._workspace))
        if convert:
            port.convert_weights(self._workspace)
        self._side = port.PortSide(self._workspace)
        return {}

    def record(self, gate: str) -> dict[str, Any]:
        """Record a gate."""
        record_gate(self._side, gate, key="planted")
        return {}

    def trace(self, gate: str) -> dict[str, Any]:
        """Record a gate with a side of its own and return the functions that it ran, or whose signature it read."""
        with _traced() as touched:
            if gate == CONVERT:
                port.convert_weights(self._workspace)
            else:
                record_gate(port.PortSide(self._workspace), gate, key="planted")
        return {"touched": sorted(touched)}

    def end(self) -> dict[str, Any]:
        """Take the fault out."""
        self._side = self._workspace = None
        self._stack.close()
        gc.collect()
        return {}


@contextmanager
def _traced() -> Iterator[set[str]]:
    touched: set[str] = set()
    seen: set[Any] = set()
    signature = inspect.signature

    def watch(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code not in seen:
            seen.add(code)
            module = frame.f_globals.get("__name__", "")
            if module.startswith(TRACED):
                touched.add(f"{module}:{code.co_qualname.partition('.<locals>')[0]}")

    def read_signature(function: Callable[..., Any], *arguments: Any, **words: Any) -> inspect.Signature:
        touched.add(f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', '')}")
        return signature(function, *arguments, **words)

    with patch.object(inspect, "signature", read_signature):
        sys.setprofile(watch)
        try:
            yield touched
        finally:
            sys.setprofile(None)


def main() -> None:
    """Answer until the input ends."""
    worker = PortWorker()
    serve({name: getattr(worker, name) for name in ("begin", "record", "trace", "end")})


if __name__ == "__main__":
    main()
