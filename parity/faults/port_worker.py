"""Plants faults in the port and records gates, one request at a time, in a process that stays warm [torch].

``python -m parity.faults.port_worker`` reads a JSON object from each line of its input and answers with one: ``begin`` plants
a fault and prepares the side, ``record`` records a gate, ``end`` takes the fault out again. ``fit`` plants faults and takes
them out, ``trace`` says what a gate runs.
"""

from __future__ import annotations

import gc
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

from parity.faults.catalogue import find_fault
from parity.faults.port_commands import COMMAND_GATES, evaluate
from parity.faults.port_lines import LinesRun
from parity.faults.reach import PlantingError, load_port
from parity.faults.runs import CONVERT, suite_gates
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
        load_port()
        for gate in suite_gates():  # as the port: nothing is to be imported for the first time with a fault in place
            if importlib.util.find_spec(f"parity.gates.{gate}.port") is not None:
                import_module(f"parity.gates.{gate}.port")

    def fit(self, faults: list[dict[str, Any]]) -> dict[str, Any]:
        """Plant each fault and take it out again; return which do not fit, and why."""
        unfit = {}
        for words in faults:
            try:
                find_fault(**words).fit(Workspace(Path("nowhere")))
            except PlantingError as error:
                unfit[words["id"]] = str(error)
        return {"unfit": unfit}

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
        raised = None
        if convert:
            port.convert_weights(self._workspace)
            said = self._workspace.refusal.with_suffix(".json")
            raised = json.loads(said.read_text(encoding="utf-8")) if said.is_file() else None
        self._side = port.PortSide(self._workspace)
        return {"raised": raised}

    def record(self, gate: str) -> dict[str, Any]:
        """Record a gate; return what the port raised."""
        return {"raised": self._record(self._side, gate)}

    def _record(self, side: port.PortSide, gate: str) -> dict[str, Any] | None:
        raised = evaluate(side.workspace) if gate in COMMAND_GATES else None
        if importlib.util.find_spec(f"parity.gates.{gate}.port") is not None:
            record_gate(side, gate, key="planted")
            raised = raised or side.workspace.recording("port", gate).values.get("raised")
        return raised

    def trace(self, gate: str) -> dict[str, Any]:
        """Record a gate with a side of its own and return the functions that it ran, or whose signature it read."""
        with _traced() as touched:
            self._record_apart(gate)
        return {"touched": sorted(touched)}

    def trace_lines(self, gate: str) -> dict[str, Any]:
        """Record a gate with a side of its own and return the steps from line to line in each function of the port."""
        with LinesRun() as run:
            self._record_apart(gate)
        return {"steps": run.steps()}

    def _record_apart(self, gate: str) -> None:
        if gate == CONVERT:
            port.convert_weights(self._workspace)
        else:
            self._record(port.PortSide(self._workspace), gate)

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
    serve({name: getattr(worker, name) for name in ("fit", "begin", "record", "trace", "trace_lines", "end")})


if __name__ == "__main__":
    main()
