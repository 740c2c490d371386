"""The inference gate: probabilities, free-running taps, one image alone, and dropout, each way they can be wrong."""

from __future__ import annotations

import numpy as np
import pytest

from parity.architecture import STAGE_TAPS, tap_shapes
from parity.contract import DTYPES, KINDS
from parity.gates.inference import compare as module
from parity.gates.inference.compare import compare
from parity.gates.inference.contract import DROPOUT_SHAPE, alone
from parity.judge import compare_gate
from parity.verdict import GateResult, Verdict

from .breaking import NAMES, break_array, failed, find
from .conftest import SPEC, HandmadeRun, probabilities

FEW = tuple(tap for tap in STAGE_TAPS if tap.name in ("conv5/block3/out", "head/hidden"))
ALONE = "inference/float64/alone_against_batch/max_rel"
ARRAYS = ("evaluation/probabilities", "alone", "evaluation/0/conv5/block3/out", "dropout")


@pytest.fixture
def run(handmade: HandmadeRun, monkeypatch: pytest.MonkeyPatch) -> HandmadeRun:
    monkeypatch.setattr(module, "STAGE_TAPS", FEW)
    rng = np.random.default_rng(17)
    rows = {kind: probabilities(seed=seed) for seed, kind in enumerate(KINDS)}
    chosen = [case.index for case in alone(handmade.workspace)]
    shapes = tap_shapes(SPEC.height_px, SPEC.width_px, 3)
    taps = {tap.name: rng.normal(size=shapes[tap.name]) for tap in FEW}
    coin = 2.0 * rng.integers(0, 2, DROPOUT_SHAPE)
    for dtype in DTYPES:
        for kind in KINDS:
            handmade.both(f"{dtype}/{kind}/probabilities", rows[kind].astype(dtype), "NK")
            for tap in FEW:
                name, values = f"{dtype}/{kind}/{handmade.workspace.tap_cases(kind)[0].index}/{tap.name}", taps[tap.name]
                moved = values.transpose(0, 3, 1, 2) if tap.axes == "NHWC" else values
                handmade.legacy.arrays[name] = (values.astype(dtype), tap.axes)
                handmade.port.arrays[name] = (moved.astype(dtype), "NCHW" if tap.axes == "NHWC" else tap.axes)
        handmade.both(f"{dtype}/alone", rows["evaluation"][chosen].astype(dtype), "NK")
        handmade.both(f"{dtype}/dropout", coin.astype(dtype), "NC")
    return handmade


def compare_inference(run: HandmadeRun) -> GateResult:
    return run.compare("inference", compare)


def test_equal_answers_pass(run: HandmadeRun):
    result = compare_inference(run)
    assert result.verdict is Verdict.PASS
    assert result.expected == result.compared == 2 * (len(KINDS) + 1 + 1 + len(KINDS) * len(FEW))
    assert find(result, ALONE).n == 2 * 3


@pytest.mark.parametrize(
    ("name", "place", "check"),
    [
        ("evaluation/probabilities", (4, 1), "evaluation/probabilities"),
        ("augmented/probabilities", (0, 2), "augmented/probabilities"),
        ("evaluation/0/conv5/block3/out", (0, 1000, 2, 3), "conv5/block3/out"),
        ("augmented/0/head/hidden", (0, 255), "head/hidden"),
    ],
)
def test_a_wrong_number_is_named_and_measured(run: HandmadeRun, name: str, place: tuple[int, ...], check: str):
    found = run.port.arrays[f"float64/{name}"][0]
    truth = found.copy()
    found[place] += 1e-6
    scale = np.abs(truth[place[0]] if name.endswith("probabilities") else truth).max()
    result = compare_inference(run)
    assert f"inference/float64/{check}/max_rel" in failed(result)
    worst = find(result, f"inference/float64/{check}/max_rel")
    assert worst.observed == pytest.approx(1e-6 / scale, rel=1e-6), "in parts of the image's own largest number"
    assert worst.worst.startswith(f"{name.partition('/')[0]} image {place[0] if name.endswith('probabilities') else 0} (")


def test_float32_is_judged_by_the_legacy_s_own_error(run: HandmadeRun):
    for side, error in ((run.legacy, 1e-5), (run.port, 2e-5)):
        side.arrays["float32/augmented/probabilities"][0][3] *= np.float32(1 + error)
    check = find(compare_inference(run), "inference/float32/augmented/probabilities/max_rel")
    assert check.verdict is Verdict.PASS
    assert check.limit == pytest.approx(3 * check.noise_floor)
    run.port.arrays["float32/augmented/probabilities"][0][3] *= np.float32(1 + 2e-5)
    assert "inference/float32/augmented/probabilities/max_rel" in failed(compare_inference(run))


