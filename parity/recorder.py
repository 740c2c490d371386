"""Records one side of a run, gate by gate, inside that side's environment."""

from __future__ import annotations

import importlib.util
import json
import platform
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sized
from importlib import import_module
from typing import Any, TypeVar

from parity.artefact import ArtefactError, RecordingWriter
from parity.errors import BadInputError
from parity.reuse import installed_versions, is_current, recording_key
from parity.workspace import Workspace

T = TypeVar("T")
BAD_INPUT_EXIT_CODE = 2


def report_progress(side: str, step: str, done: int, of: int) -> None:
    """Print one line that the run's console turns into a progress bar."""
    print(json.dumps({"side": side, "step": step, "done": done, "of": of}), flush=True)


def track(items: Iterable[T], side: str, step: str) -> Iterator[T]:
    """Yield from `items` and report how many are done."""
    of = len(items) if isinstance(items, Sized) else 0
    report_progress(side, step, 0, of)
    for done, item in enumerate(items, start=1):
        yield item
        report_progress(side, step, done, of)


def record_gates(side: str, workspace: Workspace, make_side: Callable[[], Any]) -> None:
    """Record every gate of the run that has a recorder for `side` and no current recording.

    A port that raises is a finding, not a crash: the exception is recorded and fails the gate.
    """
    built: Any = None
    for gate in workspace.spec.recorded_gates:
        name = f"parity.gates.{gate}.{side}"
        if importlib.util.find_spec(name) is None:
            continue
        folder = workspace.recording_folder(side, gate)
        key = recording_key(side, gate, workspace, depends=_depends(side, gate, workspace))
        if is_current(folder, key):
            report_progress(side, f"{gate} (reused)", 1, 1)
            continue
        built = built or make_side()
        report_progress(side, gate, 0, 1)
        with RecordingWriter(folder, key=key) as out:
            try:
                import_module(name).record(built, out)
                out.write_value("installed", {"python": platform.python_version(), "packages": installed_versions()})
            except (BadInputError, MemoryError, OSError):
                raise
            except Exception as error:
                if side == "legacy":
                    raise
                traceback.print_exc()
                out.write_value("error", f"{type(error).__name__}: {error}")
        report_progress(side, gate, 1, 1)


def _depends(side: str, gate: str, workspace: Workspace) -> dict[str, str]:
    depends = {"inputs": workspace.inputs.digest}
    if side == "port":
        try:
            depends["legacy"] = workspace.recording("legacy", gate).digest
        except ArtefactError:
            depends["legacy"] = "none"
    return depends


def exit_on_bad_input(main: Callable[[], None], *known: type[Exception]) -> None:
    """Run `main`; print bad input as one message and leave with exit code 2."""
    refusals: tuple[type[Exception], ...] = (BadInputError, *known)
    try:
        main()
    except refusals as error:
        print(json.dumps({"error": str(error)}), flush=True)
        sys.exit(BAD_INPUT_EXIT_CODE)
