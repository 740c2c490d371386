"""The answer for every image: on the shared bytes, and from raw files by the commands as shipped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from parity.artefact import ArtefactError
from parity.comparison import Comparison, compare_table
from parity.contract import CLASSES, KINDS
from parity.gates.decisions import figures
from parity.gates.decisions.ledger import RAW, Row, find_ties, group, probability_error, read_raw_rows, read_shared_rows
from parity.gates.decisions.predict_checks import PREDICT, predict_checks, read_predict_rows
from parity.measurement import Worst
from parity.predictions import read_predictions
from parity.tolerance import GatesFile, Limit
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import Workspace

FIGURES = ("n", "roc_auc", "accuracy", "precision", "recall", "confusion_matrix")
SIGNED = "signed"


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    rows = read_shared_rows(workspace)
    raw = read_raw_rows(workspace)
    predicted = read_predict_rows(workspace)
    every = [*rows, *raw, *predicted["legacy"]]
    groups = list(group(every))
    noise = noise_floor(workspace)
    probability_limit = _widened(gates_file.limit("decisions/probabilities"), noise)
    signed = _read_signed_rows(workspace)
    by_kind = {kind: [row for row in every if row.kind == kind] for kind in (*KINDS, RAW, PREDICT)}
    ties = {kind: find_ties(members, gates_file.limit("decisions/ties")) for kind, members in by_kind.items()}
    checks = [
        _power_check(by_kind["evaluation"], gates_file.limit("decisions/spread")),
        _image_check(workspace),
        *(_changed_check(kind, members, ties[kind]) for kind, members in by_kind.items()),
        *(
            _probability_check(members, gates_file.limit("decisions/probabilities"), noise)
            for members in (raw, predicted["legacy"])
        ),
        *(
            check
            for kind, split, members in groups
            for check in _per_class_checks(f"{kind}/{split}", members, ties[kind], gates_file)
        ),
        *_figure_checks(workspace, raw, gates_file.limit("decisions/figures")),
        *predict_checks(workspace, predicted["port"], probability_limit),
        *(_signed_checks(workspace, signed, gates_file) if signed is not None else ()),
    ]
    expected = len(workspace.all_cases) + 3 * len(workspace.cases("evaluation"))  # raw, and predict beside either `evaluate`
    compared = len(every) + len(predicted["port"])
    return GateResult(gate="decisions", checks=tuple(checks), expected=expected, compared=compared)


def _read_signed_rows(workspace: Workspace) -> list[Row] | None:
    """Return what the legacy answered for the users' images, and the port now; None where the port was not asked again."""
    predictions = workspace.signed_answers / "predictions.csv"
    if not predictions.is_file():
        return None
    reference, candidate = read_predictions(workspace.signed / "predictions.csv"), read_predictions(predictions)
    answers = [
        (image, np.array(probabilities), np.array(candidate[image]))
        for image, probabilities in reference.items()
        if image in candidate
    ]
    return [
        Row(image=image, kind=SIGNED, split="", label=int(truth.argmax()), reference=truth, candidate=found)
        for image, truth, found in answers
    ]


def _signed_checks(workspace: Workspace, rows: list[Row], gates_file: GatesFile) -> Iterator[Check]:
    """Hold the port on the users' images against what the legacy answered in the run that was signed."""
    facts = json.loads((workspace.signed / "facts.json").read_text(encoding="utf-8"))
    present = dict.fromkeys((row.image for row in rows), "present")
    reference = read_predictions(workspace.signed / "predictions.csv")
    yield compare_table("decisions/exact/signed/images", reference, dict.fromkeys(reference, "present"), present)
    yield _changed_check(SIGNED, rows, find_ties(rows, gates_file.limit("decisions/ties")))
    yield _probability_check(rows, gates_file.limit("decisions/probabilities"), float(facts["noise_floor"]))


def _power_check(rows: list[Row], least_spread: Limit) -> Check:
    """A checkpoint that gives every image the same answer proves nothing."""
    reference = np.stack([row.reference for row in rows])
    predicted = sorted({CLASSES[index] for index in reference.argmax(axis=1)})
    spread = float((reference.max(axis=0) - reference.min(axis=0)).max())
    powerless = len(predicted) < 2 or spread < least_spread.value
    return Check(
        id="decisions/none/evaluation/power",
        verdict=Verdict.INCONCLUSIVE if powerless else Verdict.PASS,
        observed=float(len(predicted)),
        unit="classes predicted",
        n=len(rows),
        worst=", ".join(predicted),
        reason=f"the legacy predicts {', '.join(predicted)} and a probability moves by up to {spread:.3g} between images; "
        "agreement of a constant answer would prove nothing",
    )


