"""Splits, order, labels and batches by file name; no patient in two splits; class weights; epochs image by image."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from parity.artefact import Recording
from parity.comparison import Comparison, Expected, compare_table
from parity.contract import SPLITS
from parity.gates.loader.contract import TRACED, batch_lengths, trace_keys
from parity.gates.loader.permutation import permutation_checks
from parity.measurement import ErrorTable
from parity.tolerance import GatesFile
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import Workspace

COLUMNS = ("images", "labels", "patients", "batches", "length")


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    present = set(workspace.recording("legacy", "loader").values["train"]["labels"])
    weights = Expected(axes="K", shape=(len(present),), dtype="float64")
    comparison = Comparison.open(workspace, "loader", {"class_weights": weights})
    reference, candidate = comparison.reference.values, comparison.candidate.values
    checks: list[Check] = []
    for split in SPLITS:
        comparison.tables += 1
        checks.append(_table(f"loader/exact/{split}/labels", _labels(reference[split]), _labels(candidate[split])))
        columns = (dict(zip(COLUMNS, map(side[split].get, COLUMNS), strict=True)) for side in (reference, candidate))
        checks.append(compare_table(f"loader/exact/{split}/order", COLUMNS, *columns))
    comparison.tables += 1
    checks.append(_table("loader/exact/classes/equal", *(_numbered(side["classes"]) for side in (reference, candidate))))
    for side, recording in (("legacy", comparison.reference), ("port", comparison.candidate)):
        checks.append(_overlap_check(f"loader/exact/{side}/patients_in_two_splits", recording))
    errors = ErrorTable()
    for pair in comparison.pairs("class_weights"):
        errors.add("float64", "class_weights", "class weights", truth=pair.reference, found=pair.candidate)
    limit = gates_file.limit("loader/class_weights")
    worst = errors.worst.get(("float64", "class_weights", "max_rel"))
    if worst is not None:
        checks.append(worst.to_check("loader/float64/class_weights/max_rel", limit, unit="relative"))
    checks += _trace_checks(comparison)
    comparison.tables += 1
    distinct = gates_file.limit("loader/distinct_images")
    checks += permutation_checks(candidate, reference["trace_files"]["train"], distinct)
    return comparison.result(checks)


def _trace_checks(comparison: Comparison) -> list[Check]:
    """Check the legacy order: every image, every state of the random numbers, every label of two epochs."""
    if raised := comparison.candidate.values["untraced"]:
        reason = f"a training in the legacy order raised {raised}: the gates of training say why"
        return [Check(id="loader/exact/trace/trained", verdict=Verdict.NOT_RUN, reason=reason)]
    sizes = {split: len(files) for split, files in comparison.reference.values["trace_files"].items()}
    checks = [comparison.table("trace_files", TRACED)]
    checks += [comparison.table(what, keys) for what, keys in trace_keys(sizes).items()]
    batches = len(batch_lengths(sizes["train"]))
    power = Check(
        id="loader/none/trace/batches",
        verdict=Verdict.PASS if batches > 1 else Verdict.INCONCLUSIVE,
        observed=float(batches),
        unit="training batches",
        n=batches,
        reason="one batch has no order: it takes two to see one",
    )
    return [*checks, power]


def _labels(split: Mapping[str, Any]) -> dict[str, object]:
    return dict(zip(split["images"], split["labels"], strict=True))


def _numbered(names: list[str]) -> dict[str, object]:
    return {f"place {number}": name for number, name in enumerate(names)}


def _table(check_id: str, reference: Mapping[str, object], candidate: Mapping[str, object]) -> Check:
    return compare_table(check_id, reference, reference, candidate)


def _overlap_check(check_id: str, recording: Recording) -> Check:
    patients = {split: set(recording.values[split]["patients"]) for split in SPLITS}
    shared = {
        f"patient {patient} in {first} and {second}"
        for first, second in combinations(SPLITS, 2)
        for patient in patients[first] & patients[second]
    }
    return Check(
        id=check_id,
        verdict=Verdict.FAIL if shared else Verdict.PASS,
        observed=float(len(shared)),
        limit=0.0,
        unit="patients",
        n=sum(len(names) for names in patients.values()),
        worst=", ".join(sorted(shared)[:3]),
        reason="a patient in two splits leaks answers from one to the other",
    )
