"""No test without an assertion on a result: every test function is read."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from parity.workspace import PROJECT

ASSERTING = {"pytest.raises", "pytest.warns", "pytest.fail"}
Functions = Mapping[str, list[ast.AST]]


def calls(node: ast.AST) -> set[str]:
    """Return the functions that are called in a function, and those below it, as they are written."""
    return {ast.unparse(found.func) for found in ast.walk(node) if isinstance(found, ast.Call)}


def asserts(node: ast.AST) -> bool:
    """Return whether something asserts on what is worked out; what is true as it is written asserts nothing."""
    written = [found for found in ast.walk(node) if isinstance(found, ast.Assert)]
    if any(not isinstance(found.test, ast.Constant) for found in written):
        return True
    return any(name in ASSERTING or name.rpartition(".")[2].startswith("assert_") for name in calls(node))


def functions(trees: Mapping[Path, ast.AST]) -> dict[str, list[ast.AST]]:
    """Return the functions of all files by name; where two have one name, both must assert."""
    found: dict[str, list[ast.AST]] = {}
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.setdefault(node.name, []).append(node)
    return found


def bare_tests(trees: Mapping[Path, ast.AST]) -> Iterator[str]:
    """Yield the tests that neither assert nor call a function of the tests that does."""
    known = {name: nodes for name, nodes in functions(trees).items() if not name.startswith("test_")}
    helpers: set[str] = set()
    while True:
        found = {name for name, nodes in known.items() if all(asserts(node) or calls(node) & helpers for node in nodes)}
        if found <= helpers:
            break
        helpers |= found
    for path, tree in trees.items():
        for name, nodes in functions({path: tree}).items():
            for node in nodes if name.startswith("test") else ():
                if not asserts(node) and not {called.rpartition(".")[2] for called in calls(node)} & helpers:
                    yield f"{path.name}: {name}"


def test_every_test_asserts_something():
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted((PROJECT / "tests").rglob("*.py"))}
    assert len(trees) > 100
    assert list(bare_tests(trees)) == []


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("def test_a():\n    assert ask() == 1", True),
        ("def test_a():\n    with pytest.raises(ValueError):\n        ask()", True),
        ("def test_a():\n    np.testing.assert_array_equal(ask(), 1)", True),
        ("def check():\n    assert ask()\ndef test_a():\n    check()", True),
        ("def check():\n    assert ask()\ndef deeper():\n    check()\ndef test_a():\n    deeper()", True),
        ("def test_a():\n    ask()", False),
        ("def test_a():\n    assert True", False),
        ("def check():\n    return 1\ndef test_a():\n    check()", False),
        ("class TestB:\n    def test_a(self):\n        ask()", False),
    ],
)
def test_the_rule_sees_a_test_without_one(text: str, is_one: bool):
    found = list(bare_tests({Path("test_b.py"): ast.parse(text)}))
    assert found == ([] if is_one else ["test_b.py: test_a"])
