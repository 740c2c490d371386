"""Each tensor at its place: a one-to-one map of names, and every element; and how a fresh model is filled."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from parity.architecture import Tensor, tensors
from parity.artefact import ArtefactError, Recording, permute_axes
from parity.contract import CLASSES
from parity.fresh import fresh_checks
from parity.tolerance import GatesFile
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import Workspace


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    reference, candidate = (workspace.recording(side, "weights") for side in ("legacy", "port"))
    known = tensors(len(CLASSES))
    checks = [
        *_refusal_checks(candidate),
        _coverage_check("legacy", reference, {tensor.legacy for tensor in known}),
        _coverage_check("port", candidate, {tensor.port for tensor in known}),
        *(_tensor_check(tensor, reference, candidate) for tensor in known),
    ]
    compared = sum(check.n > 0 for check in checks if check.id.endswith("/elements"))
    fresh = [
        *fresh_checks(
            "weights", "legacy", {tensor.legacy: tensor for tensor in known}, reference.values.get("fresh", {}), gates_file
        ),
        *fresh_checks(
            "weights", "port", {tensor.port: tensor for tensor in known}, candidate.values.get("fresh", {}), gates_file
        ),
    ]
    return GateResult(gate="weights", checks=(*checks, *fresh), expected=len(known) + 2, compared=compared + 2)


def _refusal_checks(candidate: Recording) -> Iterator[Check]:
    """Yield a failed check where the port's own converter could not take what the legacy exported."""
    if reason := candidate.values.get("refused"):
        yield Check(id="weights/none/port/converted", verdict=Verdict.FAIL, reason=f"the port's converter says: {reason}")


def _coverage_check(side: str, recording: Recording, names: set[str]) -> Check:
    missing, extra = sorted(names - set(recording.arrays)), sorted(set(recording.arrays) - names)
    parts = [
        f"{len(found)} {word}: {', '.join(found[:3])}" for word, found in (("missing", missing), ("extra", extra)) if found
    ]
    return Check(
        id=f"weights/exact/{side}/names",
        verdict=Verdict.FAIL if parts else Verdict.PASS,
        observed=float(len(missing) + len(extra)),
        limit=0.0,
        n=len(names),
        worst=(missing + extra)[0] if parts else "",
        reason="; ".join(parts) or "every tensor of the network, and no other",
    )


def _tensor_check(tensor: Tensor, reference: Recording, candidate: Recording) -> Check:
    check_id = f"weights/exact/{tensor.legacy}/elements"
    try:
        truth = _read(reference, tensor.legacy, tensor.axes, tensor)
        found = _read(candidate, tensor.port, tensor.port_axes, tensor)
    except ArtefactError as error:
        return Check(id=check_id, verdict=Verdict.FAIL, limit=0.0, worst=tensor.port, reason=str(error))
    different = int((found != truth).sum())
    return Check(
        id=check_id,
        verdict=Verdict.FAIL if different else Verdict.PASS,
        observed=float(different),
        limit=0.0,
        unit="elements",
        n=truth.size,
        worst=tensor.port if different else "",
        reason=f"{tensor.legacy} {tensor.axes} is {tensor.port} {tensor.port_axes}, element by element",
    )


def _read(recording: Recording, name: str, axes: str, tensor: Tensor) -> np.ndarray:
    array = recording.read_array(name)
    entry = recording.arrays[name]
    if (entry.axes, entry.dtype) != (axes, "float32"):
        raise ArtefactError(f"{name} is {entry.dtype} {entry.axes} instead of float32 {axes}")
    moved = permute_axes(array, axes, tensor.axes)
    if moved.shape != tensor.shape:
        raise ArtefactError(f"{name} has shape {moved.shape} instead of {tensor.shape} ({tensor.axes})")
    if not np.isfinite(moved).all():
        raise ArtefactError(f"{name} has {int((~np.isfinite(moved)).sum())} elements that are not finite")
    return moved
