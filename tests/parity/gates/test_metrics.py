"""Metrics: a comparison that notices each way to be wrong; what it takes for true is tested beside this file."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sklearn

from parity.gates.metrics.compare import compare, distance
from parity.gates.metrics.contract import COMPILED, FIGURES, FIXTURES, HISTORY, NUM_CLASSES, fixture_array, make_fixtures
from parity.gates.metrics.definitions import DEFINITIONS
from parity.verdict import GateResult, Verdict

from .conftest import HandmadeRun

PREDICTIONS = make_fixtures()
ARRAYS = 2 * len(FIXTURES) + len(COMPILED) + len(FIGURES) + len(HISTORY)
UNDEFINED = [name for name, fixture in PREDICTIONS.items() if len(np.unique(fixture.labels)) < NUM_CLASSES]


def evaluate(name: str, fixture: str) -> float | np.ndarray:
    return DEFINITIONS[name].oracle(PREDICTIONS[fixture].probabilities, PREDICTIONS[fixture].labels)


@pytest.fixture(scope="module")
def truth() -> dict[str, np.ndarray]:
    """Every metric as defined, over the fixtures."""
    return {name: np.array([evaluate(name, fixture) for fixture in FIXTURES]) for name in DEFINITIONS}


@pytest.fixture
def run(handmade: HandmadeRun, truth: dict[str, np.ndarray]) -> HandmadeRun:
    """Both sides exactly as defined."""
    for name, fixture in PREDICTIONS.items():
        handmade.both(fixture_array(name, "probabilities"), fixture.probabilities, "NK")
        handmade.both(fixture_array(name, "labels"), fixture.labels, "N")
    for name, values in truth.items():
        handmade.both(name, values.copy(), "NKO"[: values.ndim])
    for number, name in enumerate(HISTORY):
        handmade.both(f"history/{name}", np.full(2, number / len(HISTORY)), "N")
    return handmade


def row(fixture: str) -> int:
    return list(FIXTURES).index(fixture)


def what(name: str) -> str:
    return f"metrics/{'float32' if name in COMPILED else 'float64'}/{name.removeprefix('metrics/')}"


def failed(result: GateResult) -> list[str]:
    return [check.id for check in result.checks if check.verdict is Verdict.FAIL]


def test_what_is_as_defined_passes(run: HandmadeRun):
    result = run.compare("metrics", compare)
    assert result.verdict is Verdict.PASS
    assert result.expected == result.compared == ARRAYS
    assert len(result.checks) == 2 + 3 * len(DEFINITIONS)


def test_a_metric_that_is_not_reset_between_epochs_is_seen(run: HandmadeRun):
    run.port.arrays["history/val_metrics/AUC"][0][1] += 0.01
    result = run.compare("metrics", compare)
    assert failed(result) == ["metrics/float32/history/abs"]
    assert [check.worst for check in result.checks if not check] == ["history/val_metrics/AUC of epoch 1"]


@pytest.mark.parametrize("name", [*COMPILED, *FIGURES])
def test_a_wrong_value_of_the_port_is_named(run: HandmadeRun, name: str):
    run.port.arrays[name][0][row("drifting")] += 2e-6
    result = run.compare("metrics", compare)
    assert failed(result) == [f"{what(name)}/abs", f"{what(name)}/port_oracle_abs"]
    assert {check.worst for check in result.checks if not check} == {"drifting"}
    assert all(check.observed == pytest.approx(2e-6) for check in result.checks if not check)


def test_a_wrong_value_of_the_legacy_is_told_from_one_of_the_port(run: HandmadeRun):
    run.legacy.arrays["metrics/MCC"][0][row("tied")] += 2e-6
    assert failed(run.compare("metrics", compare)) == ["metrics/float32/MCC/abs", "metrics/float32/MCC/legacy_oracle_abs"]


@pytest.mark.parametrize("name", [*COMPILED, *FIGURES])
def test_the_same_error_on_both_sides_fails_against_the_oracle(run: HandmadeRun, name: str):
    for side in (run.legacy, run.port):
        side.arrays[name][0][row("peaked")] -= 2e-6
    assert failed(run.compare("metrics", compare)) == [f"{what(name)}/{side}_oracle_abs" for side in ("legacy", "port")]


@pytest.mark.parametrize("side", ["legacy", "port"])
@pytest.mark.parametrize("name", ["metrics/AUC", "metrics/P@R_95", "test/roc_auc", "test/confusion_matrix"])
def test_a_missing_metric_fails(run: HandmadeRun, side: str, name: str):
    del getattr(run, side).arrays[name]
    result = run.compare("metrics", compare)
    assert failed(result) == [f"metrics/none/{name}/present"]
    assert (result.expected, result.compared) == (ARRAYS, ARRAYS - 1)


@pytest.mark.parametrize("side", ["legacy", "port"])
def test_an_extra_metric_fails(run: HandmadeRun, side: str):
    getattr(run, side).arrays["metrics/F1-micro"] = (np.zeros(len(FIXTURES)), "N")
    result = run.compare("metrics", compare)
    assert failed(result) == ["metrics/none/metrics/F1-micro/present"]
    assert result.first_failure is not None
    assert f"extra array on the {side} side" in result.first_failure.reason


@pytest.mark.parametrize("side", ["legacy", "port"])
@pytest.mark.parametrize("name", ["metrics/MCC", "test/precision", "test/roc_auc"])
def test_not_a_number_on_one_side_fails(run: HandmadeRun, side: str, name: str):
    getattr(run, side).arrays[name][0][row("constant")] = np.nan
    assert failed(run.compare("metrics", compare)) == [f"metrics/none/{name}/present"]


def test_not_a_number_on_both_sides_fails_where_the_definition_has_a_value(run: HandmadeRun):
    for side in (run.legacy, run.port):
        side.arrays["test/roc_auc"][0][row("half")] = np.nan
        side.arrays["metrics/MCC"][0][row("constant")] = np.nan
    assert failed(run.compare("metrics", compare)) == [
        "metrics/none/metrics/MCC/present",
        "metrics/float64/test/roc_auc/legacy_oracle_abs",
        "metrics/float64/test/roc_auc/port_oracle_abs",
    ]


@pytest.mark.parametrize("value", [0.5, np.inf])
def test_a_value_on_both_sides_fails_where_the_definition_has_none(run: HandmadeRun, value: float):
    for side in (run.legacy, run.port):
        side.arrays["test/roc_auc"][0][row("absent")] = value
    wrong = failed(run.compare("metrics", compare))
    assert wrong[-2:] == ["metrics/float64/test/roc_auc/legacy_oracle_abs", "metrics/float64/test/roc_auc/port_oracle_abs"]


def test_a_transposed_confusion_matrix_fails(run: HandmadeRun):
    matrices, axes = run.port.arrays["test/confusion_matrix"]
    run.port.arrays["test/confusion_matrix"] = (matrices.transpose(0, 2, 1), axes)
    result = run.compare("metrics", compare)
    assert failed(result) == [f"metrics/float64/test/confusion_matrix/{end}" for end in ("abs", "port_oracle_abs")]
    assert result.first_failure is not None
    assert result.first_failure.n == len(FIXTURES) * NUM_CLASSES**2


def test_other_predictions_for_the_port_fail(run: HandmadeRun):
    run.port.arrays[fixture_array("half", "probabilities")][0][3, 1] += np.float32(1e-7)
    result = run.compare("metrics", compare)
    assert failed(result) == ["metrics/exact/fixtures/equal"]
    assert result.first_failure is not None
    assert result.first_failure.worst == "half"


def test_missing_predictions_fail_and_the_others_are_still_compared(run: HandmadeRun):
    del run.legacy.arrays[fixture_array("peaked", "labels")]
    run.port.arrays["metrics/AUC"][0][row("half")] += 1e-3
    result = run.compare("metrics", compare)
    assert failed(result) == [
        "metrics/none/fixtures/peaked/labels/present", "metrics/float32/AUC/abs", "metrics/float32/AUC/port_oracle_abs"
    ]  # fmt: skip


def test_fewer_fixtures_than_the_contract_has_fail(run: HandmadeRun):
    for side in (run.legacy, run.port):
        side.arrays["metrics/AUC"] = (side.arrays["metrics/AUC"][0][:-1], "N")
    assert failed(run.compare("metrics", compare)) == ["metrics/none/metrics/AUC/present"]


def test_reasons_show_the_textbook_and_where_a_figure_is_undefined(run: HandmadeRun):
    reasons = {check.id: check.reason for check in run.compare("metrics", compare).checks}
    peaked = PREDICTIONS["peaked"]
    exact = sklearn.roc_auc_score(peaked.one_hot, peaked.probabilities)
    assert f"on 'peaked' it is {evaluate('metrics/AUC', 'peaked'):.4f}, by the textbook {exact:.4f}" in reasons[
        "metrics/float32/AUC/abs"
    ]  # fmt: skip
    assert f"where a class is absent: {', '.join(UNDEFINED)};" in reasons["metrics/float64/test/roc_auc/abs"]


def test_a_distance_of_not_a_number_on_one_side_is_not_a_number():
    assert np.isnan(distance(np.array([0.5, np.nan]), np.array([0.5, 0.5])))
    assert np.isnan(distance(np.array(np.inf), np.array(np.inf)))
    assert distance(np.array([0.5, np.nan]), np.array([0.25, np.nan])) == 0.25


def test_a_distance_broadcasts_nothing():
    with pytest.raises(ValueError, match=r"shapes must be equal, got \(3, 3\) and \(\)"):
        distance(np.zeros((3, 3)), np.array(0.0))
