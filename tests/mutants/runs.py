"""Runs what can see a mutant: the gates that run its function, then the unit tests that run it, each with a time limit."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from parity.children import end_child, start_child
from parity.faults.runs import CONVERT, READS_WEIGHTS, Base, place_of, suite_gates
from parity.lines import Worker, WorkerError
from parity.processes import KEEP_MEMORY
from parity.verdict import Verdict
from parity.workspace import PROJECT
from tests.mutants.copies import TESTS, Copy, variables

START_S, SLOWER = 60.0, 5.0  # a process may take so long to start, and so many times as long as the correct port
TIME = "time"


@dataclass(frozen=True, kw_only=True)
class UnitTest:
    """A test of the port, as it ran on the correct port.

    Attributes:
        id: Of pytest.
        seconds: It took.
        touched: Functions that it ran.
    """

    id: str
    seconds: float
    touched: frozenset[str]


@dataclass
class Known:
    """What the correct port showed.

    Attributes:
        base: The recorded legacy.
        gates: Functions by gate; conversion is one of them.
        seconds: By gate.
        tests: Those that passed.
    """

    base: Base
    gates: dict[str, frozenset[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    tests: list[UnitTest] = field(default_factory=list)

    def likely_gates(self, functions: Collection[str]) -> list[str]:
        """Return the gates that run one of these functions, the fastest first."""
        found = [gate for gate in suite_gates() if self.gates[gate].intersection(functions)]
        return sorted(found, key=self.seconds.__getitem__)

    def likely_tests(self, functions: Collection[str]) -> list[UnitTest]:
        """Return the tests that run one of these functions, the fastest first."""
        return sorted((test for test in self.tests if test.touched.intersection(functions)), key=lambda test: test.seconds)


def port_worker(copy: Copy, log: Path) -> Worker:
    """Start a process that records gates with the port of a copy."""
    words = {**KEEP_MEMORY, "OMP_NUM_THREADS": "1", **copy.environment}
    return Worker("port", ["parity.faults.port_worker"], log=log, environment=words)


@contextmanager
def limited(worker: Worker, seconds: float) -> Iterator[threading.Event]:
    """Kill a process that takes longer; the event says so."""
    late = threading.Event()

    def kill() -> None:
        late.set()
        os.kill(worker.pid, signal.SIGKILL)

    timer = threading.Timer(seconds, kill)
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


def record_correct(known: Known, copy: Copy, log: Path) -> dict[str, str]:
    """Trace the gates on a copy without a mutant; return what is not PASS, by gate."""
    with port_worker(copy, log) as worker:
        worker.ask("begin", run=str(known.base.run), fault=None, convert=False)
        for gate in (CONVERT, *suite_gates()):
            start = time.monotonic()
            touched = worker.ask("trace", gate=gate)["touched"]
            known.gates[gate] = frozenset(name.removeprefix("torch_port.") for name in touched)
            known.seconds[gate] = round(time.monotonic() - start, 2)
    results = [known.base.compare(gate, known.base.run) for gate in suite_gates()]
    reads = READS_WEIGHTS.removeprefix("torch_port.")  # what converts weights runs for every gate that reads them
    known.gates = {gate: names | known.gates[CONVERT] if reads in names else names for gate, names in known.gates.items()}
    return {result.gate: place_of(result) for result in results if result.verdict is Verdict.FAIL}


def ask_gates(
    known: Known, copy: Copy, gates: Sequence[str], functions: Collection[str], log: Path, *, patience: float = 1.0
) -> dict[str, Any] | None:
    """Record gates with what is planted in a copy, up to the first that fails; return who saw it, or None.

    Limits of time are `patience` times as long.
    """
    convert = bool(known.gates[CONVERT].intersection(functions)) or not functions
    folder = known.base.open(copy.folder.name, convert=convert)
    by = "start"
    try:
        with port_worker(copy, log) as worker:
            late = threading.Event()
            try:
                with limited(worker, patience * (START_S + SLOWER * known.seconds[CONVERT])) as late:
                    worker.ask("begin", run=str(folder), fault=None, convert=convert)
                for by in gates:
                    with limited(worker, patience * (START_S + SLOWER * known.seconds[by])) as late:
                        worker.ask("record", gate=by)
                    result = known.base.compare(by, folder)
                    if result.verdict is Verdict.FAIL:
                        raised = "raised" if "port raised" in place_of(result) else "values"
                        return {"verdict": "killed", "how": raised, "by": f"gate {by}", "said": place_of(result)[:200]}
            except WorkerError as error:
                return {
                    "verdict": "killed",
                    "how": TIME if late.is_set() else "raised",
                    "by": f"gate {by}",
                    "said": str(error)[:200],
                }
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return None


def port_test_python() -> str:
    """Return the Python of the port's test environment."""
    path = os.environ.get("PARITY_PORT_TEST_PYTHON") or str(PROJECT / ".nox" / "port_test" / "bin" / "python")
    if not Path(path).exists():
        sys.exit(f"{path} must be the Python of the port's tests: nox -s port_test --install-only makes it")
    return path


