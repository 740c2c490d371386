"""The gradients gate: every tensor by itself, those without a gradient absolutely."""

from __future__ import annotations

import numpy as np
import pytest

from parity.gates.gradients import compare as module
from parity.gates.gradients.compare import compare
from parity.training import HEIGHT_PX, STEPPED, TRAINABLE, WIDTH_PX, is_without_gradient
from parity.verdict import Check, GateResult, Verdict

from .conftest import HandmadeRun

NAMES = ("conv1_conv/kernel", "conv2_block1_0_conv/bias", "conv2_block1_1_bn/gamma", "last_dense/kernel")
FEW = tuple(tensor for tensor in TRAINABLE if tensor.legacy in NAMES)


@pytest.fixture
def run(handmade: HandmadeRun, monkeypatch: pytest.MonkeyPatch) -> HandmadeRun:
    """A batch of two and four tensors: all 176 are 24 million numbers."""
    monkeypatch.setattr(module, "TRAINABLE", FEW)
    rng = np.random.default_rng(17)
    handmade.both("inputs/images", rng.uniform(size=(2, HEIGHT_PX, WIDTH_PX, 3)).astype(np.float32), "NHWC")
    handmade.both("inputs/labels", np.eye(3, dtype=np.float32)[:2], "NK")
    handmade.both("inputs/mask", 2.0 * rng.integers(0, 2, (2, 256)), "NC")
    for tensor in FEW:
        scale = 1e-15 if is_without_gradient(tensor.legacy) else 1.0
        gradient = rng.normal(scale=scale, size=tensor.shape)
        handmade.legacy.arrays[f"float64/{tensor.legacy}"] = (gradient, tensor.axes)
        order = [tensor.axes.index(letter) for letter in tensor.port_axes]
        handmade.port.arrays[f"float64/{tensor.legacy}"] = (gradient.transpose(order).copy(), tensor.port_axes)
    for side in (handmade.legacy, handmade.port):
        side.values["stepped"] = dict.fromkeys(STEPPED, True)
    return handmade


def failed(result: GateResult) -> list[str]:
    return [check.id for check in result.checks if check.verdict is not Verdict.PASS]


def find(result: GateResult, check_id: str) -> Check:
    return next(check for check in result.checks if check.id == check_id)


def test_equal_gradients_pass(run: HandmadeRun):
    result = run.compare("gradients", compare)
    assert failed(result) == []
    assert result.expected == result.compared == 3 + 1 + len(FEW)


def test_there_are_twenty_tensors_without_a_gradient():
    assert sum(is_without_gradient(tensor.legacy) for tensor in TRAINABLE) == 20
    assert len(TRAINABLE) == 274 - 2 * 49


def test_a_step_must_change_all_but_those_and_the_first_bias():
    left = {tensor.legacy for tensor in TRAINABLE} - set(STEPPED)
    assert left == {"conv1_conv/bias", *(tensor.legacy for tensor in TRAINABLE if is_without_gradient(tensor.legacy))}
    assert len(STEPPED) == len(TRAINABLE) - 21


def test_a_tensor_that_the_port_s_step_leaves_alone_is_named(run: HandmadeRun):
    run.port.values["stepped"] = dict.fromkeys(STEPPED, True) | {"conv3_block2_2_bn/beta": False}
    result = run.compare("gradients", compare)
    assert failed(result) == ["gradients/exact/stepped/equal"]
    check = find(result, "gradients/exact/stepped/equal")
    assert (check.observed, check.n, check.worst) == (1.0, len(STEPPED), "conv3_block2_2_bn/beta")
    assert check.reason == "legacy / port: conv3_block2_2_bn/beta: True / False"


@pytest.mark.parametrize("sides", [("port",), ("legacy",), ("legacy", "port")], ids=" and ".join)
def test_a_tensor_that_is_missing_from_the_table_fails(run: HandmadeRun, sides: tuple[str, ...]):
    for side in sides:
        getattr(run, side).values["stepped"] = {name: True for name in STEPPED if name != "last_dense/bias"}
    result = run.compare("gradients", compare)
    assert failed(result) == ["gradients/exact/stepped/equal"]
    assert find(result, "gradients/exact/stepped/equal").worst == "last_dense/bias"


def test_no_table_of_changed_tensors_fails(run: HandmadeRun):
    del run.port.values["stepped"]
    result = run.compare("gradients", compare)
    assert failed(result) == ["gradients/exact/stepped/equal"]
    assert find(result, "gradients/exact/stepped/equal").observed == len(STEPPED)


def test_a_wrong_element_names_its_tensor(run: HandmadeRun):
    run.port.arrays["float64/last_dense/kernel"][0][1, 7] += 1e-9
    result = run.compare("gradients", compare)
    place = "gradients/float64/last_dense/kernel"
    assert failed(result) == [f"{place}/max_rel", f"{place}/norm_rel"]
    assert result.first_failure is not None
    assert result.first_failure.worst == "last_dense.weight"


def test_noise_where_there_is_no_gradient_passes_and_a_gradient_does_not(run: HandmadeRun):
    name = "float64/conv2_block1_0_conv/bias"
    run.port.arrays[name] = (-run.port.arrays[name][0], "O")
    assert run.compare("gradients", compare).verdict is Verdict.PASS
    run.port.arrays[name][0][0] = 1e-11
    assert failed(run.compare("gradients", compare)) == ["gradients/float64/conv2_block1_0_conv/bias/max_abs"]


def test_a_tensor_without_a_gradient_in_the_port_fails(run: HandmadeRun):
    del run.port.arrays["float64/conv1_conv/kernel"]  # a frozen backbone
    result = run.compare("gradients", compare)
    assert result.verdict is Verdict.FAIL
    assert "float64/conv1_conv/kernel is missing" in str(result.first_failure)


def test_another_mask_is_seen(run: HandmadeRun):
    run.port.arrays["inputs/mask"][0][0, 0] = 2.0 - run.port.arrays["inputs/mask"][0][0, 0]
    assert failed(run.compare("gradients", compare)) == ["gradients/exact/inputs/arrays"]
