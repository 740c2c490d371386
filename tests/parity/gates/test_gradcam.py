"""Grad-CAM: errors image by image, dead maps on one side and on both, maps that are made up, two images at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from parity.contract import KINDS
from parity.gates.gradcam.compare import compare, is_dead, to_peak
from parity.gates.gradcam.contract import FIXTURE_IMAGE, FIXTURE_MAPS
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import Workspace

from .conftest import HandmadeRun

MAP = (3, 4)
SIZE = (96, 128)
NOTHING = "gradcam/none/nothing/evaluation/share"
RAW = [f"gradcam/{dtype}/raw/evaluation/{measure}" for dtype in ("float64", "float32") for measure in ("max_rel", "norm_rel")]


@pytest.fixture
def run(handmade: HandmadeRun) -> HandmadeRun:
    rng = np.random.default_rng(17)
    for kind in KINDS:
        raw = rng.normal(size=(6, *MAP))
        for dtype in ("float64", "float32"):
            handmade.both(f"{dtype}/{kind}/raw", raw.astype(dtype), "NHW")
        handmade.both(f"float32/{kind}/normalised", rng.uniform(size=(6, *MAP)).astype(np.float32), "NHW")
        for case in handmade.workspace.tap_cases(kind):
            handmade.both(f"float32/{kind}/{case.index}/resized", rng.uniform(size=SIZE).astype(np.float32), "HW")
            handmade.both(f"float32/{kind}/{case.index}/overlay", rng.uniform(size=(*SIZE, 3)), "HWC")
    for name, fixture in FIXTURE_MAPS.items():
        handmade.both(f"fixture/{name}/normalised", normalise(fixture), "HW")
        handmade.both(f"fixture/{name}/resized", rng.uniform(size=FIXTURE_IMAGE.shape[:2]).astype(np.float32), "HW")
        handmade.both(f"fixture/{name}/overlay", rng.uniform(size=FIXTURE_IMAGE.shape), "HWC")
    handmade.port.values["batch"] = "refused"
    make_again(handmade)
    return handmade


def make_again(run: HandmadeRun) -> None:
    """Make the maps that are made twice what the first ones are."""
    for side in (run.legacy, run.port):
        for kind in KINDS:
            rows = [case.index for case in run.workspace.tap_cases(kind)]
            side.arrays[f"float32/{kind}/rerun"] = (side.arrays[f"float32/{kind}/raw"][0][rows], "NHW")


def normalise(raw: np.ndarray) -> np.ndarray:
    """The definition: what is negative is cut off, and what is left is divided by the largest value there was."""
    with np.errstate(invalid="ignore"):
        return raw.clip(min=0) / raw.max()


def failed(result: GateResult) -> list[str]:
    return [check.id for check in result.checks if check.verdict is Verdict.FAIL]


def find(result: GateResult, check_id: str) -> Check:
    return next(check for check in result.checks if check.id == check_id)


def silence(run: HandmadeRun, images: list[int], kind: str = "evaluation") -> None:
    for side in (run.legacy, run.port):
        for dtype in ("float64", "float32"):
            side.arrays[f"{dtype}/{kind}/raw"][0][images] = 0.0
        side.arrays[f"float32/{kind}/normalised"][0][images] = np.nan
    make_again(run)


def kill(run: HandmadeRun, images: list[int], sides: tuple[str, ...], kind: str = "evaluation") -> None:
    for side in sides:
        arrays = getattr(run, side).arrays
        for dtype in ("float64", "float32"):
            arrays[f"{dtype}/{kind}/raw"][0][images] = -1.0
        arrays[f"float32/{kind}/normalised"][0][images] = -0.0
    make_again(run)


def test_equal_maps_pass(run: HandmadeRun):
    result = run.compare("gradcam", compare)
    assert result.verdict is Verdict.PASS
    assert result.expected == result.compared == 16 + 3 * len(FIXTURE_MAPS)


def test_one_wrong_map_is_named(run: HandmadeRun):
    run.port.arrays["float64/evaluation/raw"][0][4, 1, 2] += 1e-8
    result = run.compare("gradcam", compare)
    assert failed(result) == RAW[:2]
    assert {check.worst for check in result.checks if not check} == {"evaluation image 4 (scc_20x_4.jpg)"}


@pytest.mark.parametrize(("error", "passes"), [(5e-3, True), (2e-2, False)])
def test_a_relu_that_rounding_turns_is_no_mistake(run: HandmadeRun, error: float, passes: bool):
    """On one side only: the other's own float32 is exact here, so that three times its error is nothing."""
    raw = run.port.arrays["float32/evaluation/raw"][0]
    raw[4, 1, 2] += error * np.abs(raw[4]).max()
    assert (run.compare("gradcam", compare).verdict is Verdict.PASS) == passes


