"""Decoded pixels, by hash, for every file of the run and the fixtures."""

from __future__ import annotations

from parity.comparison import Comparison
from parity.tolerance import GatesFile
from parity.verdict import GateResult
from parity.workspace import Workspace


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    files = dict.fromkeys(case.image for case in workspace.all_cases)
    files |= dict.fromkeys(f"fixture {path.name}" for path in workspace.fixture_paths)
    comparison = Comparison.open(workspace, "decode", {})
    return comparison.result([comparison.table("sha256", files)])
