"""Injected gradients: each decade is judged for itself; what is missing, or was not injected alike, fails."""

from __future__ import annotations

import numpy as np
import pytest

from parity.gates.optimizer.compare import compare
from parity.gates.optimizer.contract import (
    COLUMNS,
    DECADES,
    INJECTED,
    QUANTITIES,
    RECORDED_STEPS,
    ROWS,
    RUNS,
    array_name,
    make_gradients,
    make_start,
)
from parity.verdict import GateResult, Verdict

from .conftest import HandmadeRun

EVERYTHING = [array_name(run, step, quantity) for run in RUNS for step in RECORDED_STEPS for quantity in QUANTITIES]


@pytest.fixture
def run(handmade: HandmadeRun) -> HandmadeRun:
    """Numbers of a row's own magnitude on both sides; what the row of zeros holds is zero, but for its weights."""
    rng = np.random.default_rng(17)
    magnitudes = np.array([*(10.0**decade for decade in DECADES), 0.0])[:, None]
    handmade.both("start", make_start(), INJECTED["start"])
    handmade.both("gradients", make_gradients(), INJECTED["gradients"])
    for name in EVERYTHING:
        noise = rng.uniform(1.0, 2.0, (len(ROWS), COLUMNS))
        handmade.both(name, noise if name.endswith("weights") else noise * magnitudes, "NC")
    return handmade


def failed(result: GateResult) -> list[str]:
    return [check.id for check in result.checks if check.verdict is Verdict.FAIL]


def test_equal_steps_pass(run: HandmadeRun):
    result = run.compare("optimizer", compare)
    assert result.verdict is Verdict.PASS
    assert result.expected == result.compared == len(EVERYTHING) + 2
    assert len(result.checks) == 2 + len(ROWS) * len(QUANTITIES)


@pytest.mark.parametrize("row", range(len(ROWS)))
def test_an_error_in_one_decade_is_not_hidden_behind_the_others(run: HandmadeRun, row: int):
    name = array_name("lowered", 4, "weights")
    run.port.arrays[name][0][row, 5] *= 1 + 1e-11
    result = run.compare("optimizer", compare)
    assert failed(result) == [f"optimizer/float64/{ROWS[row]}/weights/max_rel"]
    found = next(check for check in result.checks if not check)
    largest = np.abs(run.legacy.arrays[name][0][row]).max()
    assert found.observed == pytest.approx(1e-11 * run.legacy.arrays[name][0][row, 5] / largest, rel=1e-4)
    assert found.worst == "step 4, lowered learning rate"


def test_anything_out_of_a_zero_gradient_fails(run: HandmadeRun):
    run.port.arrays[array_name("constant", 1, "first_moment")][0][-1, 0] = 1e-300
    assert failed(run.compare("optimizer", compare)) == ["optimizer/float64/zero/first_moment/max_rel"]


def test_rounding_passes(run: HandmadeRun):
    for name in EVERYTHING:
        run.port.arrays[name] = (run.port.arrays[name][0] * (1 + 2e-16), "NC")
    assert failed(run.compare("optimizer", compare)) == []


@pytest.mark.parametrize("name", ["gradients", "start"])
def test_other_injected_values_fail(run: HandmadeRun, name: str):
    run.port.arrays[name][0].flat[3] += 1e-20
    assert failed(run.compare("optimizer", compare)) == [f"optimizer/exact/{name}/equal"]


@pytest.mark.parametrize("side", ["legacy", "port"])
def test_a_missing_step_fails(run: HandmadeRun, side: str):
    name = array_name("constant", 100, "second_moment")
    del getattr(run, side).arrays[name]
    result = run.compare("optimizer", compare)
    assert failed(result) == [f"optimizer/none/{name}/present"]
    assert result.compared == result.expected - 1


@pytest.mark.parametrize(
    ("array", "axes"),
    [
        (np.ones((len(ROWS), COLUMNS), np.float32), "NC"),
        (np.ones((len(ROWS) - 1, COLUMNS)), "NC"),
        (np.ones((len(ROWS), COLUMNS)), "CN"),
        (np.full((len(ROWS), COLUMNS), np.nan), "NC"),
    ],
)
def test_what_is_not_as_the_contract_says_fails(run: HandmadeRun, array: np.ndarray, axes: str):
    name = array_name("lowered", 100, "weights")
    run.port.arrays[name] = (array, axes)
    assert failed(run.compare("optimizer", compare)) == [f"optimizer/none/{name}/present"]


def test_an_extra_array_fails(run: HandmadeRun):
    run.port.arrays["float64/constant/step005/weights"] = (np.ones((len(ROWS), COLUMNS)), "NC")
    assert failed(run.compare("optimizer", compare)) == ["optimizer/none/float64/constant/step005/weights/present"]


def test_each_row_of_gradients_has_its_own_magnitude_and_changes_with_the_step():
    gradients = make_gradients()
    for row, decade in enumerate(DECADES):
        assert np.floor(np.log10(np.abs(gradients[:, row]))).tolist() == np.full(gradients[:, row].shape, decade).tolist()
    assert not gradients[:, -1].any()
    assert len(np.unique(gradients[:, 0, 0])) == len(gradients)
    assert (gradients[:, :-1] < 0).any(axis=(0, 2)).all()
    assert (gradients[:, :-1] > 0).any(axis=(0, 2)).all()
