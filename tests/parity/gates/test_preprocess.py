"""The preprocess gate: every network and Grad-CAM input by hash, some by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from parity.gates.preprocess.compare import INPUTS, compare
from parity.judge import compare_gate
from parity.verdict import GateResult, Verdict

from .breaking import NAMES, break_array, failed, find
from .conftest import SPEC, HandmadeRun

SIZE = (1, SPEC.height_px, SPEC.width_px, 3)


@pytest.fixture
def run(handmade: HandmadeRun) -> HandmadeRun:
    rng = np.random.default_rng(17)
    cases = handmade.workspace.cases("evaluation")
    for side in (handmade.legacy, handmade.port):
        side.values["sha256"] = {
            name: {f"{case.index} {case.image}": f"{name} of {case.image}" for case in cases} for name in INPUTS
        }
    for name in INPUTS:
        for case in handmade.workspace.tap_cases("evaluation"):
            handmade.both(f"{name}/{case.index}", rng.random(SIZE, dtype=np.float32), "NHWC")
    return handmade


def table(run: HandmadeRun, side: str, name: str) -> dict[str, object]:
    found = getattr(run, side).values["sha256"]
    assert isinstance(found, dict)
    return found[name]


def compare_preprocess(run: HandmadeRun) -> GateResult:
    return run.compare("preprocess", compare)


def test_equal_inputs_pass(run: HandmadeRun):
    result = compare_preprocess(run)
    assert result.verdict is Verdict.PASS
    assert result.expected == result.compared == 2 * 2 + 2
    assert [check.id.removeprefix("preprocess/exact/") for check in result.checks] == [
        "batch/sha256", "batch/max_abs", "gradcam_input/sha256", "gradcam_input/max_abs",
    ]  # fmt: skip


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("side", ["legacy", "port"])
def test_another_image_is_seen_by_its_hash(run: HandmadeRun, side: str, name: str):
    table(run, side, name)["3 nor_20x_3.jpg"] = "another"
    result = compare_preprocess(run)
    assert failed(result) == [f"preprocess/exact/{name}/sha256"]
    assert find(result, f"preprocess/exact/{name}/sha256").worst == "3 nor_20x_3.jpg"


@pytest.mark.parametrize("change", [np.float32(1 / 255), np.float32(-0.25), None])
@pytest.mark.parametrize("name", INPUTS)
def test_another_pixel_has_a_size_and_a_place(run: HandmadeRun, name: str, change: np.float32 | None):
    case = run.workspace.tap_cases("evaluation")[1]
    pixels = run.port.arrays[f"{name}/{case.index}"][0]
    before = pixels[0, 50, 60, 2]
    pixels[0, 50, 60, 2] = np.nextafter(before, np.float32(2.0)) if change is None else before + change
    result = compare_preprocess(run)
    assert failed(result) == [f"preprocess/exact/{name}/max_abs"]
    check = find(result, f"preprocess/exact/{name}/max_abs")
    assert check.observed == abs(float(pixels[0, 50, 60, 2]) - float(before))
    assert check.worst == case.name
    assert check.n == 2 * np.prod(SIZE)


def test_a_mean_that_was_taken_off_is_as_large_as_it_is(run: HandmadeRun):
    for case in run.workspace.tap_cases("evaluation"):
        run.port.arrays[f"batch/{case.index}"][0][:] -= np.float32(0.5)
    assert find(compare_preprocess(run), "preprocess/exact/batch/max_abs").observed == pytest.approx(0.5)


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("sides", [("legacy",), ("port",), ("legacy", "port")], ids=" and ".join)
def test_an_image_without_a_hash_fails_even_if_neither_side_has_one(run: HandmadeRun, sides: tuple[str, ...], name: str):
    for side in sides:
        del table(run, side, name)["5 scc_20x_5.jpg"]
    assert failed(compare_preprocess(run)) == [f"preprocess/exact/{name}/sha256"]
    for side in sides:
        table(run, side, name)["5 scc_20x_5.jpg"] = f"{name} of scc_20x_5.jpg"
        table(run, side, name)["6 another.jpg"] = "hash"
    assert failed(compare_preprocess(run)) == [f"preprocess/exact/{name}/sha256"]


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("side", ["legacy", "port"])
def test_no_hashes_fail(run: HandmadeRun, side: str, name: str):
    hashes = getattr(run, side).values["sha256"]
    del hashes[name]
    run.write("preprocess")
    assert compare_gate("preprocess", run.workspace, run.gates_file).verdict is Verdict.FAIL


@pytest.mark.parametrize("way", NAMES)
@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("side", ["legacy", "port"])
def test_pixels_that_are_not_whole_fail(run: HandmadeRun, side: str, name: str, way: str):
    index = run.workspace.tap_cases("evaluation")[0].index
    broken, words = break_array(getattr(run, side), f"{name}/{index}", way)
    result = compare_preprocess(run)
    assert failed(result) == [f"preprocess/none/{broken}/present"]
    assert words in result.checks[0].reason


def test_no_pixels_at_all_are_not_run(run: HandmadeRun):
    for side in (run.legacy, run.port):
        side.arrays.clear()
    result = compare_preprocess(run)
    assert find(result, "preprocess/exact/batch/max_abs").verdict is Verdict.NOT_RUN
    assert result.verdict is Verdict.FAIL
