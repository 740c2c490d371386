"""Running statistics: each way they can be wrong, worked out by hand from the batch's own values."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.architecture import BATCH_NORMS
from parity.artefact import RecordingWriter
from parity.gates.bn_state.compare import compare
from parity.gates.bn_state.contract import EVALUATED, MARKS, PASSES, large_batches, mark_name, marks, small_name
from parity.verdict import GateResult, Verdict
from parity.workspace import Workspace

from .conftest import Arrays, HandmadeRun

N = 8  # values of a channel in a batch of two at the end of a small network


@cache
def running(
    norm: int, channels: int, *, share: float = 0.99, biased: bool = False, passes: int = PASSES
) -> dict[str, dict[str, np.ndarray]]:
    """Return both statistics of one batch norm at each mark, by the formula and in float64."""
    rng = np.random.default_rng(17 + norm)
    mean, variance = np.zeros(channels), np.ones(channels)
    found = {}
    for number in range(1, passes + 1):
        batch = rng.normal(0.5, 2.0, (N, channels))
        mean = share * mean + (1.0 - share) * batch.sum(axis=0) / N
        squares = ((batch - batch.sum(axis=0) / N) ** 2).sum(axis=0)
        variance = share * variance + (1.0 - share) * squares / (N if biased else N - 1)
        if number in MARKS:
            found[mark_name(number)] = {"mean": mean.astype(np.float32), "variance": variance.astype(np.float32)}
    return found | {EVALUATED: found[mark_name(passes)]}


def fill(arrays: Arrays, size: str = "small", **words: Any) -> None:
    for number, norm in enumerate(BATCH_NORMS):
        for mark, statistics in running(number, norm.channels, **words).items():
            for statistic, values in statistics.items():
                arrays[f"{size}/{mark}/{norm.name}/{statistic}"] = (values.copy(), "C")


@pytest.fixture
def run(handmade: HandmadeRun) -> HandmadeRun:
    rng = np.random.default_rng(17)
    for number in range(PASSES):
        images = rng.random((2, 64, 64, 3)).astype(np.float32)
        handmade.legacy.arrays[small_name(number)] = (images, "NHWC")
        handmade.port.arrays[small_name(number)] = (images.transpose(0, 3, 1, 2).copy(), "NCHW")
    for side in (handmade.legacy, handmade.port):
        fill(side.arrays)
    handmade.legacy.values["noise"] = {"max_rel": 1e-6, "norm_rel": 1e-6}
    return handmade


def failed(result: GateResult) -> list[str]:
    return [check.id for check in result.checks if check.verdict is Verdict.FAIL]


def test_equal_statistics_pass(run: HandmadeRun):
    result = run.compare("bn_state", compare)
    assert result.verdict is Verdict.PASS
    assert len(BATCH_NORMS) == 49
    assert result.expected == result.compared == 10 + 49 * 2 * 4


def test_a_check_for_each_pass_stage_and_statistic_in_order(run: HandmadeRun):
    ids = [check.id for check in run.compare("bn_state", compare).checks]
    assert ids[0] == "bn_state/exact/small/images"
    assert ids[1] == "bn_state/float32/small/pass01/conv2/mean/max_rel"
    passes = [name.split("/")[3] for name in ids[1:-2]]
    assert passes == ["pass01"] * 20 + ["pass02"] * 20 + ["pass10"] * 20
    assert ids[-2:] == ["bn_state/exact/small/evaluated/legacy", "bn_state/exact/small/evaluated/port"]


@pytest.mark.parametrize("share", [0.9, 0.01], ids=["momentum 0.1", "the two shares exchanged"])
def test_another_momentum_fails_from_the_first_pass(run: HandmadeRun, share: float):
    fill(run.port.arrays, share=share)
    found = failed(run.compare("bn_state", compare))
    assert len(found) == 60
    assert found[0] == "bn_state/float32/small/pass01/conv2/mean/max_rel"


def test_a_biased_variance_fails_and_the_means_do_not(run: HandmadeRun):
    fill(run.port.arrays, biased=True)
    found = failed(run.compare("bn_state", compare))
    assert len(found) == 30
    assert all("/variance/" in name for name in found)
    assert found[0] == "bn_state/float32/small/pass01/conv2/variance/max_rel"


def test_the_worst_layer_is_named(run: HandmadeRun):
    values, _ = run.port.arrays["small/pass02/conv4/block3/bn2/variance"]
    values[values.argmax()] *= np.float32(1 + 2e-5)
    result = run.compare("bn_state", compare)
    (check,) = [check for check in result.checks if not check and check.id.endswith("max_rel")]
    assert check.id == "bn_state/float32/small/pass02/conv4/variance/max_rel"
    assert check.worst == "conv4/block3/bn2"
    assert check.observed == pytest.approx(2e-5, rel=0.01)


@pytest.mark.parametrize("side", ["legacy", "port"])
def test_statistics_that_evaluation_changes_fail(run: HandmadeRun, side: str):
    getattr(run, side).arrays[f"small/{EVALUATED}/post_bn/mean"][0][7] += np.float32(1e-3)
    result = run.compare("bn_state", compare)
    assert failed(result) == [f"bn_state/exact/small/evaluated/{side}"]
    check = next(check for check in result.checks if not check)
    assert (check.observed, check.worst) == (1.0, "post_bn/mean")


def test_other_images_fail(run: HandmadeRun):
    run.port.arrays[small_name(3)][0][1, 2, 0, 0] = 2.0
    result = run.compare("bn_state", compare)
    assert failed(result) == ["bn_state/exact/small/images"]
    assert result.checks[0].worst == small_name(3)


@pytest.mark.parametrize("side", ["legacy", "port"])
def test_a_missing_batch_norm_fails(run: HandmadeRun, side: str):
    del getattr(run, side).arrays["small/pass02/conv2/block1/bn1/mean"]
    result = run.compare("bn_state", compare)
    assert failed(result) == ["bn_state/none/small/pass02/conv2/block1/bn1/mean/present"]
    assert result.compared == result.expected - 1


def test_a_batch_norm_that_the_network_does_not_have_fails(run: HandmadeRun):
    run.port.arrays["small/pass01/pool1/0/mean"] = (np.zeros(64, np.float32), "C")
    assert failed(run.compare("bn_state", compare)) == ["bn_state/none/small/pass01/pool1/0/mean/present"]


def test_not_a_number_fails_even_on_both_sides(run: HandmadeRun):
    for side in (run.legacy, run.port):
        side.arrays["small/pass01/post_bn/variance"][0][0] = np.nan
    assert failed(run.compare("bn_state", compare))[0] == "bn_state/none/small/pass01/post_bn/variance/present"


@pytest.mark.parametrize(("profile", "passes", "kept"), [("quick", 2, 2), ("full", 10, 3)])
def test_large_batches_are_expected_where_the_profile_asks_for_them(run: HandmadeRun, profile: str, passes: int, kept: int):
    replace(run.workspace.spec, profile=profile).write_json(run.workspace.spec_path)
    result = run.compare("bn_state", compare)
    assert result.expected == 10 + 49 * 2 * 4 + 49 * 2 * (kept + 1)
    assert result.verdict is Verdict.FAIL
    for side in (run.legacy, run.port):
        fill(side.arrays, "large", passes=passes)
    assert run.compare("bn_state", compare).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("noise", "error", "verdict"),
    [
        (1e-6, 4e-6, "PASS"),
        (1e-6, 6e-6, "FAIL"),
        (8e-6, 2e-5, "PASS"),
        (8e-6, 3e-5, "FAIL"),
        (1.0, 9e-5, "PASS"),
        (1.0, 2e-4, "FAIL"),
    ],
    ids=["within", "over", "as noisy as the legacy", "noisier", "below the ceiling", "over the ceiling"],
)
def test_a_sensitive_network_widens_its_limit_up_to_the_ceiling(run: HandmadeRun, noise: float, error: float, verdict: str):
    run.legacy.values["noise"] = {"max_rel": noise, "norm_rel": noise}
    truth, axes = run.port.arrays["small/pass10/post_bn/mean"]
    found = truth.astype(np.float64)
    found[np.abs(truth).argmax()] *= 1 + error
    for mark in ("pass10", EVALUATED):
        run.port.arrays[f"small/{mark}/post_bn/mean"] = (found.astype(np.float32), axes)
    result = run.compare("bn_state", compare)
    assert result.verdict.value == verdict, failed(result)
    assert {check.noise_floor for check in result.checks if "/float32/" in check.id} == {noise}


def test_a_legacy_that_did_not_measure_its_noise_is_no_judge(run: HandmadeRun):
    del run.legacy.values["noise"]
    with pytest.raises(KeyError):
        run.compare("bn_state", compare)


def test_sizes_of_the_profiles():
    assert marks("probe") == {"small": (1, 2, 10)}
    assert marks("quick") == {"small": (1, 2, 10), "large": (1, 2)}
    assert marks("full") == {"small": (1, 2, 10), "large": (1, 2, 10)}


def test_large_batches_are_the_stored_ones_and_no_two_are_alike(tmp_path: Path):
    stored = np.random.default_rng(17).random((2, 3, 24, 32, 3)).astype(np.float32)
    with RecordingWriter(tmp_path / "inputs", key="key") as out:
        for number, images in enumerate(stored):
            out.write_array(f"augmented/batch{number:04d}/images", images, "NHWC")
        out.write_value("batches", {"augmented": 2})
    batches = list(large_batches(Workspace(tmp_path), PASSES))
    assert np.array_equal(batches[0], stored[0])
    assert np.array_equal(batches[1][:, 7:, 11:], stored[1][:, :-7, :-11])
    assert np.array_equal(batches[2][:, 14:, 22:], stored[0][:, :-14, :-22])
    assert len({batch.tobytes() for batch in batches}) == len(batches) == PASSES
