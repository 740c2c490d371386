"""Judges mutants one after the other: results are kept after each, so that a run that is stopped goes on from there."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from parity.demo.cache import DEMO, make_checkpoint, make_dataset
from parity.faults.results import Results
from parity.faults.suite import Choice, prepare_base
from parity.processes import Listener
from tests.mutants.copies import CODE, TESTS, Copy, hash_code
from tests.mutants.generate import Mutant
from tests.mutants.runs import TIME, Known, TestServer, UnitTest, ask_gates, ask_tests, record_correct, run_pytest
from tests.mutants.traces import FOUND, trace_file
from tests.mutants.users import Mentions, read_mentions, users_of

SURVIVED = "survived"
WHOLE_S = 3600.0  # all unit tests, traced
Show = Callable[[Mutant, dict[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class Judge:
    """What mutants are judged with.

    Attributes:
        known: What the correct port showed.
        mentions: Names by function.
        results: Where verdicts are kept.
        copies: A copy of the project for each process.
        logs: Folder of what the processes print.
    """

    known: Known
    mentions: Mentions
    results: Results
    copies: Sequence[Copy]
    logs: Path

    def run(self, mutants: Sequence[Mutant], show: Show) -> list[dict[str, Any]]:
        """Return a row for each mutant, in order."""
        left = iter(list(enumerate(mutants)))

        def work(copy: Copy) -> dict[int, dict[str, Any]]:
            found = {}
            with TestServer(copy, self.logs / f"{copy.folder.name}.tests.txt") as server:
                for number, mutant in left:
                    name = hashlib.sha256(f"{mutant.id} {mutant.place.sha256}".encode()).hexdigest()[:24]
                    found[number] = self.results.find(name, partial(self.judge, server, mutant))
                    show(mutant, found[number])
            return found

        with ThreadPoolExecutor(len(self.copies)) as threads:
            rows = {number: row for part in threads.map(work, self.copies) for number, row in part.items()}
        return [rows[number] for number in range(len(mutants))]

    def judge(self, server: TestServer, mutant: Mutant) -> dict[str, Any]:
        """Return who sees a mutant: a gate that runs it, a unit test that runs it, or nobody."""
        start, copy = time.monotonic(), server.copy
        functions = users_of(mutant, self.mentions)
        gates, tests = self.known.likely_gates(functions), self.known.likely_tests(functions)
        with copy.planted(mutant):
            log = self.logs / f"{copy.folder.name}.gates.txt"
            found = _confirmed(lambda patience: ask_gates(self.known, copy, gates, functions, log, patience=patience))
            found = found or _confirmed(lambda patience: ask_tests(server, tests, patience=patience))
        asked = {"gates": gates, "tests": len(tests)}
        row = found or {"verdict": SURVIVED, "how": "", "by": "", "said": "" if gates or tests else "nothing runs it"}
        return {
            "id": mutant.id, "source": mutant.place.sha256, "old": mutant.old, "new": mutant.change.new, **row, **asked,
            "seconds": round(time.monotonic() - start, 1),
        }  # fmt: skip


def _confirmed(ask: Callable[[float], dict[str, Any] | None]) -> dict[str, Any] | None:
    """Ask again, with twice the time, who has seen a mutant by its time alone: the machine may have been busy."""
    found = ask(1.0)
    return ask(2.0) if found and found["how"] == TIME else found


def make_judge(
    folder: Path, source: tuple[Path, Path] | None, jobs: int, listen: Listener, choice: Sequence[str] = (TESTS,)
) -> Judge:
    """Record the legacy, trace gates and tests on the correct port where that is not done, and make the copies.

    Args:
        folder: For everything.
        source: Data folder and checkpoint; None: the demo.
        jobs: Processes at a time.
        listen: Told of the progress.
        choice: Unit tests that are asked, as pytest takes them.
    """
    code, logs = hash_code(*CODE), folder / "log"
    key = f"{code}+{hash_code(TESTS, 'tests/checkpoints')}+{' '.join(choice)}"
    base = prepare_base(
        Choice(out=folder), listen, source or (make_dataset(DEMO, listen), make_checkpoint(DEMO, listen))
    )  # fmt: skip
    copies = [Copy(folder / f"copy{number}") for number in range(jobs)]
    known, correct = Known(base=base), folder / "correct"
    gates = Results(correct, code).find("gates", lambda: _trace_gates(known, copies[0], logs))
    known.gates = {gate: frozenset(names) for gate, names in gates["touched"].items()}
    known.seconds = gates["seconds"]
    tests = Results(correct, key).find(
        "tests", lambda: trace_tests(copies[0], folder / "traced", jobs, logs / "tests.txt", choice)
    )  # fmt: skip
    known.tests = [UnitTest(id=id, seconds=row["s"], touched=frozenset(row["touched"])) for id, row in tests["tests"].items()]
    return Judge(
        known=known, mentions=read_mentions(copies[0].folder / "torch_port"), results=Results(folder / "results", key),
        copies=copies, logs=logs,
    )  # fmt: skip


def _trace_gates(known: Known, copy: Copy, logs: Path) -> dict[str, Any]:
    failed = record_correct(known, copy, logs / "correct.txt")
    if failed:
        raise SystemExit(f"the correct port must pass before mutants are judged, but {failed}")
    return {"touched": {gate: sorted(names) for gate, names in known.gates.items()}, "seconds": known.seconds}


def trace_tests(copy: Copy, folder: Path, jobs: int, log: Path, choice: Sequence[str] = (TESTS,)) -> dict[str, Any]:
    """Run the port's unit tests on a copy without a mutant; return seconds and functions of those that pass.

    What a file's tests run while they are set up counts for all of its tests: they share fixtures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    hook = f"{copy.folder}:{copy.folder / 'tests/mutants/hook'}"
    words = ["-p", "tests.mutants.plugin", *(["--numprocesses", str(jobs)] if jobs > 1 else []), *choice]
    environment = {FOUND: str(folder), "MUTANTS_TRACE": str(folder / "import.txt"), "PYTHONPATH": hook}
    if run_pytest(copy, words, log=log, limit_s=WHOLE_S, **environment) is None:
        raise SystemExit(f"the port's tests took longer than {WHOLE_S:.0f} s; see {log}")
    rows: dict[str, dict[str, Any]] = {}
    for path in folder.glob("tests.*.jsonl"):
        for line in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
            row = rows.setdefault(line["test"], {"s": 0.0, "passed": True, "called": False})
            row["s"] = round(row["s"] + line["seconds"], 3)
            row["passed"] &= line["passed"]
            row["called"] |= line["phase"] == "call"
    shared: dict[str, set[str]] = {}
    for id in rows:
        shared.setdefault(id.partition("::")[0], set()).update(_read(trace_file(folder, id, "setup")))
    return {
        "tests": {
            id: {"s": row["s"], "touched": sorted(shared[id.partition("::")[0]] | _read(trace_file(folder, id, "call")))}
            for id, row in sorted(rows.items())
            if row["passed"] and row["called"]
        }
    }


def _read(path: Path) -> set[str]:
    return set(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else set()
