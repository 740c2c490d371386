"""One fault, one run: planted in a warm process, recorded gate by gate, compared, and taken out again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from parity.contract import GATES, RECORDED_WITH
from parity.faults.fault import Fault
from parity.faults.pool import Workers
from parity.faults.raised import describe_misplanted
from parity.judge import compare_gate, has_comparison
from parity.lines import Worker, WorkerError
from parity.tolerance import GatesFile
from parity.verdict import GateResult, Verdict, worst
from parity.workspace import Workspace

CONVERT = "convert"  # what the weights go through before any gate
READS_WEIGHTS = "torch_port.port_files:read_safetensors"
ALWAYS = ("config", "numerics")  # they read what is set, not only what is called, and take no time
NOTED = "config"  # its failure is noted; where the fault is, the numbers say
NOT_PLANTED = ("freeze", "throughput")  # they look at the frozen code and at timed runs, not at the port
# Trainings of these gates show which images are read and what is drawn for them; what a step computes is not recorded there.
READING = ("augment", "loader")
COMPUTING = tuple(f"torch_port.{name}:" for name in ("losses", "metric_functions", "metrics", "optimizer", "schedule"))
NOT_ASKED = "NOT_ASKED"  # of a fault: no gate runs what it changes
NONE_RAISED: Mapping[str, Any] = MappingProxyType({})


def suite_gates() -> tuple[str, ...]:
    """Return the gates that can be recorded with a fault in place, in order."""
    return tuple(gate for gate in GATES if has_comparison(gate) and gate not in NOT_PLANTED)


@dataclass
class Base:
    """The recorded legacy and the correct port: what every fault is held against.

    Attributes:
        run: Folder of the run, whose port is the correct one.
        work: Folder for runs with a fault in them.
        gates_file: Limits.
        touched: Functions that each gate runs in the correct port, by gate; conversion is one of them.
        gates: Gates that are recorded of every fault, whether or not one fails; none: those it can change, up to a failure.
        file: File of one's own that defines the faults.
    """

    run: Path
    work: Path
    gates_file: GatesFile
    touched: Mapping[str, frozenset[str]] = field(default_factory=dict)
    gates: tuple[str, ...] = ()
    file: Path | None = None

    def compare(self, gate: str, folder: Path) -> GateResult:
        """Return a gate's result in a run."""
        return compare_gate(gate, Workspace(folder), self.gates_file)

    def gates_of(self, fault: Fault) -> list[str]:
        """Return the gates whose recording the fault can change, in order.

        A gate that runs none of the functions that the fault changes records what it records of the correct port.
        """
        return [gate for gate in suite_gates() if gate in ALWAYS or self.runs(gate, fault)]

    def runs(self, gate: str, fault: Fault) -> bool:
        """Return whether a gate runs what the fault changes, as far as that is known."""
        return fault.touches is None or bool(fault.touches & self._touched(gate))

    def is_asked(self, fault: Fault) -> bool:
        """Return whether any of the gates runs what the fault changes."""
        return any(self.runs(gate, fault) for gate in self.gates or suite_gates())

    def converts(self, fault: Fault) -> bool:
        """Return whether the fault can change the converted weights."""
        return fault.touches is None or bool(fault.touches & self.touched[CONVERT])

    def _touched(self, gate: str) -> frozenset[str]:
        found = self.touched[gate]
        if gate in READING:
            found = frozenset(name for name in found if not name.startswith(COMPUTING))
        return found | self.touched[CONVERT] if READS_WEIGHTS in found else found

    def open(self, name: str, *, convert: bool) -> Path:
        """Make the folder of a run that shares the legacy's recordings, and the correct weights unless they are converted."""
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "weights").mkdir(parents=True)
        for part in ("spec.json", "inputs", "legacy", "fixtures", "weights/legacy.npz"):
            (folder / part).symlink_to(self.run / part)
        if not convert:
            (folder / "weights/port.safetensors").symlink_to(self.run / "weights/port.safetensors")
        return folder

    @contextmanager
    def planted(self, fault: Fault, words: Mapping[str, Any], workers: Workers) -> Iterator[Planted]:
        """Hold a fault in the port inside the block; yield what records gates with it.

        Args:
            fault: The fault.
            words: How the port's process finds it.
            workers: Warm processes.

        Raises:
            WorkerError: It cannot be planted, or the process has ended.
        """
        convert = self.converts(fault)
        folder = self.open(fault.id, convert=convert)
        worker = workers.get("port")
        try:
            answer = worker.ask("begin", run=str(folder), fault=dict(words), convert=convert)
            yield Planted(self, fault, folder, worker, {CONVERT: answer["raised"]} if answer["raised"] else {})
            worker.ask("end")
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Planted:
    """A port with a fault in it, that can be asked gate by gate.

    Attributes:
        raised: What was raised, by gate, or while the weights were converted.
    """

    base: Base
    fault: Fault
    folder: Path
    worker: Worker
    raised: dict[str, Any]

    def ask(self, gate: str) -> GateResult:
        """Record a gate, and what it reads of gates before it, and return its result."""
        for needed in RECORDED_WITH.get(gate, ()):
            recording = Workspace(self.folder).recording_folder("port", needed)
            if list(GATES).index(needed) < list(GATES).index(gate) and not recording.exists():
                if self.base.runs(needed, self.fault):
                    self._record(needed)
                else:
                    recording.parent.mkdir(parents=True, exist_ok=True)
                    recording.symlink_to(Workspace(self.base.run).recording_folder("port", needed))
        self._record(gate)
        return self.base.compare(gate, self.folder)

    def _record(self, gate: str) -> None:
        if raised := self.worker.ask("record", gate=gate)["raised"]:
            self.raised[gate] = raised


