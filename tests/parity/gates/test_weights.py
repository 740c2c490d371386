"""Every tensor at its place, and a fresh model filled as Keras does; each way either can be wrong."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

from parity.architecture import Tensor, tensors
from parity.artefact import permute_axes
from parity.fresh import _deviations, describe
from parity.gates.weights import compare as weights_compare
from parity.gates.weights.compare import compare
from parity.kernels import glorot_bound
from parity.verdict import Check, GateResult, Verdict

from .conftest import HandmadeRun

# A small part of the network, with a tensor of each kind: the whole of it has 24 million weights.
PARTS = ("conv1_conv/", "conv2_block1_1_", "conv2_block1_3_conv/", "prev_dense/", "last_dense/")
SMALL = tuple(tensor for tensor in tensors(3) if tensor.legacy.startswith(PARTS))
NAMES = {"legacy": {tensor.legacy: tensor for tensor in SMALL}, "port": {tensor.port: tensor for tensor in SMALL}}


def draw(tensor: Tensor, rng: np.random.Generator) -> np.ndarray:
    """Return a fresh tensor, from the definitions of Glorot uniform and of Keras's constants."""
    what = tensor.legacy.rpartition("/")[2]
    if what == "kernel":
        window = tensor.shape[:-2]
        fans = [math.prod(window) * channels for channels in tensor.shape[-2:]]
        return rng.uniform(-1.0, 1.0, tensor.shape).astype(np.float32) * np.float32((6.0 / sum(fans)) ** 0.5)
    ones = what in ("gamma", "moving_variance")
    return np.ones(tensor.shape, np.float32) if ones else np.zeros(tensor.shape, np.float32)


@pytest.fixture
def run(handmade: HandmadeRun, monkeypatch: pytest.MonkeyPatch) -> HandmadeRun:
    monkeypatch.setattr(weights_compare, "tensors", lambda classes: SMALL)
    rng = np.random.default_rng(17)
    for tensor in SMALL:
        values = rng.normal(size=tensor.shape).astype(np.float32)
        handmade.legacy.arrays[tensor.legacy] = (values, tensor.axes)
        moved = permute_axes(values, tensor.axes, tensor.port_axes).copy()
        handmade.port.arrays[tensor.port] = (moved, tensor.port_axes)
    for name, side in (("legacy", handmade.legacy), ("port", handmade.port)):
        side.values["fresh"] = {key: describe(draw(tensor, rng)) for key, tensor in NAMES[name].items()}
    return handmade


def failed(result: GateResult) -> list[str]:
    return [check.id for check in result.checks if check.verdict is Verdict.FAIL]


def check_of(result: GateResult, check_id: str) -> Check:
    return next(check for check in result.checks if check.id == check_id)


def test_equal_tensors_and_fresh_models_pass(run: HandmadeRun):
    result = run.compare("weights", compare)
    assert result.verdict is Verdict.PASS
    assert result.expected == result.compared == len(SMALL) + 2
    assert len(result.checks) == 2 + len(SMALL) + 2 * 5


def test_one_element_that_differs_is_counted_where_it_is(run: HandmadeRun):
    run.port.arrays["conv1.weight"][0][3, 2, 1, 0] += np.float32(1e-6)
    result = run.compare("weights", compare)
    assert failed(result) == ["weights/exact/conv1_conv/kernel/elements"]
    assert (check_of(result, failed(result)[0]).observed, check_of(result, failed(result)[0]).worst) == (1.0, "conv1.weight")


def test_a_kernel_that_was_not_transposed_fails(run: HandmadeRun):
    name = "conv2.block1.conv1.weight"  # 64 x 64: its shape cannot tell
    values, axes = run.port.arrays[name]
    run.port.arrays[name] = (values.transpose(1, 0, 2, 3).copy(), axes)
    assert failed(run.compare("weights", compare)) == ["weights/exact/conv2_block1_1_conv/kernel/elements"]


@pytest.mark.parametrize(
    ("side", "name", "found"),
    [
        ("legacy", "prev_dense/bias", ["weights/exact/legacy/names", "weights/exact/prev_dense/bias/elements"]),
        ("port", "prev_dense.bias", ["weights/exact/port/names", "weights/exact/prev_dense/bias/elements"]),
    ],
)
def test_a_missing_tensor_fails(run: HandmadeRun, side: str, name: str, found: list[str]):
    del getattr(run, side).arrays[name]
    result = run.compare("weights", compare)
    assert failed(result) == found
    assert result.compared == result.expected - 1


def test_an_extra_tensor_fails(run: HandmadeRun):
    run.port.arrays["pool1.0.weight"] = (np.ones(64, np.float32), "O")
    assert failed(run.compare("weights", compare)) == ["weights/exact/port/names"]


@pytest.mark.parametrize("whole", [True, False])
def test_a_converter_that_refused_fails_first_with_its_words(run: HandmadeRun, whole: bool):
    run.port.values["refused"] = "ConversionError: conv1_conv/kernel has another shape"
    if not whole:
        del run.port.arrays["conv1.weight"]
    result = run.compare("weights", compare)
    first = result.first_failure
    assert first is not None
    assert first.id == "weights/none/port/converted"
    assert len(failed(result)) == (1 if whole else 3), "the missing tensor and its name come after"
    assert first.reason == "the port's converter says: ConversionError: conv1_conv/kernel has another shape"


