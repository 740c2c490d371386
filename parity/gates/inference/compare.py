"""The whole network against the legacy's: probabilities, free-running taps, batch of one, dropout in training."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from parity.architecture import STAGE_TAPS
from parity.comparison import Comparison, Expected
from parity.contract import CLASSES, DTYPES, KINDS
from parity.gates.blocks.compare import add_taps, expected_taps
from parity.gates.inference.contract import DROPOUT_SHAPE, FREE_TAP_IMAGES, alone
from parity.measurement import ErrorTable, Worst, relative_error
from parity.tolerance import GatesFile, Limit
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import Case, Workspace


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    tapped = [case for kind in KINDS for case in workspace.tap_cases(kind)[:FREE_TAP_IMAGES]]
    groups = {f"{kind}/probabilities": workspace.cases(kind) for kind in KINDS} | {"alone": alone(workspace)}
    expected = _expected({name: len(cases) for name, cases in groups.items()}) | expected_taps(workspace, tapped, STAGE_TAPS)
    comparison = Comparison.open(workspace, "inference", expected)
    errors = ErrorTable()
    for name, cases in groups.items():
        _add_rows(errors, comparison, name, cases)
    add_taps(errors, comparison, tapped, STAGE_TAPS)
    limits = {dtype: gates_file.limit(f"inference/{dtype}") for dtype in DTYPES}
    checks = [
        *errors.checks("inference", (*groups, *(tap.name for tap in STAGE_TAPS)), limits),
        _invariance_check(workspace, comparison, limits["float64"]),
        *_dropout_checks(comparison, gates_file.limit("inference/dropout")),
    ]
    return comparison.result(checks)


def _expected(rows: dict[str, int]) -> dict[str, Expected]:
    found = {
        f"{dtype}/{name}": Expected(axes="NK", shape=(count, len(CLASSES)), dtype=dtype)
        for dtype in DTYPES
        for name, count in rows.items()
    }
    return found | {f"{dtype}/dropout": Expected(axes="NC", shape=DROPOUT_SHAPE, dtype=dtype) for dtype in DTYPES}


def _add_rows(errors: ErrorTable, comparison: Comparison, name: str, cases: tuple[Case, ...]) -> None:
    """Add the probabilities of each image for itself."""
    double = next(comparison.pairs(f"float64/{name}"), None)
    single = next(comparison.pairs(f"float32/{name}"), None)
    if double is None:
        return
    for row, case in enumerate(cases):
        rows = (single.reference[row], single.candidate[row]) if single else None
        errors.add_precisions(name, case.name, (double.reference[row], double.candidate[row]), rows)


def _invariance_check(workspace: Workspace, comparison: Comparison, limit: Limit) -> Check:
    """The port's answer for an image must not depend on the images beside it."""
    worst = Worst()
    names = ("float64/alone", "float64/evaluation/probabilities")
    if set(names) <= set(comparison.candidate.arrays):
        singles, batched = (comparison.candidate.read_array(name) for name in names)
        for case, single in zip(alone(workspace), singles, strict=True):
            worst.add(relative_error(batched[case.index], single).max_rel, case.name, single.size)
    return worst.to_check("inference/float64/alone_against_batch/max_rel", limit, unit="relative")


def _dropout_checks(comparison: Comparison, limit: Limit) -> Iterator[Check]:
    """Zeros must be as frequent as a fair coin's, within rows as over all, and what is kept must be doubled."""
    for dtype in DTYPES:
        for pair in comparison.pairs(f"{dtype}/dropout"):
            yield _dropout_check(f"inference/{dtype}/dropout/legacy", pair.reference, limit)
            yield _dropout_check(f"inference/{dtype}/dropout/port", pair.candidate, limit)


def _dropout_check(check_id: str, dropped: np.ndarray, limit: Limit) -> Check:
    zero = dropped == 0.0
    deviations = {
        "all elements": abs(float(zero.mean()) - 0.5) / (0.25 / zero.size) ** 0.5,
        "one row": float(np.abs(zero.mean(axis=1) - 0.5).max()) / (0.25 / zero.shape[1]) ** 0.5,
    }
    kept = dropped[~zero]
    doubled = kept.size > 0 and bool((kept == 2.0).all())
    worst = max(deviations, key=lambda name: deviations[name])
    return Check(
        id=check_id,
        verdict=Verdict.PASS if doubled and deviations[worst] <= limit.value else Verdict.FAIL,
        observed=deviations[worst],
        limit=limit.value,
        unit="standard deviations",
        n=dropped.size,
        worst=worst,
        reason=limit.reason if doubled else "what dropout keeps is not doubled",
    )