@pytest.mark.parametrize("factors", [np.float32(12.0), np.geomspace(1e-6, 1e6, 6, dtype=np.float32)[:, None, None]])
def test_maps_that_are_positive_multiples_pass(run: HandmadeRun, factors: np.ndarray):
    """A sum over the twelve pixels instead of a mean; a factor of its own for each image."""
    for kind in KINDS:
        for dtype in ("float64", "float32"):
            run.port.arrays[f"{dtype}/{kind}/raw"][0][:] *= factors
    make_again(run)
    assert run.compare("gradcam", compare).verdict is Verdict.PASS


def test_a_map_of_the_other_sign_fails(run: HandmadeRun):
    for dtype in ("float64", "float32"):
        run.port.arrays[f"{dtype}/evaluation/raw"][0][4] *= -1.0
    result = run.compare("gradcam", compare)
    assert failed(result) == RAW
    assert find(result, RAW[0]).observed == pytest.approx(2.0)
    assert {check.worst for check in result.checks if not check} == {"evaluation image 4 (scc_20x_4.jpg)"}


def test_dead_maps_on_both_sides_are_counted_and_are_evidence(run: HandmadeRun):
    """All of a class, and more than half of all: their raw maps are compared as any others."""
    kill(run, [0, 2, 3, 5], ("legacy", "port"))
    result = run.compare("gradcam", compare)
    assert result.verdict is Verdict.PASS
    said = find(result, "gradcam/exact/dead/evaluation/one_sided").reason
    assert "4 of 6 have nothing positive on both sides" in said
    run.port.arrays["float64/evaluation/raw"][0][2, 0, 0] -= 1e-8
    assert failed(run.compare("gradcam", compare)) == RAW[:2]


def test_raw_maps_that_are_nothing_are_no_evidence(run: HandmadeRun):
    silence(run, [0])
    share = find(run.compare("gradcam", compare), NOTHING)
    assert (share.verdict, share.observed) == (Verdict.INCONCLUSIVE, 1 / 6), "one of six is more than a tenth"
    assert share.reason.startswith("1 of 6 raw maps of the legacy are nothing")


def test_a_class_of_nothing_is_no_evidence(run: HandmadeRun):
    limit = replace(run.gates_file.limit("gradcam/nothing"), value=0.5)
    run.gates_file.limits["gradcam/nothing"] = limit
    silence(run, [2, 3])
    share = find(run.compare("gradcam", compare), NOTHING)
    assert (share.verdict, share.worst) == (Verdict.INCONCLUSIVE, "every map of nor")


def test_what_is_below_the_noise_of_maps_made_twice_is_nothing(run: HandmadeRun):
    """On a GPU, where the legacy's maps differ when they are made twice."""
    replace(run.workspace.spec, device="cuda").write_json(run.workspace.spec_path)
    run = HandmadeRun(Workspace(run.workspace.folder), run.gates_file, run.legacy, run.port)
    for side in (run.legacy, run.port):
        for dtype in ("float64", "float32"):
            side.arrays[f"{dtype}/evaluation/raw"][0][4] *= 1e-9
    make_again(run)
    assert find(run.compare("gradcam", compare), NOTHING).observed == 0.0
    run.legacy.arrays["float32/evaluation/rerun"][0][0, 0, 0] += 1e-6
    assert find(run.compare("gradcam", compare), NOTHING).observed == 1 / 6


@pytest.mark.parametrize(("positive", "passes"), [(1e-14, True), (1e-4, False)])
def test_rounding_decides_the_sign_of_a_maximum_that_is_nearly_zero(run: HandmadeRun, positive: float, passes: bool):
    kill(run, [0], ("legacy", "port"))
    for dtype in ("float64", "float32"):
        run.legacy.arrays[f"{dtype}/evaluation/raw"][0][0, 0, 0] = -1e-14
        run.port.arrays[f"{dtype}/evaluation/raw"][0][0, 0, 0] = positive
    make_again(run)
    assert find(run.compare("gradcam", compare), "gradcam/exact/dead/evaluation/one_sided").verdict is (
        Verdict.PASS if passes else Verdict.FAIL
    )


@pytest.mark.parametrize("side", ["legacy", "port"])
def test_a_dead_map_on_one_side_fails(run: HandmadeRun, side: str):
    kill(run, [1], (side,))
    assert "gradcam/exact/dead/evaluation/one_sided" in failed(run.compare("gradcam", compare))


def test_not_a_number_in_a_living_map_fails_on_both_sides_too(run: HandmadeRun):
    for side in (run.legacy, run.port):
        side.arrays["float32/augmented/raw"][0][2, 1, 1] = np.nan
    assert failed(run.compare("gradcam", compare)) == ["gradcam/none/float32/augmented/raw/present"]


