"""Records one side of a run, gate by gate, inside that side's environment: ``python -m parity.recorder legacy|port RUN``.

What is current is found out before the framework is imported, which takes longer than looking.
"""

from __future__ import annotations

import importlib.util
import json
import platform
import sys
import traceback
from collections.abc import Iterable, Iterator, Sized
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from parity.artefact import ArtefactError, RecordingWriter, hash_file
from parity.errors import BadInputError, LostSideError, describe_raised, is_out_of_memory
from parity.files import cannot_write, is_of_a_place, write_whole
from parity.processes import FREE_MEMORY
from parity.reuse import INSTALLED, find_lock, hash_code, is_current, recording_key
from parity.workspace import PROJECT, Workspace

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


def inputs_are_current(workspace: Workspace, key: str) -> bool:
    """Return whether the stored inputs and the exported weights are whole and made from `key`."""
    if not is_current(workspace.inputs_folder, key):
        return False
    weights = workspace.legacy_weights
    return weights.is_file() and hash_file(weights) == workspace.inputs.values["weights_sha256"]


def record_gate(side: Any, gate: str, key: str) -> None:
    """Record one gate of a side that is built.

    A port that raises is a finding, not a crash: the exception is recorded and fails the gate.
    """
    with RecordingWriter(side.workspace.recording_folder(side.name, gate), key=key) as out:
        try:
            import_module(f"parity.gates.{gate}.{side.name}").record(side, out)
            lock = hash_file(PROJECT / find_lock(side.name))
            out.write_value("installed", {"python": platform.python_version(), "packages": INSTALLED, "lock": lock})
        except BadInputError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and is_of_a_place(error):
                raise
            said = f"{type(error).__name__}: {error}"
            if is_out_of_memory(said):
                where = f"in gate {gate} ({said.splitlines()[0]})"
                raise LostSideError(f"the {side.name} side had too little memory {where}; {FREE_MEMORY}") from error
            if side.name == "legacy":
                raise
            traceback.print_exc()
            out.write_value("error", said)
            out.write_value("raised", describe_raised(error))


class SideRecorder:
    """Records what is not current; imports and builds the side the first time that something is not.

    Args:
        side: ``legacy`` or ``port``.
        workspace: The run.
    """

    def __init__(self, side: str, workspace: Workspace) -> None:
        self.side = side
        self.workspace = workspace
        self.refusals: tuple[type[Exception], ...] = (BadInputError,)
        self._built: Any = None
        # Before any of it is imported: code that is edited during a run must not be credited with what it did not do.
        for gate in ("inputs", *workspace.spec.recorded_gates):
            hash_code(side, gate)

    def record(self) -> None:
        """Record the inputs (the port: convert the weights), and every gate that has a recorder for this side."""
        if self.side == "legacy":
            key = recording_key("legacy", "inputs", self.workspace, depends={})
            if not inputs_are_current(self.workspace, key):
                self._build().record_inputs(key)
        elif not self._has_weights():
            self._build()
        for gate in self.workspace.spec.recorded_gates:
            if importlib.util.find_spec(f"parity.gates.{gate}.{self.side}") is not None:
                self._record_gate(gate)

    def _build(self) -> Any:
        if self._built is None:
            module = import_module(f"parity.sides.{self.side}")
            self.refusals += module.REFUSALS
            self._built = module.make_side(self.workspace)
            if self.side == "port":
                write_whole(self._stamp, self._made_weights())
        return self._built

    @property
    def _stamp(self) -> Path:
        return self.workspace.port_weights.with_suffix(".key")

    def _made_weights(self) -> str:
        """Return what the converted weights are, and what they come from."""
        depends = {"inputs": self.workspace.inputs.digest, "weights": hash_file(self.workspace.port_weights)}
        return recording_key("port", "inputs", self.workspace, depends=depends)

    def _has_weights(self) -> bool:
        """Return whether the converted weights are there, and made by this code: another run may have been stopped since."""
        files = (self._stamp, self.workspace.port_weights)
        return all(path.is_file() for path in files) and files[0].read_text(encoding="utf-8") == self._made_weights()

    def _record_gate(self, gate: str) -> None:
        """Record one gate, unless its recording is current."""
        folder = self.workspace.recording_folder(self.side, gate)
        key = recording_key(self.side, gate, self.workspace, depends=self._depends(gate))
        if is_current(folder, key):
            report_progress(self.side, f"{gate} (reused)", 1, 1)
            return
        side = self._build()
        report_progress(self.side, gate, 0, 1)
        record_gate(side, gate, key)
        report_progress(self.side, gate, 1, 1)

    def _depends(self, gate: str) -> dict[str, str]:
        depends = {"inputs": self.workspace.inputs.digest}
        if self.side == "port":
            try:
                depends["legacy"] = self.workspace.recording("legacy", gate).digest
            except ArtefactError:
                depends["legacy"] = "none"
        return depends


def main() -> None:
    """Record the side that the first argument names of the run whose folder is the second; bad input is exit code 2."""
    recorder = SideRecorder(sys.argv[1], Workspace(Path(sys.argv[2])))
    try:
        recorder.record()
    except Exception as error:
        if isinstance(error, OSError) and is_of_a_place(error):
            error = cannot_write(error, error.filename or recorder.workspace.folder)
        if not isinstance(error, recorder.refusals):
            raise
        print(json.dumps({"error": str(error)}), flush=True)
        sys.exit(BAD_INPUT_EXIT_CODE)


if __name__ == "__main__":
    main()
