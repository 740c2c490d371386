"""The augment gate: whole draws, single transforms, what is drawn, and streams of random numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import kstwobign

from parity.gates.augment.compare import compare
from parity.gates.augment.contract import (
    CASES,
    COUNTED_DRAWS,
    DEVICE_DRAWS,
    DRAWS,
    PARAMETERS,
    SHOWN_DRAWS,
    STREAM_RUNS,
    DrawnParameters,
    apply_cases,
)
from parity.gates.augment.distribution import kolmogorov_smirnov, kolmogorov_smirnov_limit, range_difference, rate_deviation
from parity.gates.augment.streams import stream_checks
from parity.verdict import GateResult, Verdict

from .conftest import HandmadeRun, Side

RATES = dict(zip(PARAMETERS, (0.5, 0.5, 0.2, 0.4, 0.5, 0.2, 0.2, 1.0, 1.0), strict=True))
RANGES = {"crop_height": (1000, 1200), "crop_width": (1000, 1200), "gamma": (0.8, 1.2), "sat_shift": (-20, 20)}
IMAGES = 4


def draw(side: Side, seed: int) -> None:
    """Write what a correct pipeline draws."""
    rng = np.random.default_rng(seed)
    for name, parameters in PARAMETERS.items():
        applied = (rng.random(COUNTED_DRAWS) < RATES[name]).astype(np.uint8)
        side.arrays[f"drawn/{name}/applied"] = (applied, "N")
        for parameter, numbers in parameters.items():
            values = rng.uniform(*RANGES.get(parameter, (0, 1)), (COUNTED_DRAWS, numbers)) * applied[:, np.newaxis]
            side.arrays[f"drawn/{name}/{parameter}"] = (values, "NK")
    side.arrays["drawn/RandomSizedCrop/crop_height"] = side.arrays["drawn/RandomSizedCrop/crop_width"]


def streams() -> dict[str, list[list[list[str]]]]:
    numbers = iter(range(10_000))
    first, other = ([[[f"{next(numbers)}", f"{next(numbers)}"] for _ in range(IMAGES)] for _ in range(2)] for _ in range(2))
    return {
        name: other if name == "another seed" else [[list(row) for row in epoch] for epoch in first] for name in STREAM_RUNS
    }


@pytest.fixture
def run(handmade: HandmadeRun) -> HandmadeRun:
    rng = np.random.default_rng(17)
    size = (handmade.workspace.spec.height_px, handmade.workspace.spec.width_px)
    for number in range(SHOWN_DRAWS):
        handmade.both(f"image/{number}", rng.uniform(size=(*size, 3)).astype(np.float32), "HWC")
    for case, (name, _) in CASES.items():
        height, width = size if name == "Resize" else (1200, 1600)
        levels = rng.integers(0, 256, (math.ceil(height / 8), math.ceil(width / 8), 3), dtype=np.uint8)
        handmade.both(f"transform/{case}", levels / np.float32(255) if name == "ToFloat" else levels, "HWC")
    for seed, side in enumerate((handmade.legacy, handmade.port)):
        draw(side, seed)
        side.values["order"] = {f"place {place}": name for place, name in enumerate(PARAMETERS)}
        side.values["transforms"] = dict.fromkeys(CASES, "hash")
        side.values["draws"] = {f"draw {number}": ["name.jpg", "hash"] for number in range(DRAWS["probe"])}
    handmade.legacy.values["stream_images"] = IMAGES
    handmade.port.values |= {"streams": streams(), "untrained": ""}
    handmade.port.values["device"] = {f"draw {number}": [0.0, 0.0] for number in range(DEVICE_DRAWS)}
    return handmade


def failed(result: GateResult) -> list[str]:
    return [check.id.removeprefix("augment/") for check in result.checks if check.verdict is not Verdict.PASS]


def test_equal_pixels_and_draws_of_the_same_distribution_pass(run: HandmadeRun):
    result = run.compare("augment", compare)
    assert failed(result) == []
    assert result.verdict is Verdict.PASS
    assert result.expected == result.compared == (4 + 16) + (9 + 12) + 4


@pytest.mark.parametrize(("what", "key"), [("draws", "draw 7"), ("transforms", "crop"), ("order", "place 8")])
def test_another_hash_or_order_is_named(run: HandmadeRun, what: str, key: str):
    run.port.values[what][key] = "another"
    result = run.compare("augment", compare)
    assert failed(result) == [f"exact/{what}/equal"]
    assert next(check for check in result.checks if not check).worst == key


def test_draws_that_both_sides_leave_out_fail(run: HandmadeRun):
    for side in (run.legacy, run.port):
        del side.values["draws"]["draw 3"]
    assert failed(run.compare("augment", compare)) == ["exact/draws/equal"]


def test_one_level_in_one_pixel_has_a_size_and_a_place(run: HandmadeRun):
    run.port.arrays["transform/hsv down"][0][5, 6, 1] ^= 1
    run.port.arrays["image/2"][0][3, 4, 2] += np.float32(1 / 255)
    result = run.compare("augment", compare)
    assert failed(result) == ["exact/transform/max_abs", "exact/image/max_abs"]
    assert [(check.worst, check.observed) for check in result.checks if not check] == [
        ("hsv down", 1.0),
        ("2", pytest.approx(1 / 255, rel=1e-5)),
    ]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([9e-4, 1 / 255], []),  # OpenCV's other code, at the worst
        ([9e-4, 2 / 255], ["max_abs"]),
        ([2e-3, 1 / 255], ["share"]),
        ([1.0, 1.0], ["share", "max_abs"]),
        (None, ["share", "max_abs"]),
    ],
)
def test_augmentation_on_the_device_is_held_against_albumentations(run: HandmadeRun, found: list[float], expected: list[str]):
    run.port.values["device"] |= {"draw 5": found}
    if found is None:
        del run.port.values["device"]["draw 5"]
    result = run.compare("augment", compare)
    assert failed(result) == [f"none/device/{name}" for name in expected]
    assert all(check.worst == "draw 5" for check in result.checks if not check)


def test_a_transform_that_is_missing_fails(run: HandmadeRun):
    for parameter in ("applied", "gamma"):
        del run.port.arrays[f"drawn/RandomGamma/{parameter}"]
    assert failed(run.compare("augment", compare)) == [
        "none/drawn/RandomGamma/applied/present",
        "none/drawn/RandomGamma/gamma/present",
    ]


def test_another_rate_fails(run: HandmadeRun):
    applied = run.port.arrays["drawn/VerticalFlip/applied"][0]
    applied[np.flatnonzero(applied == 0)[:350]] = 1
    result = run.compare("augment", compare)
    assert failed(result) == ["none/VerticalFlip/rate"]
    rates = [run_side.arrays["drawn/VerticalFlip/applied"][0].mean() for run_side in (run.legacy, run.port)]
    check = next(check for check in result.checks if not check)
    assert check.worst == f"legacy / port: {rates[0]:.4f} / {rates[1]:.4f}"
    pooled = sum(rates) / 2
    assert check.observed == pytest.approx((rates[1] - rates[0]) / math.sqrt(pooled * (1 - pooled) * 2 / 5000))


@pytest.mark.parametrize(
    ("fault", "measure"),
    [
        (lambda values: values * 1.06, ["range"]),
        (lambda values: np.clip(values, -19, 19), ["range"]),
        (lambda values: np.abs(values), ["kolmogorov_smirnov", "range"]),
        (lambda values: np.sign(values) * np.cbrt(np.abs(values) / 20) * 20, ["kolmogorov_smirnov"]),
    ],
    ids=["wider", "narrower", "one-sided", "not uniform"],
)
def test_another_distribution_of_a_parameter_fails(run: HandmadeRun, fault: Callable, measure: list[str]):
    values, axes = run.port.arrays["drawn/HueSaturationValue/sat_shift"]
    run.port.arrays["drawn/HueSaturationValue/sat_shift"] = (fault(values), axes)
    assert failed(run.compare("augment", compare)) == [f"none/HueSaturationValue/sat_shift/{name}" for name in measure]


def test_a_crop_of_another_shape_fails(run: HandmadeRun):
    values, axes = run.port.arrays["drawn/RandomSizedCrop/crop_width"]
    run.port.arrays["drawn/RandomSizedCrop/crop_width"] = (values * 4 / 3, axes)
    result = run.compare("augment", compare)
    assert failed(result)[-1] == "none/RandomSizedCrop/ratio"
    check = next(check for check in result.checks if check.id.endswith("/ratio"))
    assert check.observed == pytest.approx(1 / 3)
    assert check.worst == "legacy / port: 1.0000 to 1.0000 / 1.3333 to 1.3333, stretched 1.3333 / 1.0000 times"


def test_a_transform_that_is_never_applied_fails(run: HandmadeRun):
    run.port.arrays["drawn/RandomSizedCrop/applied"][0][:] = 0
    result = run.compare("augment", compare)
    assert "none/RandomSizedCrop/rate" in failed(result)
    assert result.verdict is Verdict.FAIL


def test_the_distance_of_two_samples_is_that_of_the_empirical_distributions():
    rng = np.random.default_rng(3)
    first, second = np.round(rng.normal(size=301), 1), np.round(rng.normal(0.2, 1.1, 257), 1)  # with ties
    by_hand = max(abs((first <= place).mean() - (second <= place).mean()) for place in {*first, *second})
    assert kolmogorov_smirnov(first, second) == pytest.approx(by_hand)


@pytest.mark.parametrize("false_alarm", [1e-9, 1e-3])
def test_the_critical_distance_is_scipys(false_alarm: float):
    expected = kstwobign.isf(false_alarm) * math.sqrt((1000 + 2000) / (1000 * 2000))
    assert kolmogorov_smirnov_limit((1000, 2000), false_alarm) == pytest.approx(expected, rel=1e-6)


def test_rates_and_ranges_at_their_edges():
    never, always = np.zeros(10, np.uint8), np.ones(10, np.uint8)
    assert rate_deviation(never, never) == rate_deviation(always, always) == 0
    assert rate_deviation(never, always) == pytest.approx(math.sqrt(20))
    assert range_difference(np.array([1.0, 1.0]), np.array([1.0])) == 0
    assert range_difference(np.array([1.0, 1.0]), np.array([1.1])) == math.inf
    assert range_difference(np.array([0.0, 4.0]), np.array([-1.0, 3.5])) == 0.25


def stream_failures(runs: dict[str, list[list[list[str]]]]) -> list[str]:
    return [check.id.removeprefix("augment/exact/streams/") for check in stream_checks(runs, IMAGES) if not check]


def test_streams_of_their_own_pass():
    assert stream_failures(streams()) == []


def test_a_stream_that_comes_in_two_epochs_fails():
    runs = streams()
    for name in ("0 workers", "0 workers again", "2 workers"):
        runs[name][1][2] = list(runs[name][0][1])
    assert stream_failures(runs) == ["0_workers/repeated", "0_workers_again/repeated", "2_workers/repeated"]


def test_one_generator_that_has_the_numbers_of_the_other_fails():
    runs = streams()
    runs["another seed"][0] = [[number, number] for number, _ in runs["another seed"][0]]
    assert stream_failures(runs) == ["another_seed/repeated"]


def test_workers_with_streams_of_their_own_fail():
    runs = streams()
    runs["2 workers"][0][3][0] += "0"
    assert stream_failures(runs) == ["2_workers/equal"]


def test_a_seed_that_does_not_count_fails():
    runs = streams()
    runs["another seed"] = runs["0 workers"]
    assert stream_failures(runs) == ["another_seed/common"]


@pytest.mark.parametrize("fault", [lambda runs: runs.clear(), lambda runs: [run[1].clear() for run in runs.values()]])
def test_streams_that_are_not_there_fail(fault: Callable):
    runs = streams()
    fault(runs)
    assert {"0_workers/repeated", "2_workers/repeated"} <= set(stream_failures(runs))


class RandomGamma:
    """A transform as albumentations has it, in as few lines as possible."""

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma

    def __call__(self, image: np.ndarray) -> np.ndarray:
        self.gamma += 0.25
        return self.apply(image, gamma=self.gamma, rows=image.shape[0]) if self.gamma != 1.25 else image

    def apply(self, image: np.ndarray, gamma: float, rows: int) -> np.ndarray:
        return image + np.uint8(gamma * rows)


class Pipeline:
    def __init__(self) -> None:
        self.transforms = [RandomGamma(0.75)]

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        for transform in self.transforms:
            image = transform(image)
        return {"image": image}


def test_what_a_pipeline_draws_is_kept_without_touching_it_or_the_image():
    pipeline = Pipeline()
    drawn = DrawnParameters(pipeline)
    image = object()
    assert [drawn(image=image)["image"] for _ in range(3)] == [image] * 3
    assert drawn.applied["RandomGamma"][:4].tolist() == [1, 0, 1, 0]
    assert drawn.values["RandomGamma", "gamma"][:4].tolist() == [[1.0], [0.0], [1.5], [0.0]]
    assert pipeline.transforms[0].gamma == 0.75
    assert pipeline.transforms[0].apply(np.zeros(1), 1.0, 2) == 2


def test_every_case_goes_through_the_live_transform_with_its_parameters():
    class Live:
        def update_params(self, parameters: dict, image: np.ndarray) -> dict:
            return parameters | {"rows": len(image)}

        def apply(self, image: np.ndarray, **parameters: object) -> np.ndarray:
            return np.array([type(self).__name__, *map(str, parameters), str(parameters["rows"])])

    pipeline = Pipeline()
    pipeline.transforms = [type(name, (Live,), {})() for name in PARAMETERS]
    results = dict(apply_cases(pipeline, np.zeros((7, 2, 3))))
    assert list(results) == list(CASES)
    for case, (name, injected) in CASES.items():
        assert results[case].tolist() == [name, *injected, "rows", "7"]
        assert set(injected) <= set(PARAMETERS[name])
    pipeline.transforms.pop(0)
    assert "horizontal flip" not in dict(apply_cases(pipeline, np.zeros((7, 2, 3))))


def test_a_case_without_its_transform_fails(run: HandmadeRun):
    del run.port.values["transforms"]["crop"]
    del run.port.arrays["transform/crop"]
    assert failed(run.compare("augment", compare)) == ["none/transform/crop/present", "exact/transforms/equal"]