def run_pytest(copy: Copy, words: Sequence[str], *, log: Path, limit_s: float, **environment: str) -> int | None:
    """Run pytest in a copy; return its exit code, or None where it took too long. It ends with all that it has started."""
    command = [port_test_python(), "-m", "pytest", "-p", "no:cacheprovider", "-q", *words]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            command, cwd=copy.folder, env=variables(copy, **environment), stdout=file, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


class TestServer:
    """A process that has imported the port's libraries and forks one for each run of tests; it begins with the first.

    Args:
        copy: Whose tests.
        log: What pytest prints.
    """

    __test__ = False  # pytest need not look in it

    def __init__(self, copy: Copy, log: Path) -> None:
        self.copy = copy
        self.log = log
        self._process: subprocess.Popen[str] | None = None

    def run(self, words: Sequence[str], limit_s: float) -> int | None:
        """Return pytest's exit code, or None where it took too long.

        Raises:
            WorkerError: The process has ended.
        """
        if self._process is None:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.with_suffix(".server.txt").open("w", encoding="utf-8") as errors:
                self._process = start_child(
                    [port_test_python(), "-m", "tests.mutants.server"], cwd=self.copy.folder, env=variables(self.copy),
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                )  # fmt: skip
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        request = {"words": ["-p", "no:cacheprovider", "-q", *words], "log": str(self.log), "limit_s": limit_s}
        stdin.write(json.dumps(request) + "\n")
        stdin.flush()
        if not (answer := stdout.readline()):
            raise WorkerError(
                f"the tests' process ended with {self._process.wait()}; see {self.log.with_suffix('.server.txt')}"
            )
        found: int | None = json.loads(answer)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            end_child(self._process)
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()


def ask_tests(server: TestServer, tests: Sequence[UnitTest], *, patience: float = 1.0) -> dict[str, Any] | None:
    """Run tests with what is planted in the server's copy, up to the first that fails; return who saw it, or None."""
    if not tests:
        return None
    limit_s = patience * (START_S + SLOWER * sum(test.seconds for test in tests))
    code = server.run(["-x", *(test.id for test in tests)], limit_s)
    if code == 0:
        return None
    if code is None:
        return {"verdict": "killed", "how": TIME, "by": "unit tests", "said": f"longer than {limit_s:.0f} s"}
    text = server.log.read_text(encoding="utf-8", errors="replace")
    found = re.search(rf"^(?:FAILED|ERROR) ({re.escape(TESTS)}\S+)(?: - (.*))?", text, re.MULTILINE)
    by, said = (found[1], found[2] or "") if found else ("unit tests", f"pytest ended with {code}")
    return {"verdict": "killed", "how": "test", "by": by, "said": said[:200]}