def test_a_zero_instead_of_not_a_number_fails(run: HandmadeRun):
    silence(run, [0])
    run.port.arrays["float32/evaluation/normalised"][0][0] = 0.0
    assert "gradcam/none/float32/evaluation/normalised/present" in failed(run.compare("gradcam", compare))


def test_an_overlay_of_another_threshold_fails(run: HandmadeRun):
    case = run.workspace.tap_cases("evaluation")[0]
    run.port.arrays[f"float32/evaluation/{case.index}/overlay"][0][0, 0, 0] += 0.1
    assert failed(run.compare("gradcam", compare)) == ["gradcam/float32/overlay/max_abs"]


@pytest.mark.parametrize(
    ("name", "value", "check"),
    [
        ("zero", 0.0, "gradcam/none/fixture/zero/normalised/present"),
        ("negative", np.nan, "gradcam/none/fixture/negative/normalised/present"),
        ("negative", 1.0, "gradcam/float32/normalised/max_abs"),
        ("mixed", 0.2, "gradcam/float32/normalised/max_abs"),  # as of a division by the largest magnitude
    ],
)
def test_a_made_up_map_that_the_port_normalises_otherwise_fails(run: HandmadeRun, name: str, value: float, check: str):
    """A maximum of 0 gives NaN, a negative one does not."""
    run.port.arrays[f"fixture/{name}/normalised"][0][:] = value
    assert failed(run.compare("gradcam", compare)) == [check]


@pytest.mark.parametrize("step", ["resized", "overlay"])
def test_a_picture_of_a_made_up_map_that_differs_fails(run: HandmadeRun, step: str):
    """They have power where every map of the images is dead."""
    run.port.arrays[f"fixture/positive/{step}"][0][0, 0] += 0.1
    result = run.compare("gradcam", compare)
    assert failed(result) == [f"gradcam/float32/{step}/max_abs"]
    assert find(result, f"gradcam/float32/{step}/max_abs").worst == "the made-up map positive"


def test_a_lowest_value_that_becomes_zero_fails(run: HandmadeRun):
    raw = FIXTURE_MAPS["positive"]
    run.port.arrays["fixture/positive/normalised"] = ((raw - raw.min()) / (raw.max() - raw.min()), "HW")
    result = run.compare("gradcam", compare)
    assert failed(result) == ["gradcam/float32/normalised/max_abs"]
    check = find(result, "gradcam/float32/normalised/max_abs")
    assert (check.observed, check.worst) == (0.25, "the made-up map positive")


@pytest.mark.parametrize(("values", "found"), [({"batch": "explained"}, "explained"), ({}, "not asked for")])
def test_two_images_that_are_explained_at_once_fail(run: HandmadeRun, values: dict[str, object], found: str):
    run.port.values = values
    result = run.compare("gradcam", compare)
    assert failed(result) == ["gradcam/exact/batch/refused"]
    assert find(result, "gradcam/exact/batch/refused").reason == f"two images at once must be refused: they were {found}"


def test_what_a_peak_is():
    assert to_peak(np.array([[1.0, -4.0]])).tolist() == [[0.25, -1.0]]
    assert to_peak(np.zeros(MAP)).tolist() == np.zeros(MAP).tolist()


def test_what_dead_means():
    maps = np.stack([np.full(MAP, -1.0), np.zeros(MAP), np.eye(*MAP)])
    assert is_dead(maps).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("device", "side", "passes"),
    [("cpu", "legacy", False), ("cpu", "port", False), ("cuda", "port", False), ("cuda", "legacy", True)],
)
def test_the_same_map_made_twice(run: HandmadeRun, device: str, side: str, passes: bool):
    """On a GPU the legacy has no deterministic gradient: how far its maps are apart is a noise floor."""
    replace(run.workspace.spec, device=device).write_json(run.workspace.spec_path)
    run = HandmadeRun(Workspace(run.workspace.folder), run.gates_file, run.legacy, run.port)
    before = find(run.compare("gradcam", compare), RAW[2]).noise_floor
    maps = getattr(run, side).arrays["float32/evaluation/rerun"][0]
    first = run.legacy.arrays["float32/evaluation/raw"][0][run.workspace.tap_cases("evaluation")[1].index]
    maps[1] = first
    maps[1, 0, 0] += 1e-3 * np.abs(first).max()
    result = run.compare("gradcam", compare)
    assert failed(result) == ([] if passes else [f"gradcam/exact/rerun/evaluation/{side}"])
    floor = find(result, RAW[2]).noise_floor
    assert floor == (pytest.approx(1e-3, rel=1e-2) if side == "legacy" else before), "the port's own noise widens nothing"
