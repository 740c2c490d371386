"""Every metric on injected predictions: legacy against port, and each against an oracle, worst over the fixtures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from parity.comparison import Comparison, Expected, Pair
from parity.gates.metrics.contract import (
    COMPILED,
    FIGURES,
    FIXTURES,
    HISTORY,
    HISTORY_SEEDS,
    NUM_CLASSES,
    Predictions,
    fixture_array,
)
from parity.gates.metrics.definitions import DEFINITIONS, Definition
from parity.measurement import Worst
from parity.tolerance import GatesFile, Limit
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import Workspace

UNDEFINED = "test/roc_auc"  # not-a-number where a class is absent, and then on both sides and in the oracle


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    comparison = Comparison.open(workspace, "metrics", _expected())
    pairs = {name: tuple(comparison.pairs(*_parts(name))) for name in FIXTURES}
    fixtures = {name: _predictions(whole) for name, whole in pairs.items() if len(whole) == 2}
    checks = [_bytes_check(pairs)]
    for dtype, names in (("float32", COMPILED), ("float64", FIGURES)):
        limit = gates_file.limit(f"metrics/{dtype}")
        for pair in comparison.pairs(*names):
            what = f"metrics/{dtype}/{pair.name.removeprefix('metrics/')}"
            checks += _metric_checks(what, pair, fixtures, limit)
    checks.append(_history_check(comparison, gates_file.limit("metrics/float32")))
    return comparison.result(checks)


def _expected() -> dict[str, Expected]:
    found: dict[str, Expected] = {}
    for name, (count, _) in FIXTURES.items():
        probabilities, labels = _parts(name)
        found[probabilities] = Expected(axes="NK", shape=(count, NUM_CLASSES), dtype="float32")
        found[labels] = Expected(axes="N", shape=(count,), dtype="int64")
    for name in (*COMPILED, *FIGURES):
        found[name] = Expected(axes="N", shape=(len(FIXTURES),), dtype="float64", nonfinite=name == UNDEFINED)
    for name in HISTORY:
        found[f"history/{name}"] = Expected(axes="N", shape=(len(HISTORY_SEEDS),), dtype="float64")
    matrices = (len(FIXTURES), NUM_CLASSES, NUM_CLASSES)
    return found | {"test/confusion_matrix": Expected(axes="NKO", shape=matrices, dtype="float64")}


def _parts(fixture: str) -> tuple[str, str]:
    return fixture_array(fixture, "probabilities"), fixture_array(fixture, "labels")


def _predictions(pairs: tuple[Pair, ...]) -> Predictions:
    return Predictions(probabilities=np.array(pairs[0].reference), labels=np.array(pairs[1].reference))


def _bytes_check(pairs: Mapping[str, tuple[Pair, ...]]) -> Check:
    """Both sides must have been fed the same predictions."""
    different = [name for name, parts in pairs.items() for pair in parts if (pair.reference != pair.candidate).any()]
    whole = [name for name, parts in pairs.items() if len(parts) == 2]
    return Check(
        id="metrics/exact/fixtures/equal",
        verdict=Verdict.FAIL if different else Verdict.PASS if whole else Verdict.NOT_RUN,
        observed=float(len(different)),
        limit=0.0,
        n=len(whole),
        worst=", ".join(different[:3]),
        reason="predictions that both sides were fed with",
    )


def _history_check(comparison: Comparison, limit: Limit) -> Check:
    """What each side's training puts into its history: accumulated over batches, begun anew in every epoch."""
    worst = Worst()
    for pair in comparison.pairs(*(f"history/{name}" for name in HISTORY)):
        for epoch, (truth, found) in enumerate(zip(pair.reference, pair.candidate, strict=True)):
            worst.add(distance(truth, found), f"{pair.name} of epoch {epoch}", 1)
    return worst.to_check("metrics/float32/history/abs", limit, unit="absolute")


def _metric_checks(what: str, pair: Pair, fixtures: Mapping[str, Predictions], limit: Limit) -> Iterator[Check]:
    definition = DEFINITIONS[pair.name]
    sides, legacy, port = Worst(), Worst(), Worst()
    for place, reference, candidate in zip(FIXTURES, pair.reference, pair.candidate, strict=True):
        sides.add(distance(reference, candidate), place, reference.size)
        if place in fixtures:
            truth = np.asarray(definition.oracle(fixtures[place].probabilities, fixtures[place].labels))
            legacy.add(distance(truth, reference), place, truth.size)
            port.add(distance(truth, candidate), place, truth.size)
    told = Limit(value=limit.value, reason="; ".join([*_notes(definition, pair, fixtures), limit.reason]))
    yield sides.to_check(f"{what}/abs", told, unit="absolute")
    told = Limit(value=limit.value, reason=f"against the definition in numpy and scikit-learn; {limit.reason}")
    yield legacy.to_check(f"{what}/legacy_oracle_abs", told, unit="absolute")
    yield port.to_check(f"{what}/port_oracle_abs", told, unit="absolute")


def _notes(definition: Definition, pair: Pair, fixtures: Mapping[str, Predictions]) -> Iterator[str]:
    """Yield what is unusual about a metric, and where it is undefined."""
    if definition.sentence:
        yield definition.describe(fixtures)
    if pair.name == UNDEFINED:
        places = [name for name, value in zip(FIXTURES, pair.reference, strict=True) if np.isnan(value)]
        yield f"undefined, not-a-number on both sides, where a class is absent: {', '.join(places)}"


def distance(truth: np.ndarray, found: np.ndarray) -> float:
    """Return the largest difference; not-a-number in both is none, in one of them it is not-a-number.

    >>> distance(np.array([1.0, np.nan]), np.array([1.5, np.nan])), distance(np.array(np.nan), np.array(0.5))
    (0.5, nan)
    """
    if truth.shape != found.shape:
        raise ValueError(f"shapes must be equal, got {truth.shape} and {found.shape}")
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        difference = np.abs(found - truth)
    return float(np.where(np.isnan(truth) & np.isnan(found), 0.0, difference).max())