def test_an_answer_that_depends_on_the_images_beside_it_fails(run: HandmadeRun):
    """The port says the same of an image alone as the legacy does, and another thing of it in a batch, or the other way."""
    case = alone(run.workspace)[1]
    single = run.port.arrays["float64/alone"][0]
    batched = run.port.arrays["float64/evaluation/probabilities"][0][case.index]
    single[1] += [2e-9, -1e-9, -1e-9]
    result = compare_inference(run)
    check = find(result, ALONE)
    assert check.verdict is Verdict.FAIL
    assert check.observed == pytest.approx(2e-9 / batched.max(), rel=1e-6)
    assert check.worst == case.name
    assert failed(result) == ["inference/float64/alone/max_rel", "inference/float64/alone/norm_rel", ALONE]


def test_a_batch_that_mixes_its_images_fails_beside_the_batch_itself(run: HandmadeRun):
    case = alone(run.workspace)[0]
    run.port.arrays["float64/evaluation/probabilities"][0][case.index] += [0.0, 1e-9, -1e-9]
    assert ALONE in failed(compare_inference(run))


def test_whether_the_legacy_mixes_its_images_is_not_asked(run: HandmadeRun):
    run.legacy.arrays["float64/alone"][0][0] += [1e-9, 0.0, -1e-9]
    result = compare_inference(run)
    assert find(result, ALONE).verdict is Verdict.PASS
    assert failed(result)[0] == "inference/float64/alone/max_rel"


@pytest.mark.parametrize("name", ["float64/alone", "float64/evaluation/probabilities"])
def test_without_either_there_is_no_invariance(run: HandmadeRun, name: str):
    del run.port.arrays[name]
    result = compare_inference(run)
    assert find(result, ALONE).verdict is Verdict.NOT_RUN
    assert result.verdict is Verdict.FAIL


@pytest.mark.parametrize("rows", [1, 3])
def test_another_number_of_images_alone_fails(run: HandmadeRun, rows: int):
    run.port.arrays["float64/alone"] = (np.tile(run.port.arrays["float64/alone"][0][:1], (rows, 1)), "NK")
    run.write("inference")
    assert compare_gate("inference", run.workspace, run.gates_file).verdict is Verdict.FAIL


def test_a_nan_alone_fails(run: HandmadeRun):
    run.port.arrays["float64/alone"][0][0, 0] = np.nan
    assert ALONE in failed(compare_inference(run))


def dropped(rate: float = 0.5, kept: float = 2.0) -> np.ndarray:
    coins = np.random.default_rng(5).random(DROPOUT_SHAPE)
    return np.where(coins < rate, 0.0, kept)


def a_row(value: float) -> np.ndarray:
    found = dropped()
    found[7] = value
    return found


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (dropped(rate=0.45), "all elements"),
        (dropped(rate=0.55), "all elements"),
        (dropped(rate=0.0), "is not doubled|standard deviations|all elements"),
        (dropped(rate=1.1), "what dropout keeps is not doubled"),
        (dropped(kept=1.0), "what dropout keeps is not doubled"),
        (dropped(kept=1.0 / 0.45), "what dropout keeps is not doubled"),
        (a_row(0.0), "one row"),
        (a_row(2.0), "one row"),
        (np.where(np.arange(256) < 128, 0.0, 2.0) * np.ones(DROPOUT_SHAPE), None),
    ],
    ids=["too few", "too many", "none", "all", "not scaled", "another scale", "a row dropped", "a row kept", "fair"],
)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", ["legacy", "port"])
def test_dropout_is_a_fair_coin_that_doubles(run: HandmadeRun, side: str, dtype: str, values: np.ndarray, words: str | None):
    getattr(run, side).arrays[f"{dtype}/dropout"] = (values.astype(dtype), "NC")
    result = compare_inference(run)
    assert failed(result) == ([f"inference/{dtype}/dropout/{side}"] if words else [])
    check = find(result, f"inference/{dtype}/dropout/{side}")
    zeros = (values == 0).mean()
    rows = np.abs((values == 0).mean(axis=1) - 0.5).max()
    assert check.observed == pytest.approx(max(abs(zeros - 0.5) * 2 * np.sqrt(64 * 256), rows * 2 * np.sqrt(256)))
    if words:
        assert any(word in f"{check.worst} {check.reason}" for word in words.split("|"))


@pytest.mark.parametrize("way", NAMES)
@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("side", ["legacy", "port"])
def test_an_array_that_is_wrong_fails_by_name(run: HandmadeRun, side: str, name: str, way: str):
    broken, words = break_array(getattr(run, side), f"float32/{name}", way)
    result = compare_inference(run)
    assert f"inference/none/{broken}/present" in failed(result)
    assert words in find(result, f"inference/none/{broken}/present").reason
