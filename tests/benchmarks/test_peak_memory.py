"""Memory of real processes: what they were told to allocate is what is seen."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from benchmarks.memory import INTERVAL_S, PeakMemory, process_tree, proportional_set_size

SIZE = 200_000_000
ALLOCATE = f"held = b'1' * {SIZE}"
WAIT = "import sys; sys.stdin.read()"
TELL = f"print('ready', flush=True); {WAIT}"
CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {f'{ALLOCATE}; {TELL}'!r}])"
# Three processes with the same pages, for none of them writes into them.
FORKED = f"import os; {ALLOCATE}\nif os.fork() and os.fork():\n    print('ready', flush=True)\n{WAIT}"

Start = Callable[[str], int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts a program, waits until it is ready and gives its number."""
    started: list[subprocess.Popen[str]] = []

    def start_program(program: str) -> int:
        process = subprocess.Popen([sys.executable, "-c", program], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process.pid

    yield start_program
    for process in started:
        process.communicate()


def peak(pid: int) -> int:
    with PeakMemory(pid) as found:
        time.sleep(1.5 * INTERVAL_S)
    return found.bytes


def test_what_a_process_allocates_is_seen(start: Start):
    without = peak(start(TELL))
    assert 1e6 < without < 50e6
    assert peak(start(f"{ALLOCATE}; {TELL}")) - without == pytest.approx(SIZE, rel=0.02)


def test_what_its_child_allocates_is_seen(start: Start):
    pid = start(CHILD)
    assert len(process_tree(pid)) == 2
    assert peak(pid) == pytest.approx(SIZE, rel=0.2)
    assert proportional_set_size(pid) < 50e6, "it is the child that has it"


def test_pages_that_processes_share_are_counted_once(start: Start):
    pid = start(FORKED)
    assert len(process_tree(pid)) == 3
    assert peak(pid) == pytest.approx(SIZE, rel=0.2)


def test_the_peak_stays_when_memory_is_given_back(start: Start):
    program = f"import time; print('ready', flush=True); {ALLOCATE}; time.sleep({3 * INTERVAL_S}); del held; {WAIT}"
    with PeakMemory(start(program)) as found:
        until = time.monotonic() + 30  # the machine may have other things to do
        time.sleep(2 * INTERVAL_S)
        while proportional_set_size(found.pid) > 50e6 and time.monotonic() < until:
            time.sleep(INTERVAL_S)
        now = proportional_set_size(found.pid)
    assert now < 50e6
    assert found.bytes == pytest.approx(SIZE, rel=0.2)


def test_a_process_that_has_ended_takes_nothing():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert process_tree(process.pid) == [process.pid]
    assert proportional_set_size(process.pid) == 0
    assert peak(process.pid) == 0
    assert peak(os.getpid()) > 10e6
