"""One fault, one run: planted in a warm process, recorded gate by gate, compared, and taken out again."""

from __future__ import annotations

import importlib.util
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity.contract import GATES
from parity.faults.fault import Fault
from parity.faults.pool import Workers
from parity.judge import compare_gate
from parity.lines import Worker, WorkerError
from parity.tolerance import GatesFile
from parity.verdict import GateResult, Verdict, worst
from parity.workspace import Workspace

CONVERT = "convert"  # what the weights go through before any gate
READS_WEIGHTS = "torch_port.port_files:read_safetensors"
ALWAYS = ("config", "numerics")  # they read what is set, not only what is called, and take no time
NOTED = "config"  # its failure is noted; where the fault is, the numbers say


def suite_gates() -> tuple[str, ...]:
    """Return the gates that both sides record, in order: those that can be recorded with a fault in place.

    The others, of the frozen code and of the two command lines, take whole processes.
    """
    return tuple(gate for gate in GATES if all(_exists(f"parity.gates.{gate}{part}") for part in ("", ".legacy", ".port")))


def _exists(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@dataclass
class Base:
    """The recorded legacy and the correct port: what every fault is held against.

    Attributes:
        run: Folder of the run, whose port is the correct one.
        work: Folder for runs with a fault in them.
        gates_file: Limits.
        touched: Functions that each gate runs in the correct port, by gate; conversion is one of them.
    """

    run: Path
    work: Path
    gates_file: GatesFile
    touched: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def compare(self, gate: str, folder: Path) -> GateResult:
        """Return a gate's result in a run."""
        return compare_gate(gate, Workspace(folder), self.gates_file)

    def gates_of(self, fault: Fault) -> list[str]:
        """Return the gates whose recording the fault can change, in order.

        A gate that runs none of the functions that the fault changes records what it records of the correct port.
        """
        touches = fault.touches
        if touches is None:
            return list(suite_gates())
        return [gate for gate in suite_gates() if gate in ALWAYS or touches & self._touched(gate)]

    def converts(self, fault: Fault) -> bool:
        """Return whether the fault can change the converted weights."""
        return fault.touches is None or bool(fault.touches & self.touched[CONVERT])

    def _touched(self, gate: str) -> frozenset[str]:
        found = self.touched[gate]
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
    def planted(self, fault: Fault, words: Mapping[str, Any], workers: Workers) -> Iterator[Callable[[str], GateResult]]:
        """Hold a fault in the port inside the block; yield what records a gate with it and returns its result.

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

        def ask(gate: str) -> GateResult:
            worker.ask("record", gate=gate)
            return self.compare(gate, folder)

        try:
            worker.ask("begin", run=str(folder), fault=dict(words), convert=convert)
            yield ask
            worker.ask("end")
        finally:
            shutil.rmtree(folder, ignore_errors=True)


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
        with base.planted(fault, words, workers) as ask:
            results = list(until_failure(map(ask, base.gates_of(fault))))
        row = judge(fault, results)
    except WorkerError as error:
        row = {**fault.to_dict(), **_row(Verdict.NOT_RUN, None, None, str(error))}
    return {**row, "seconds": round(time.monotonic() - start, 2)}


def until_failure(results: Iterable[GateResult]) -> Iterator[GateResult]:
    """Yield results up to the first that fails; `config` is passed over."""
    for result in results:
        yield result
        if result.gate != NOTED and result.verdict is Verdict.FAIL:
            return


def judge(fault: Fault, results: Sequence[GateResult]) -> dict[str, Any]:
    """Return what the results say of a fault: seen or not, and where."""
    config = next((result for result in results if result.gate == NOTED and result.verdict is Verdict.FAIL), None)
    rest = [result for result in results if result.gate != NOTED]
    failed = next((result for result in rest if result.verdict is Verdict.FAIL), None)
    named = config.first_failure.worst if config is not None and config.first_failure is not None else None
    verdict = worst([result.verdict for result in rest] or [Verdict.PASS])
    if fault.gates == (NOTED,) and fault.is_mistake:  # only `config` can know
        verdict = worst([verdict, Verdict.PASS if config is None else config.verdict])
        return {**fault.to_dict(), **_row(verdict, named, failed, localised=config is not None)}
    here = failed is not None and failed.gate in fault.gates and fault.place in place_of(failed)
    unclear = next((place_of(result) for result in rest if result.verdict is not Verdict.PASS), "")
    return {**fault.to_dict(), **_row(verdict, named, failed, unclear, localised=here)}


def _row(
    verdict: Verdict, config_named: str | None, failed: GateResult | None, place: str = "", *, localised: bool = False
) -> dict[str, Any]:
    return {
        "verdict": verdict.value,
        "config_named": config_named,
        "first_failing_gate": None if failed is None else failed.gate,
        "place": place if failed is None else place_of(failed),
        "detected": verdict is Verdict.FAIL,
        "localised": localised,
    }


def place_of(failed: GateResult) -> str:
    """Return the first failing check in words: its name, where it is worst, and why where there is no number."""
    check = failed.first_failure
    if check is None:
        return f"{failed.gate}: {failed.compared} of {failed.expected} compared"
    words = check.id + (f" at {check.worst}" if check.worst else "")
    return words if check.observed is not None and check.limit else f"{words}; {check.reason}"
