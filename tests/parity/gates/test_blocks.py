"""The blocks gate: each block for itself, each image for itself, float32 by the legacy's own error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from parity.architecture import TAPS, tap_shapes
from parity.contract import DTYPES, KINDS
from parity.gates.blocks import compare as module
from parity.gates.blocks.compare import compare, expected_taps
from parity.verdict import GateResult, Verdict

from .breaking import NAMES, break_array, failed, find
from .conftest import SPEC, HandmadeRun

FEW = tuple(tap for tap in TAPS if tap.name in ("conv5/block1/out", "conv5/block2/out", "head/hidden"))
IDS = [f"blocks/float64/conv5/block2/out/{measure}" for measure in ("max_rel", "norm_rel")]


@pytest.fixture
def run(handmade: HandmadeRun, monkeypatch: pytest.MonkeyPatch) -> HandmadeRun:
    """Three blocks of two images of each kind: all 23 are a hundred megabytes."""
    monkeypatch.setattr(module, "TAPS", FEW)
    rng = np.random.default_rng(17)
    for kind in KINDS:
        for case in handmade.workspace.tap_cases(kind):
            for tap in FEW:
                truth = rng.normal(size=tap_shapes(SPEC.height_px, SPEC.width_px, 3)[tap.name])
                for dtype in DTYPES:
                    write(handmade, f"{dtype}/{kind}/{case.index}/{tap.name}", truth.astype(dtype), tap.axes)
    return handmade


@pytest.fixture
def high_ceiling(run: HandmadeRun) -> None:
    """The ceiling of the gate lies at 2e-5; above it three times the noise are not allowed."""
    limits = dict(run.gates_file.limits)
    limits["blocks/float32"] = replace(limits["blocks/float32"], value=1e-3)
    run.gates_file = replace(run.gates_file, limits=limits)


def write(run: HandmadeRun, name: str, values: np.ndarray, axes: str) -> None:
    """Give both sides an array, each in the order of its framework."""
    run.legacy.arrays[name] = (values, axes)
    moved = (values.transpose(0, 3, 1, 2).copy(), "NCHW") if axes == "NHWC" else (values.copy(), axes)
    run.port.arrays[name] = moved


def indices(run: HandmadeRun) -> list[int]:
    return [case.index for case in run.workspace.tap_cases("evaluation")]


def relative_errors(truth: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """The two numbers by their definition."""
    return abs(truth - found).max() / abs(truth).max(), np.sqrt(((truth - found) ** 2).sum() / (truth**2).sum())


def compare_blocks(run: HandmadeRun) -> GateResult:
    return run.compare("blocks", compare)


def test_equal_blocks_pass(run: HandmadeRun):
    result = compare_blocks(run)
    assert result.verdict is Verdict.PASS
    assert result.expected == result.compared == len(FEW) * 2 * 2 * 2
    assert [check.id for check in result.checks if "/float64/" in check.id and check.id.endswith("max_rel")] == [
        f"blocks/float64/{tap.name}/max_rel" for tap in FEW
    ]


def test_every_block_of_every_chosen_image_is_expected_in_both_precisions(handmade: HandmadeRun):
    cases = [case for kind in KINDS for case in handmade.workspace.tap_cases(kind)]
    found = expected_taps(handmade.workspace, cases, TAPS)
    assert len(found) == 23 * 4 * 2
    stem = found[f"float32/evaluation/{cases[0].index}/stem/conv"]
    assert (stem.axes, stem.candidate_axes, stem.shape, stem.dtype) == ("NHWC", "NCHW", (1, 48, 64, 64), "float32")
    head = found[f"float64/augmented/{cases[-1].index}/head/probabilities"]
    assert (head.axes, head.candidate_axes, head.shape, head.dtype) == ("NK", "NK", (1, 3), "float64")


@pytest.mark.parametrize("change", [1e-6, -1e-3, 1.0])
def test_one_wrong_element_names_its_block_and_image(run: HandmadeRun, change: float):
    index = indices(run)[1]
    name = f"float64/evaluation/{index}/conv5/block2/out"
    truth = run.legacy.arrays[name][0]
    run.port.arrays[name][0][0, 1500, 2, 3] += change
    result = compare_blocks(run)
    assert failed(result) == IDS
    found = truth.copy()
    found[0, 2, 3, 1500] += change
    for check_id, by_hand in zip(IDS, relative_errors(truth, found), strict=True):
        assert find(result, check_id).observed == pytest.approx(by_hand, rel=1e-6)
        assert find(result, check_id).worst.startswith(f"evaluation image {index} (")
        assert find(result, check_id).n == truth.size * 4


def test_the_worst_of_all_images_counts(run: HandmadeRun):
    for index, change in zip(indices(run), (1e-6, 1e-7), strict=True):
        run.port.arrays[f"float64/evaluation/{index}/head/hidden"][0][0, 7] += change
    result = compare_blocks(run)
    assert find(result, "blocks/float64/head/hidden/max_rel").worst.startswith(f"evaluation image {indices(run)[0]} (")


@pytest.mark.parametrize(("port", "verdict"), [(2e-5, "PASS"), (4e-5, "FAIL")])
@pytest.mark.usefixtures("high_ceiling")
def test_float32_may_be_three_times_as_far_from_float64_as_the_legacy_s(run: HandmadeRun, port: float, verdict: str):
    for side, error in ((run.legacy, 1e-5), (run.port, port)):
        name = f"float32/evaluation/{indices(run)[0]}/head/hidden"
        truth = run.legacy.arrays[name.replace("32", "64")][0]
        values = truth.copy()
        values[0, abs(truth).argmax()] *= 1 + error
        side.arrays[name] = (values.astype(np.float32), "NC")
    result = compare_blocks(run)
    check = find(result, "blocks/float32/head/hidden/max_rel")
    assert check.noise_floor == pytest.approx(1e-5, rel=0.02)
    assert check.verdict.value == verdict


def test_a_noisy_legacy_does_not_widen_a_limit_past_the_ceiling(run: HandmadeRun):
    """Past the ceiling a port that is no better is inconclusive; one that is worse fails."""
    name = f"float32/evaluation/{indices(run)[0]}/head/hidden"
    for error, verdict in ((4e-5, Verdict.INCONCLUSIVE), (4e-4, Verdict.FAIL)):
        for side, own in ((run.legacy, 5e-5), (run.port, error)):
            side.arrays[name] = ((run.legacy.arrays[name.replace("32", "64")][0] * (1 + own)).astype(np.float32), "NC")
        assert compare_blocks(run).verdict is verdict


@pytest.mark.parametrize("way", NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", ["legacy", "port"])
def test_an_array_that_is_wrong_fails_by_name(run: HandmadeRun, side: str, dtype: str, way: str):
    name, words = break_array(getattr(run, side), f"{dtype}/evaluation/{indices(run)[0]}/conv5/block2/out", way)
    result = compare_blocks(run)
    assert result.verdict is Verdict.FAIL
    assert result.first_failure is not None
    assert result.first_failure.id == f"blocks/none/{name}/present"
    assert words in result.first_failure.reason
    assert side in result.first_failure.reason


def test_without_the_float64_truth_no_float32_is_judged(run: HandmadeRun):
    for index in indices(run):
        for kind in KINDS:
            del run.legacy.arrays[f"float64/{kind}/{index}/head/hidden"]
    checks = [check for check in compare_blocks(run).checks if "/head/hidden/" in check.id and "_rel" in check.id]
    assert [check.verdict for check in checks] == [Verdict.NOT_RUN] * 4


def test_a_port_that_kept_the_legacy_s_axes_fails(run: HandmadeRun):
    name = f"float64/evaluation/{indices(run)[0]}/conv5/block1/out"
    run.port.arrays[name] = run.legacy.arrays[name]
    assert failed(compare_blocks(run)) == [f"blocks/none/{name}/present"]


def test_what_the_port_s_block_raised_is_told(run: HandmadeRun):
    name = f"float32/augmented/{indices(run)[0]}/conv5/block1/out"
    del run.port.arrays[name]
    run.port.values["faults"] = {name: "the port's block raised RuntimeError: shapes"}
    result = compare_blocks(run)
    assert result.first_failure is not None
    assert result.first_failure.reason == "port: the port's block raised RuntimeError: shapes"
