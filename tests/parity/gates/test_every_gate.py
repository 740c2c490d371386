"""No gate without a test of its comparison, and none without the smallest fault that it sees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from parity.faults.power import PROBES
from parity.faults.runs import suite_gates
from parity.workspace import PROJECT

GATES = sorted(path.parent.name for path in PROJECT.glob("parity/gates/*/compare.py"))


def comparing_tests(text: str, gate: str) -> Iterator[str]:
    """Yield the test functions that use the gate's comparison, themselves or through a function beside them."""
    tree = ast.parse(text)
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in (f"parity.gates.{gate}", f"parity.gates.{gate}.compare")
        for alias in node.names
        if alias.name == "compare"
    }
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    reaching = set(names)
    while True:
        found = {
            name for name, node in functions.items() if reaching & {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        }
        if found <= reaching:
            break
        reaching |= found
    yield from (name for name in functions if name.startswith("test_") and name in reaching)


def test_the_walk_finds_the_gates():
    assert len(GATES) >= 20


@pytest.mark.parametrize("gate", GATES)
def test_every_gate_has_tests_of_its_comparison(gate: str):
    path = Path(__file__).with_name(f"test_{gate}.py")
    assert path.is_file(), "test its comparison on recordings written by hand: CONTRIBUTING.md, How to add a gate"
    assert len(list(comparing_tests(path.read_text(encoding="utf-8"), gate))) >= 3


def test_every_gate_that_the_suite_records_has_a_smallest_fault():
    """The others compare frozen files and timed runs."""
    assert set(suite_gates()) == set(PROBES)
    assert {gate: probe.gate for gate, probe in PROBES.items()} == {gate: gate for gate in PROBES}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from parity.gates.loss.compare import compare\ndef test_a():\n    assert compare(1)", ["test_a"]),
        (
            "from parity.gates.loss import compare as gate\ndef ask():\n    return gate.compare()\ndef test_a():\n    ask()",
            ["test_a"],
        ),
        ("from parity.gates.loss.compare import compare\ndef test_a():\n    assert True", []),
        ("from parity.gates.optimizer.compare import compare\ndef test_a():\n    assert compare(1)", []),
        ("from parity.gates.loss.compare import image_losses\ndef test_a():\n    assert image_losses(1)", []),
    ],
    ids=["called", "through a function", "not called", "of another gate", "another function"],
)
def test_the_rule_sees_a_gate_whose_comparison_is_not_tested(text: str, found: list[str]):
    assert list(comparing_tests(text, "loss")) == found