def _image_check(workspace: Workspace) -> Check:
    expected = {case.image: "present" for case in workspace.cases("evaluation")}
    sides = (
        dict.fromkeys(read_predictions(workspace.evaluation_output(side) / "predictions.csv"), "present")
        for side in ("legacy", "port")
    )
    return compare_table("decisions/exact/raw/images", expected, *sides)


def _changed_check(kind: str, rows: list[Row], ties: set[Row]) -> Check:
    decided = [row for row in rows if row.changed and row not in ties]
    shown = [
        f"{row.image}: {CLASSES[row.predictions[0]]} to {CLASSES[row.predictions[1]]}, margins {row.margins[0]:.2g} and "
        f"{row.margins[1]:.2g}"
        for row in decided[:3]
    ]
    return Check(
        id=f"decisions/float32/{kind}/changed",
        verdict=Verdict.NOT_RUN if not rows else Verdict.FAIL if decided else Verdict.PASS,
        observed=float(len(decided)),
        limit=0.0,
        unit="decisions",
        n=len(rows),
        worst="; ".join(shown),
        reason=f"{len(ties)} ties: both margins within the largest probability difference, {probability_error(rows):.2g}",
    )


def noise_floor(workspace: Workspace) -> float:
    """Return the largest error of a probability of the legacy's own float32."""
    legacy = Comparison.open(workspace, "inference", {}).reference
    name = "evaluation/probabilities"
    return float(np.abs(legacy.read_array(f"float64/{name}") - legacy.read_array(f"float32/{name}")).max())


def _probability_check(rows: list[Row], ceiling: Limit, noise: float) -> Check:
    worst = Worst()
    for row in rows:
        worst.add(row.difference, row.image, row.reference.size)
    kind = rows[0].kind if rows else RAW
    limit = _widened(ceiling, noise)
    return worst.to_check(f"decisions/float32/{kind}/probabilities/max_abs", limit, unit="probability", noise_floor=noise)


def _widened(ceiling: Limit, noise: float) -> Limit:
    """Two commands are both float32, so both errors count: one noise floor each."""
    return ceiling.widened(2 * noise)


def _per_class_checks(place: str, rows: list[Row], ties: set[Row], gates_file: GatesFile) -> Iterator[Check]:
    """Figures that follow from decisions must be equal; a ROC-AUC may move by the pairs that noise can swap."""
    decided = [row for row in rows if row not in ties]
    counted = _figure_difference(decided, ("support", "precision", "recall", "f1", "mcc"))
    same = gates_file.limit("decisions/per_class")
    yield counted.to_check(f"decisions/float32/{place}/per_class", same, unit="absolute")
    labels, reference = figures.columns(rows, "reference")
    noise = min(probability_error(rows), gates_file.limit("decisions/ties").value)
    swappable = max(figures.swappable_share(labels == index, reference[:, index], noise) for index in figures.INDICES)
    limit = Limit(value=swappable + same.value, reason="share of pairs whose order the measured difference can swap")
    yield _figure_difference(rows, ("roc_auc",)).to_check(f"decisions/float32/{place}/roc_auc", limit, unit="absolute")


def _figure_difference(rows: list[Row], names: tuple[str, ...]) -> Worst:
    worst = Worst()
    if rows:
        sides = [figures.per_class(*figures.columns(rows, side)) for side in ("reference", "candidate")]
        for label, reference, candidate in zip(CLASSES, *sides, strict=True):
            for name in names:
                worst.add(_distance(reference[name], candidate[name]), f"{label} {name}", len(rows))
    return worst


def _figure_checks(workspace: Workspace, rows: list[Row], limit: Limit) -> Iterator[Check]:
    """Hold the figures that each command reports against scikit-learn on that command's own predictions."""
    for side, column in (("legacy", "reference"), ("port", "candidate")):
        path = workspace.evaluation_output(side) / "metrics.json"
        try:
            reported: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ArtefactError(f"{side}/evaluate/metrics.json cannot be read: {error}") from error
        for split in workspace.spec.splits:
            members = [row for row in rows if row.split == split]
            oracle = figures.summary(*figures.columns(members, column))
            worst = Worst()
            for name in FIGURES:
                found = reported.get(split, {}).get(name)
                worst.add(_distance(found, oracle[name]), name, 1)
            yield worst.to_check(f"decisions/float32/raw/{side}/{split}/figures", limit, unit="absolute")


def _distance(found: Any, expected: Any) -> float:
    if found is None or expected is None:
        return 0.0 if found is expected else float("inf")
    a, b = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    return float(np.abs(a - b).max()) if a.shape == b.shape else float("inf")