def trace_port(base: Base, worker: Worker) -> tuple[list[GateResult], dict[str, frozenset[str]]]:
    """Record the correct port, gate by gate; return the results and the functions that each gate runs."""
    worker.ask("begin", run=str(base.run), fault=None, convert=False)
    touched = {gate: frozenset(worker.ask("trace", gate=gate)["touched"]) for gate in (CONVERT, *suite_gates())}
    worker.ask("end")
    return [base.compare(gate, base.run) for gate in suite_gates()], touched


def run_fault(base: Base, fault: Fault, words: Mapping[str, Any], workers: Workers) -> dict[str, Any]:
    """Plant a fault, run the gates up to the first that fails, and return the fault's row of the scorecard.

    Args:
        base: What it is held against.
        fault: The fault.
        words: How the port's process finds it.
        workers: Warm processes.
    """
    start = time.monotonic()
    try:
        with base.planted(fault, words, workers) as planted:
            if base.gates:
                results = [planted.ask(gate) for gate in base.gates]
            else:
                results = list(until_failure(map(planted.ask, base.gates_of(fault))))
        row = judge(fault, results, planted.raised, file=base.file, asked=base.is_asked(fault))
    except WorkerError as error:
        row = {**fault.to_dict(), **_row(Verdict.NOT_RUN, None, str(error))}
    return {**row, "seconds": round(time.monotonic() - start, 2)}


def until_failure(results: Iterable[GateResult]) -> Iterator[GateResult]:
    """Yield results up to the first that fails; `config` is passed over."""
    for result in results:
        yield result
        if result.gate != NOTED and result.verdict is Verdict.FAIL:
            return


def judge(
    fault: Fault,
    results: Sequence[GateResult],
    raised: Mapping[str, Any] = NONE_RAISED,
    *,
    file: Path | None = None,
    asked: bool = True,
) -> dict[str, Any]:
    """Return what the results say of a fault: seen or not, and where.

    Args:
        fault: The fault.
        results: Of the gates that were recorded with it.
        raised: What was raised, by gate.
        file: File of one's own that defines the fault.
        asked: Whether any gate runs what it changes.
    """
    config = next((result for result in results if result.gate == NOTED and result.verdict is Verdict.FAIL), None)
    rest = [result for result in results if result.gate != NOTED]
    failed = next((result for result in rest if result.verdict is Verdict.FAIL), None)
    verdict = worst([result.verdict for result in rest] or [Verdict.PASS])
    only_config = fault.gates == (NOTED,) and fault.is_mistake  # only `config` can know
    if only_config:
        verdict = worst([verdict, Verdict.PASS if config is None else config.verdict])
        here = config is not None
    else:
        here = failed is not None and failed.gate in fault.gates and fault.place in place_of(failed)
    judging = failed if failed is not None else config if only_config else None
    found = None if judging is None else raised.get(judging.gate, raised.get(CONVERT))
    misplanted = describe_misplanted(fault, found, file)
    unclear = "" if only_config else next((place_of(result) for result in rest if result.verdict is not Verdict.PASS), "")
    row = _row(verdict, failed, unclear, localised=here and not misplanted)
    return {
        **fault.to_dict(),
        **row,
        "config_named": config.first_failure.worst if config is not None and config.first_failure is not None else None,
        "verdict": NOT_ASKED if verdict is Verdict.PASS and not asked else verdict.value,
        "detected": verdict is Verdict.FAIL and not misplanted,
        "raised": found is not None,
        "exception": "" if found is None else found["chain"][0]["said"],
        "misplanted": misplanted,
        "gates": {result.gate: result.verdict.value for result in results},
    }


def _row(verdict: Verdict, failed: GateResult | None, place: str = "", *, localised: bool = False) -> dict[str, Any]:
    return {
        "verdict": verdict.value,
        "config_named": None,
        "first_failing_gate": None if failed is None else failed.gate,
        "place": place if failed is None else place_of(failed),
        "detected": verdict is Verdict.FAIL,
        "localised": localised,
        "raised": False,
        "exception": "",
        "misplanted": "",
        "gates": {},
    }


def place_of(failed: GateResult) -> str:
    """Return the first failing check in words: its name, where it is worst, and why where there is no number."""
    check = failed.first_failure
    if check is None:
        return f"{failed.gate}: {failed.compared} of {failed.expected} compared"
    words = check.id + (f" at {check.worst}" if check.worst else "")
    return words if check.observed is not None and check.limit else f"{words}; {check.reason}"