@pytest.mark.parametrize("side", ["legacy", "port"])
def test_no_fresh_model_fails(run: HandmadeRun, side: str):
    del getattr(run, side).values["fresh"]
    result = run.compare("weights", compare)
    assert failed(result) == [f"weights/exact/fresh/{side}/names"]
    assert check_of(result, failed(result)[0]).observed == len(SMALL)
    assert check_of(result, f"weights/float32/fresh/{side}/std").verdict is Verdict.NOT_RUN


@pytest.mark.parametrize(
    ("name", "figures"),
    [("conv9.weight", {}), ("conv1.weight", {"n": 1}), ("conv1.weight", None)],
    ids=["extra", "of another size", "missing"],
)
def test_a_fresh_model_of_other_tensors_fails(run: HandmadeRun, name: str, figures: dict[str, float] | None):
    fresh = copy.deepcopy(run.port.values["fresh"])
    assert isinstance(fresh, dict)
    fresh[name] = fresh["conv1.weight"] | figures if figures is not None else {}
    if figures is None:
        del fresh[name]
    run.port.values["fresh"] = fresh
    result = run.compare("weights", compare)
    assert failed(result) == ["weights/exact/fresh/port/names"]
    assert check_of(result, failed(result)[0]).worst == name


def refill(run: HandmadeRun, name: str, values: np.ndarray) -> GateResult:
    """Give the fresh port another tensor."""
    fresh = run.port.values["fresh"]
    assert isinstance(fresh, dict)
    fresh[name] = describe(values.astype(np.float32))
    return run.compare("weights", compare)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("conv1.bias", 0.01),
        ("last_dense.bias", -0.06),
        ("conv2.block1.bn1.weight", 0.0),
        ("conv2.block1.bn1.bias", 1e-9),
        ("conv2.block1.bn1.running_mean", 0.1),
        ("conv2.block1.bn1.running_var", 0.0),
    ],
)
def test_a_constant_that_is_another_fails(run: HandmadeRun, name: str, value: float):
    tensor = NAMES["port"][name]
    values = draw(tensor, np.random.default_rng(17))
    values[5 % values.size] = value
    result = refill(run, name, values)
    assert failed(result) == ["weights/exact/fresh/port/constants"]
    assert check_of(result, failed(result)[0]).worst == name


@pytest.mark.parametrize("name", ["conv1.weight", "conv2.block1.conv3.weight", "prev_dense.weight", "last_dense.weight"])
@pytest.mark.parametrize(
    ("distribution", "found"),
    [
        ("torch's own", ["std"]),
        ("He uniform", ["past_bound"]),
        ("normal of the same width", ["past_bound"]),
        ("all positive", ["mean", "std"]),
        ("not a number", ["past_bound", "mean", "std"]),
    ],
)
def test_another_distribution_fails(run: HandmadeRun, name: str, distribution: str, found: list[str]):
    tensor = NAMES["port"][name]
    *window, channels, _ = tensor.shape
    fan_in, bound = math.prod(window) * channels, glorot_bound(tensor.shape)
    rng = np.random.default_rng(17)
    values = {
        "torch's own": rng.uniform(-1.0, 1.0, tensor.shape) / fan_in**0.5,
        "He uniform": rng.uniform(-1.0, 1.0, tensor.shape) * (6.0 / fan_in) ** 0.5,
        "normal of the same width": rng.normal(0.0, bound / 3.0**0.5, tensor.shape),
        "all positive": rng.uniform(0.0, bound, tensor.shape),
        "not a number": np.full(tensor.shape, np.nan),
    }[distribution]
    result = refill(run, name, values)
    assert {f"weights/float32/fresh/port/{what}" for what in found} <= set(failed(result))
    assert all(check_of(result, check_id).worst == name for check_id in failed(result))


def test_the_bound_is_glorot_s():
    bounds = {tensor.legacy: glorot_bound(tensor.shape) for tensor in SMALL if tensor.legacy.endswith("kernel")}
    assert bounds["conv1_conv/kernel"] == pytest.approx((6.0 / (49 * 3 + 49 * 64)) ** 0.5)
    assert bounds["conv2_block1_3_conv/kernel"] == pytest.approx((6.0 / (64 + 256)) ** 0.5)
    assert bounds["last_dense/kernel"] == pytest.approx((6.0 / (256 + 3)) ** 0.5)


def test_standard_errors_are_those_of_a_uniform_distribution(run: HandmadeRun):
    """Over many fresh kernels the deviations in standard errors have a root mean square of one."""
    rng = np.random.default_rng(17)
    kernel = NAMES["legacy"]["last_dense/kernel"]
    found = [_deviations(kernel, describe(draw(kernel, rng))) for _ in range(4000)]
    for what in ("mean", "std"):
        assert np.mean([row[what] ** 2 for row in found]) == pytest.approx(1.0, abs=0.07)
