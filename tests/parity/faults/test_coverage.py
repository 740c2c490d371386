"""Which functions and branches no gate runs: by hand-written functions that run here, and the list that is committed."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from types import FrameType
from typing import Any

import pytest

from parity.faults.branches import missed_branches
from parity.faults.coverage import (
    ASKED,
    Unasked,
    exists_test,
    find_outside,
    find_stale,
    list_functions,
    read_asked,
    read_unasked,
    render,
)
from parity.faults.runs import suite_gates
from parity.workspace import PROJECT


def branching(value: int, items: tuple[int, ...] = ()) -> int:
    if value > 0:
        value += 1
    for item in items:
        value += item
    if value > 100:
        return value
    elif value > 50:
        return 0
    else:
        value -= 1
    while value > 10:
        value -= 10
    try:
        value = 10 // value
    except ZeroDivisionError:
        value = 0
    match value:
        case 1:
            return 1
        case _:
            pass
    return value


def run(*calls: tuple[Any, ...]) -> list[str]:
    """Return what is missed by calls of `branching`, whose steps are noted as the port's worker notes them."""
    steps: set[tuple[int, int]] = set()
    start = branching.__code__.co_firstlineno

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code is not branching.__code__:
            return None
        last = 1

        def step(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal last
            line = frame.f_lineno - start + 1
            if event in ("line", "return"):
                steps.add((last, line if event == "line" else -1))
                last = line
            return step

        return step

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for call in calls:
            branching(*call)
    finally:
        sys.settrace(before)
    tree = ast.parse(textwrap.dedent(inspect.getsource(branching))).body[0]
    return [what for _, what in missed_branches(tree, steps)]


MISSED: dict[str, tuple[tuple[tuple[Any, ...], ...], list[str]]] = {
    "one way through": (
        ((1,),),
        ["`if value > 0` is always so", "never enters `for item in items`", "never enters `if value > 100`",
         "never enters `if value > 50`", "never enters `while value > 10`", "never enters `except ZeroDivisionError`",
         "never enters `case 1`"],
    ),
    "not below": (
        ((1, (2,)), (200,), (60,), (30,), (10,)),
        ["`if value > 0` is always so", "never enters `except ZeroDivisionError`"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISSED)
def test_branches_that_were_not_taken_are_named(case: str):
    calls, missed = MISSED[case]
    found = run(*calls)
    assert [what for what in missed if what not in found] == []
    assert set(found) <= {*missed, "never enters `case 1`"}


def test_nothing_is_missed_by_calls_that_go_every_way():
    assert run((1,), (0, (3,)), (200,), (60,), (30,), (11,), (10,), (0, (1,)), (0, (11,))) == []


def test_every_function_of_the_port_is_listed_once_by_its_name():
    functions = list_functions()
    assert {"order:LegacyBatchSampler._item", "losses:image_losses", "__main__:main"} <= {*functions}
    assert not any("<locals>" in name for name in functions)
    nested = ast.parse((PROJECT / "torch_port" / "losses.py").read_bytes())
    top = [node.name for node in nested.body if isinstance(node, ast.FunctionDef)]
    assert [name.partition(":")[2] for name in functions if name.startswith("losses:") and "." not in name] == top


TEST = "tests/parity/faults/test_coverage.py::test_nothing_is_missed_by_calls_that_go_every_way"


def test_what_is_in_no_list_is_outside():
    unasked = Unasked(tests={"a:f": TEST}, wording={"a:g": "words"})
    assert find_outside(["a:f", "a:g", "a:h", "a:k"], ["a:k"], unasked) == ["a:h"]


STALE: dict[str, tuple[Unasked, list[str]]] = {
    "as it should be": (Unasked(tests={"a:f": TEST}, wording={"a:g": "words"}), []),
    "gone": (Unasked(tests={"a:gone": TEST}, wording={}), ["a:gone is listed, and no longer exists"]),
    "run": (Unasked(tests={}, wording={"a:run": "words"}), ["a:run is listed, and a gate runs it"]),
    "twice": (Unasked(tests={"a:f": TEST}, wording={"a:f": "words"}), ["a:f is listed twice"]),
    "no such test": (
        Unasked(tests={"a:f": "tests/parity/faults/test_coverage.py::test_of_nothing"}, wording={}),
        ["a:f is killed by tests/parity/faults/test_coverage.py::test_of_nothing, which does not exist"],
    ),
    "no such file": (
        Unasked(tests={"a:f": "tests/nowhere.py::test_x"}, wording={}),
        ["a:f is killed by tests/nowhere.py::test_x, which does not exist"],
    ),
}


@pytest.mark.parametrize("case", STALE)
def test_entries_that_should_not_be_there_are_named(case: str):
    unasked, lines = STALE[case]
    assert find_stale(["a:f", "a:g", "a:run"], ["a:run"], unasked) == lines


def test_a_test_is_a_function_of_a_file():
    assert exists_test(TEST)
    assert not exists_test("tests/parity/faults/test_coverage.py::run")


def shown(outside: list[str], stale: list[str]) -> list[str]:
    functions = {
        name: ast.parse("def f(x):\n    if x:\n        return 1\n    return 2").body[0] for name in ("a:f", "_b:g", "c:h")
    }
    unasked = Unasked(tests={"c:h": TEST}, wording={})
    asked, steps = {"a:f": "loss"}, {"a:f": {(1, 2), (2, 3), (3, -1)}}
    return render(functions, asked, unasked, outside=outside, stale=stale, steps=steps).splitlines()  # type: ignore[arg-type]


def test_the_console_shows_branches_entries_to_paste_and_counts():
    lines = shown(["_b:g"], ["c:h is stale"])
    assert "  a:f, line 2: `if x` is always so" in lines
    assert '"_b:g" = "tests/torch_port/test_b.py::test_"' in lines
    assert "c:h is stale" in lines
    counts = "3 functions, 1 run by a gate, 1 killed by a named test, 0 wording and arguments, 1 outside, 1 branches not taken"
    assert lines[-1] == f"FAIL: {counts}"
    assert shown([], [])[-1].startswith("PASS: 3 functions")


@pytest.fixture(scope="module")
def asked() -> dict[str, str]:
    return read_asked()


def test_every_function_is_run_by_a_gate_or_seen_to_otherwise(asked: dict[str, str]):
    """By the trace that was kept last; ``nox -s faults -- --coverage`` makes a new one and says where it differs."""
    assert find_outside(list_functions(), asked, read_unasked()) == []


def test_no_entry_is_stale(asked: dict[str, str]):
    assert find_stale(list_functions(), asked, read_unasked()) == []


def test_the_trace_is_of_functions_and_gates_that_there_are(asked: dict[str, str]):
    assert {*asked} <= {*list_functions()}, f"{ASKED.name} is old: nox -s faults -- --coverage --keep {ASKED}"
    assert {*asked.values()} <= {*suite_gates()}
    assert len(asked) > 200


def test_every_word_is_there_for_a_reason():
    for name, reason in read_unasked().wording.items():
        assert len(reason) > 10, name
