"""The frozen modules by their hashes, and the users' own predictions as a witness."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from parity.artefact import hash_file
from parity.comparison import compare_table
from parity.measurement import Worst
from parity.predictions import read_predictions
from parity.tolerance import GatesFile, Limit
from parity.verdict import Check, GateResult
from parity.workspace import PROJECT, Workspace

FROZEN = Path(__file__).with_name("legacy_tf.sha256")


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    frozen = read_frozen_hashes()
    found = {name: hash_file(PROJECT / name) for name in frozen if (PROJECT / name).is_file()}
    checks = [compare_table("freeze/exact/legacy_tf/sha256", frozen, frozen, found)]
    if workspace.witness.is_file():
        checks += _witness_checks(workspace, gates_file.limit("freeze/witness"))
    return GateResult(gate="freeze", checks=tuple(checks), expected=len(checks), compared=len(checks))


def read_frozen_hashes() -> dict[str, str]:
    """Return the SHA-256 of each frozen module by its path below the project (the format of ``sha256sum``)."""
    lines = FROZEN.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split(maxsplit=1) for line in lines if line.strip())}


def _witness_checks(workspace: Workspace, limit: Limit) -> Iterator[Check]:
    witness = read_predictions(workspace.witness)
    legacy = read_predictions(workspace.evaluation_output("legacy") / "predictions.csv")
    present = {image: "present" for image in witness if image in legacy}
    yield compare_table("freeze/exact/witness/images", legacy, dict.fromkeys(legacy, "present"), present)
    worst = Worst()
    for image in legacy.keys() & witness.keys():
        for seen, predicted in zip(witness[image], legacy[image], strict=True):
            worst.add(abs(seen - predicted), image, 1)
    yield worst.to_check("freeze/float32/witness/max_abs", limit, unit="probability")
