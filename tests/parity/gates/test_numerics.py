"""The numerics gate: each flag of each side, and a rerun that differs in a last place."""

from __future__ import annotations

import numpy as np
import pytest

from parity.gates.numerics.compare import FLAGS, compare
from parity.judge import compare_gate
from parity.verdict import GateResult, Verdict

from .breaking import NAMES, break_array, failed, find
from .conftest import HandmadeRun, probabilities

WRONG = {"tf32": True, "mixed_precision": True, "deterministic": False, "weights": ["float16", "float32"]}


@pytest.fixture
def run(handmade: HandmadeRun) -> HandmadeRun:
    for name in ("rerun/first", "rerun/second"):
        handmade.both(name, probabilities()[:4].astype(np.float32), "NK")
    for side in (handmade.legacy, handmade.port):
        side.values["flags"] = dict(FLAGS)
    handmade.port.values["out_of_order"] = ""
    return handmade


def compare_numerics(run: HandmadeRun) -> GateResult:
    return run.compare("numerics", compare)


def test_the_flags_of_a_proof_and_a_rerun_that_is_identical_pass(run: HandmadeRun):
    result = compare_numerics(run)
    assert result.verdict is Verdict.PASS
    assert result.expected == result.compared == 3
    assert [check.id for check in result.checks] == [
        f"numerics/exact/{side}/{what}" for what in ("flags", "rerun") for side in ("legacy", "port")
    ]


@pytest.mark.parametrize("flag", WRONG)
@pytest.mark.parametrize("side", ["legacy", "port"])
def test_a_flag_that_is_not_as_it_must_be_is_named(run: HandmadeRun, side: str, flag: str):
    assert WRONG[flag] != FLAGS[flag]
    getattr(run, side).values["flags"] = {**FLAGS, flag: WRONG[flag]}
    result = compare_numerics(run)
    assert failed(result) == [f"numerics/exact/{side}/flags"]
    assert find(result, f"numerics/exact/{side}/flags").worst == flag


def test_the_same_wrong_flag_on_both_sides_fails_on_both(run: HandmadeRun):
    for side in (run.legacy, run.port):
        side.values["flags"] = {**FLAGS, "tf32": True}
    assert failed(compare_numerics(run)) == ["numerics/exact/legacy/flags", "numerics/exact/port/flags"]


@pytest.mark.parametrize("flag", WRONG)
@pytest.mark.parametrize("side", ["legacy", "port"])
def test_a_flag_that_nobody_asked_for_is_not_passed_over(run: HandmadeRun, side: str, flag: str):
    getattr(run, side).values["flags"] = {name: value for name, value in FLAGS.items() if name != flag}
    assert failed(compare_numerics(run)) == [f"numerics/exact/{side}/flags"]
    getattr(run, side).values["flags"] = {**FLAGS, "another": True}
    assert failed(compare_numerics(run)) == [f"numerics/exact/{side}/flags"]


@pytest.mark.parametrize("side", ["legacy", "port"])
def test_no_flags_at_all_fail(run: HandmadeRun, side: str):
    del getattr(run, side).values["flags"]
    run.write("numerics")
    assert compare_gate("numerics", run.workspace, run.gates_file).verdict is Verdict.FAIL


@pytest.mark.parametrize("side", ["legacy", "port"])
def test_a_rerun_that_differs_in_one_last_place_fails(run: HandmadeRun, side: str):
    values = getattr(run, side).arrays["rerun/second"][0]
    values[2, 1] = np.nextafter(values[2, 1], np.float32(1.0))
    result = compare_numerics(run)
    assert failed(result) == [f"numerics/exact/{side}/rerun"]
    check = find(result, f"numerics/exact/{side}/rerun")
    assert (check.observed, check.n) == (1.0, 12)


def test_sides_that_differ_and_repeat_themselves_pass(run: HandmadeRun):
    """Whether the sides agree is for other gates."""
    for name in ("rerun/first", "rerun/second"):
        run.port.arrays[name][0][:] = run.port.arrays[name][0][::-1].copy()
    assert compare_numerics(run).verdict is Verdict.PASS


@pytest.mark.parametrize("way", NAMES)
@pytest.mark.parametrize("name", ["rerun/first", "rerun/second"])
@pytest.mark.parametrize("side", ["legacy", "port"])
def test_a_rerun_that_is_not_whole_fails(run: HandmadeRun, side: str, name: str, way: str):
    broken, words = break_array(getattr(run, side), name, way)
    result = compare_numerics(run)
    assert failed(result) == [f"numerics/none/{broken}/present"]
    assert words in result.checks[0].reason


def test_not_a_number_twice_is_no_rerun(run: HandmadeRun):
    for name in ("rerun/first", "rerun/second"):
        run.port.arrays[name][0][0] = np.nan
    assert compare_numerics(run).verdict is Verdict.FAIL


def test_fewer_images_than_the_first_batch_has_fail(run: HandmadeRun):
    for side in (run.legacy, run.port):
        for name in ("rerun/first", "rerun/second"):
            side.arrays[name] = (side.arrays[name][0][:3].copy(), "NK")
    assert failed(compare_numerics(run)) == ["numerics/none/rerun/first/present", "numerics/none/rerun/second/present"]


def test_a_network_that_does_not_predict_is_no_finding_about_the_process(run: HandmadeRun):
    """What it is about is for the gate behind it: nothing passes, and nothing fails here."""
    run.port.values |= {"out_of_order": "RuntimeError: size mismatch", "flags": {**FLAGS, "weights": []}}
    for name in ("rerun/first", "rerun/second"):
        del run.port.arrays[name]
    result = compare_numerics(run)
    assert (failed(result), result.verdict) == ([], Verdict.NOT_RUN)
    assert "RuntimeError: size mismatch" in find(result, "numerics/exact/port/rerun").reason
    run.port.values["flags"] = {**FLAGS, "weights": [], "tf32": True}
    assert failed(compare_numerics(run)) == ["numerics/exact/port/flags"]


def test_whether_the_network_predicts_must_be_said(run: HandmadeRun):
    del run.port.values["out_of_order"]
    run.write("numerics")
    assert compare_gate("numerics", run.workspace, run.gates_file).verdict is Verdict.FAIL
