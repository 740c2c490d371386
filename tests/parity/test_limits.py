"""Limits stand in gates.toml: where a gate judges, no number of its own decides."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from parity.workspace import PROJECT

# What is injected or recorded is no limit.
NOT_JUDGING = {"legacy.py", "port.py", "contract.py", "fixtures.py", "traces.py"}
JUDGING = [
    *(path for path in sorted((PROJECT / "parity/gates").glob("*/*.py")) if path.name not in NOT_JUDGING),
    *(
        PROJECT / "parity" / f"{name}.py"
        for name in ("comparison", "fresh", "measurement", "tolerance", "verdict", "judge", "waivers")
    ),
    PROJECT / "parity/faults/scorecard.py",
]
# Numbers of a definition, by file: another value would be another question, not another answer.
DEFINITIONS = {
    "gradcam/command_checks.py": {255, 0.3, 4.55},  # levels of a map, and by how much one moves a colour of the overlay
    "inference/compare.py": {0.5, 0.25, 2.0},  # a fair coin, its variance, and what dropout does to what it keeps
    "lockstep/compare.py": {1e-7},  # Adam's epsilon
    "lockstep/seeded.py": {2, 0.5},  # what dropout does to what it keeps, and a square root
    "lockstep/statistics.py": {0.01, 0.99},  # batch norm's momentum
    "metrics/oracles.py": {0.5},  # Keras's threshold
    "parity/fresh.py": {3.0, 0.2},  # variance of a uniform distribution, and of its estimate
}


def numbers(tree: ast.AST) -> Iterator[float]:
    """Yield what could be a limit: fractions wherever they stand, and whole numbers that have a name of their own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield node.value
    for node in getattr(tree, "body", ()):
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.Constant) and type(value.value) is int:
            yield value.value


def found_in(path: Path) -> set[float]:
    return set(numbers(ast.parse(path.read_text(encoding="utf-8")))) - {0.0, 1.0}


@pytest.mark.parametrize("path", JUDGING, ids=lambda path: "/".join(path.parts[-2:]))
def test_where_a_gate_judges_no_number_of_its_own_decides(path: Path):
    assert found_in(path) == DEFINITIONS.get("/".join(path.parts[-2:]), set())


@pytest.mark.parametrize(
    "line",
    ["LEAST_SPREAD = 1e-3", "ULPS = 8", "DISTINCT: int = 10", "def f(x):\n    return x < 1e-12", "Limit(value=y + 1e-12)"],
)
def test_the_rule_sees_a_limit(tmp_path: Path, line: str):
    path = tmp_path / "compare.py"
    path.write_text(f"{line}\n")
    assert found_in(path)
