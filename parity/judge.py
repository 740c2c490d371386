"""Turns two recordings into the verdict of each gate."""

from __future__ import annotations

import importlib.util
from importlib import import_module

from parity.artefact import ArtefactError
from parity.errors import BadInputError
from parity.tolerance import GatesFile
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import Workspace

SIDES = ("legacy", "port")


def has_comparison(gate: str) -> bool:
    """Return whether the gate exists yet."""
    return importlib.util.find_spec(f"parity.gates.{gate}") is not None


def compare_gate(gate: str, workspace: Workspace, gates_file: GatesFile) -> GateResult:
    """Return the result of one gate; a gate that was not asked for is NOT_RUN."""
    if not has_comparison(gate):
        return _not_run(gate, "this gate does not exist yet")
    if gate not in workspace.spec.gates:
        return _not_run(gate, "not asked for (--gates)")
    for side in SIDES:
        if importlib.util.find_spec(f"parity.gates.{gate}.{side}") is None:
            continue
        try:
            recording = workspace.recording(side, gate)
        except ArtefactError as error:
            return _failed(gate, f"{side}/recording", str(error))
        if "error" in recording.values:
            return _failed(gate, f"{side}/raised", f"the {side} raised {recording.values['error']}")
    try:
        result: GateResult = import_module(f"parity.gates.{gate}.compare").compare(workspace, gates_file)
    except (ArtefactError, BadInputError, LookupError, TypeError, ValueError) as error:
        return _failed(gate, "recording", str(error))
    return result


def _not_run(gate: str, reason: str) -> GateResult:
    return GateResult(gate=gate, checks=(), expected=0, compared=0, reason=reason)


def _failed(gate: str, what: str, reason: str) -> GateResult:
    check = Check(id=f"{gate}/none/{what}/present", verdict=Verdict.FAIL, reason=reason)
    return GateResult(gate=gate, checks=(check,), expected=1, compared=0, reason=reason)
