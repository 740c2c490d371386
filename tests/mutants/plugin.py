"""For pytest (``-p tests.mutants.plugin``): which functions of the port each test runs, and how long it takes.

It runs in the port's test environment, with `hook` on the path. The folder of what it finds is in ``MUTANTS_TESTS``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sitecustomize  # the one of `hook`

from tests.mutants.traces import FOUND, trace_file


def _phase(item: pytest.Item, phase: str) -> Iterator[None]:
    sitecustomize.seen.clear()
    os.environ[sitecustomize.VARIABLE] = str(trace_file(Path(os.environ[FOUND]), item.nodeid, phase))
    yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    yield from _phase(item, "setup")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    yield from _phase(item, "call")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    yield
    line = {"test": item.nodeid, "phase": call.when, "passed": call.excinfo is None, "seconds": round(call.duration, 3)}
    path = Path(os.environ[FOUND]) / f"tests.{os.getpid()}.jsonl"
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
