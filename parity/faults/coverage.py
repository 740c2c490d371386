"""Which functions and branches of the port no gate runs, and who sees to those."""

from __future__ import annotations

import ast
import json
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from parity.faults.branches import missed_branches
from parity.faults.choice import LOG, Choice, check_choice
from parity.faults.pool import Workers
from parity.faults.results import Results
from parity.faults.runs import CONVERT, suite_gates
from parity.faults.suite import Suite, open_suite
from parity.files import write_whole
from parity.processes import Listener
from parity.reuse import PACKAGES
from parity.workspace import PROJECT

PORT = PROJECT / PACKAGES["port"]
UNASKED = PROJECT / "parity" / "faults" / "unasked.toml"  # by hand: named tests, wording
ASKED = PROJECT / "parity" / "faults" / "asked.json"  # by --coverage --keep: function -> first gate that runs it
Functions = Mapping[str, ast.FunctionDef | ast.AsyncFunctionDef]
Steps = Mapping[str, set[tuple[int, int]]]


@dataclass(frozen=True, kw_only=True)
class Unasked:
    """Functions that no gate runs.

    Attributes:
        tests: Function -> the test that fails when it is wrong, ``tests/...::name``.
        wording: Function -> why it is wording or argument parsing alone.
    """

    tests: Mapping[str, str]
    wording: Mapping[str, str]


def list_functions() -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return every function and method of the port that is not inside another function, as ``module:qualified.name``."""
    found: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}

    def visit(body: Iterable[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found[prefix + node.name] = node
            elif isinstance(node, ast.ClassDef):
                visit(node.body, f"{prefix}{node.name}.")

    for path in sorted(PORT.glob("*.py")):
        visit(ast.parse(path.read_bytes()).body, f"{path.stem}:")
    return found


def read_unasked(path: Path = UNASKED) -> Unasked:
    """Return the committed list of functions that no gate runs."""
    return Unasked(**tomllib.loads(path.read_text(encoding="utf-8")))


def read_asked(path: Path = ASKED) -> dict[str, str]:
    """Return which gate runs a function first, as the last trace that was kept says."""
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return found


def find_outside(functions: Iterable[str], asked: Iterable[str], unasked: Unasked) -> list[str]:
    """Return the functions that no gate runs and the list does not name."""
    return sorted({*functions} - {*asked} - {*unasked.tests} - {*unasked.wording})


def find_stale(functions: Iterable[str], asked: Iterable[str], unasked: Unasked) -> list[str]:
    """Return a line for each entry of the list that should not be there."""
    listed = [*unasked.tests, *unasked.wording]
    return [
        *(f"{name} is listed, and no longer exists" for name in sorted({*listed} - {*functions})),
        *(f"{name} is listed, and a gate runs it" for name in sorted({*listed} & {*asked})),
        *(f"{name} is listed twice" for name in sorted({*unasked.tests} & {*unasked.wording})),
        *(
            f"{name} is killed by {test}, which does not exist"
            for name, test in sorted(unasked.tests.items())
            if not exists_test(test)
        ),
    ]


def exists_test(test: str) -> bool:
    """Return whether ``tests/...::name`` is a test function."""
    file, _, name = test.partition("::")
    path = PROJECT / file
    if not (path.is_file() and name.startswith("test")):
        return False
    return any(isinstance(node, ast.FunctionDef) and node.name == name for node in ast.walk(ast.parse(path.read_bytes())))


def run_coverage(choice: Choice, listen: Listener, keep: Path | None) -> tuple[str, list[str]]:
    """Trace the correct port, gate by gate; return the tables for the console, and what falls short.

    Args:
        choice: On what; faults are not planted.
        listen: Told of the progress.
        keep: File for which gate runs what; None: it stays as it is.

    Raises:
        BadInputError: As `parity.faults.suite.open_suite`.
    """
    check_choice(choice)
    suite = open_suite(choice, [], listen)
    by_gate = trace_lines(choice, suite, listen)
    asked = first_gates(by_gate)
    if keep is not None:
        write_whole(keep, json.dumps(dict(sorted(asked.items())), indent=0) + "\n")
    functions, unasked = list_functions(), read_unasked()
    outside, stale = find_outside(functions, asked, unasked), find_stale(functions, asked, unasked)
    if not ASKED.is_file() or {*read_asked()} != {*asked}:
        stale.append(f"{ASKED.name} is not what the trace says: --coverage --keep {ASKED.relative_to(PROJECT)}")
    steps = {name: set().union(*(found.get(name, ()) for found in by_gate.values())) for name in asked}
    return render(functions, asked, unasked, outside=outside, stale=stale, steps=steps), [*outside, *stale]


def trace_lines(choice: Choice, suite: Suite, listen: Listener) -> dict[str, Steps]:
    """Return the steps from line to line that each gate takes in each function of the port."""
    results = Results(choice.out / "results", suite.key)
    gates = (CONVERT, *suite_gates())
    found: dict[str, Steps] = {}
    with Workers(choice.out / LOG, os.cpu_count() or 1, choice.limit_s) as workers:
        for done, gate in enumerate(gates):
            listen({"side": "faults", "step": "trace the correct port", "done": done, "of": len(gates)})
            steps = results.find(f"lines/{gate}", partial(_trace, suite, gate, workers))["steps"]
            short = {name.partition(".")[2]: {(first, last) for first, last in part} for name, part in steps.items()}
            found[gate] = short
    return found


def _trace(suite: Suite, gate: str, workers: Workers) -> dict[str, Any]:
    worker = workers.get("port")
    worker.ask("begin", run=str(suite.base.run), fault=None, convert=False)
    answer = worker.ask("trace_lines", gate=gate)
    worker.ask("end")
    return answer


def first_gates(by_gate: Mapping[str, Steps]) -> dict[str, str]:
    """Return the first gate that runs each function; what converts the weights is compared at `weights`."""
    known = list_functions()
    found: dict[str, str] = {}
    for gate, steps in by_gate.items():
        for name in steps:
            if name in known:
                found.setdefault(name, "weights" if gate == CONVERT else gate)
    return found


def render(
    functions: Functions,
    asked: Mapping[str, str],
    unasked: Unasked,
    *,
    outside: list[str],
    stale: list[str],
    steps: Steps,
) -> str:
    """Return what the console shows: branches, what falls short with entries to paste, and counts."""
    missed = {name: list(missed_branches(functions[name], steps[name])) for name in sorted(asked)}
    lines = ["branches that no gate takes, in functions that one runs:"]
    lines += [f"  {name}, line {line}: {what}" for name, found in missed.items() for line, what in found]
    if outside:
        lines += ["", f"outside of {UNASKED.relative_to(PROJECT)}; to paste below [tests] or [wording]:", *_entries(outside)]
    lines += ["", *stale] if stale else []
    counts = {
        "functions": len(functions),
        "run by a gate": len(asked),
        "killed by a named test": len({*unasked.tests} & {*functions}),
        "wording and arguments": len({*unasked.wording} & {*functions}),
        "outside": len(outside),
        "branches not taken": sum(map(len, missed.values())),
    }
    verdict = "FAIL" if outside or stale else "PASS"
    return "\n".join([*lines, "", f"{verdict}: " + ", ".join(f"{count} {what}" for what, count in counts.items())])


def _entries(names: list[str]) -> Iterator[str]:
    for name in names:
        module = name.partition(":")[0].strip("_")
        yield f'"{name}" = "tests/torch_port/test_{module}.py::test_"'
