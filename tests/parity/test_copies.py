"""What stands in packages that must not import each other is the same in each; `test_tables.py` asks it of tables."""

from __future__ import annotations

import ast

import pytest

from parity.signoff.retired import legacy_is_gone
from parity.workspace import PROJECT

PATIENTS = ("legacy_tf/checks.py", "torch_port/splits.py", "parity/splits.py")
PLACES = ("legacy_tf/numbered_weights.py", "torch_port/numbered_weights.py")
LAYERS = ("legacy_tf/network_checks.py", "torch_port/network_checks.py")
COPIES = {
    **dict.fromkeys(("NUMBER", "NEARLY_NUMBER"), PATIENTS),
    **dict.fromkeys(("NUMBERED_ROOTS", "_BELOW", "normalise", "find_kind", "_split", "_is_container"), PLACES),
    **dict.fromkeys(("FREE", "snake_case", "leaves"), LAYERS),
}


@pytest.mark.skipif(legacy_is_gone(PROJECT), reason="legacy_tf is retired")
@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_the_same_in_each_package(name: str):
    found = [definition(path, name) for path in COPIES[name]]
    assert found == found[:1] * len(COPIES[name])


def definition(path: str, name: str) -> str:
    """Return how a name is defined in a file, without docstrings."""
    for part in ast.walk(ast.parse((PROJECT / path).read_text(encoding="utf-8"))):
        if isinstance(part, ast.Assign) and [ast.unparse(target) for target in part.targets] == [name]:
            return ast.unparse(part.value)
        if isinstance(part, ast.FunctionDef) and part.name == name:
            lines = part.body[1:] if ast.get_docstring(part) else part.body
            return "\n".join(map(ast.unparse, [part.args, *lines]))
    raise AssertionError(f"{path} must define {name}")
