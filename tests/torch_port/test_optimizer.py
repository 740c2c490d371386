"""Keras's Adam against its formula in numpy, and against numbers that tensorflow 2.15.1 gave."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from torch_port.errors import InputError
from torch_port.optimizer import KerasAdam, round_to_dtype

START = np.array([0.5, -0.25, 0.0])
GRADIENTS = (
    np.array([1e-9, -3.0, 2e-4]),
    np.array([-2e-9, 1.5, 0.0]),
    np.array([4e-9, 700.0, -1e-7]),
)


def formula(dtype: type[np.floating], learning_rates: list[float]) -> np.ndarray:
    """Keras 2.15's `Adam.update_step`, written down again: the betas of the corrections are rounded to float32."""
    w, m, v = START.astype(dtype), np.zeros(3, dtype), np.zeros(3, dtype)
    beta_1, beta_2 = dtype(np.float32(0.9)), dtype(np.float32(0.999))
    for step, (gradient, lr) in enumerate(zip(GRADIENTS, learning_rates, strict=True), start=1):
        g = gradient.astype(dtype)
        alpha = dtype(lr) * np.sqrt(1 - beta_2 ** dtype(step)) / (1 - beta_1 ** dtype(step))
        m += (g - m) * dtype(1 - 0.9)
        v += (g * g - v) * dtype(1 - 0.999)
        w -= m * alpha / (np.sqrt(v) + dtype(1e-7))
    return w


def parameter(values: np.ndarray = START, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(values, dtype=dtype).requires_grad_()


def descend(optimizer: KerasAdam, weight: Tensor, gradients: tuple[np.ndarray, ...] = GRADIENTS) -> None:
    for gradient in gradients:
        weight.grad = torch.tensor(gradient, dtype=weight.dtype)
        optimizer.step()


@pytest.mark.parametrize(("dtype", "number", "error"), [(torch.float64, np.float64, 1e-15), (torch.float32, np.float32, 3e-7)])
def test_three_steps_are_the_formula(dtype: torch.dtype, number: type[np.floating], error: float):
    weight = parameter(dtype=dtype)
    descend(KerasAdam([weight]), weight)
    np.testing.assert_allclose(weight.detach().numpy(), formula(number, [1e-4] * 3), rtol=error, atol=0)


def test_one_step_is_what_keras_makes_of_it():
    """`tf.keras.optimizers.Adam(1e-4)` of tensorflow 2.15.1 in float64: torch's Adam would go 9.1e-5 instead of 2.4e-5."""
    weight = parameter(np.array([1.0]))
    descend(KerasAdam([weight]), weight, (np.array([1e-6]),))
    assert weight.item() == pytest.approx(0.9999759748530515, rel=1e-15)


def test_the_learning_rate_may_change_between_steps():
    weight = parameter()
    optimizer = KerasAdam([weight])
    descend(optimizer, weight, GRADIENTS[:2])
    optimizer.set_learning_rate(1e-5)
    descend(optimizer, weight, GRADIENTS[2:])
    np.testing.assert_allclose(weight.detach().numpy(), formula(np.float64, [1e-4, 1e-4, 1e-5]), rtol=1e-15)


def test_without_a_gradient_a_parameter_stays_and_counts_on():
    """Keras counts the optimizer's steps: the second parameter's first update is corrected as a second step."""
    steady, late = parameter(), parameter()
    optimizer = KerasAdam([steady, late])
    steady.grad = torch.ones(3, dtype=torch.float64)
    optimizer.step()
    assert late not in optimizer.state
    assert torch.equal(late, parameter())
    late.grad = torch.ones(3, dtype=torch.float64)
    optimizer.step()
    assert optimizer.state[late]["step"] == 2
    beta_1, beta_2 = float(np.float32(0.9)), float(np.float32(0.999))
    alpha = 1e-4 * np.sqrt(1 - beta_2**2) / (1 - beta_1**2)
    moved = alpha * (1 - 0.9) / (np.sqrt(1 - 0.999) + 1e-7)
    np.testing.assert_allclose((parameter() - late).detach().numpy(), moved, rtol=1e-12)


def test_nothing_moves_without_gradients():
    weight = parameter()
    optimizer = KerasAdam([weight])
    optimizer.step()
    assert torch.equal(weight, parameter())
    assert not optimizer.state


def test_a_closure_is_called_with_gradients_enabled():
    weight = parameter()
    optimizer = KerasAdam([weight])

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (weight**2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == pytest.approx(0.3125)
    assert optimizer.state[weight]["step"] == 1


def test_its_state_goes_round():
    weight = parameter()
    optimizer = KerasAdam([weight])
    descend(optimizer, weight, GRADIENTS[:2])
    copied = parameter(weight.detach().numpy())
    resumed = KerasAdam([copied], lr=0.5)
    resumed.load_state_dict(optimizer.state_dict())
    descend(resumed, copied, GRADIENTS[2:])
    np.testing.assert_allclose(copied.detach().numpy(), formula(np.float64, [1e-4] * 3), rtol=1e-15)


def test_a_state_from_a_file_lies_as_its_parameters_do():
    """What a file holds is in row-major order; beside a kernel in channels_last a step would take three times as long."""
    kernel = torch.nn.Parameter(torch.arange(120.0).reshape(2, 5, 4, 3).contiguous(memory_format=torch.channels_last))
    optimizer = KerasAdam([kernel])
    kernel.grad = torch.ones_like(kernel) * kernel.detach()
    optimizer.step()
    state = optimizer.state_dict()
    before = {name: state["state"][0][name].clone() for name in ("m", "v")}
    state["state"][0] |= {name: moment.contiguous() for name, moment in before.items()}
    resumed = KerasAdam([kernel])
    resumed.load_state_dict(state)
    for name, moment in before.items():
        assert resumed.state[kernel][name].stride() == kernel.stride() == moment.stride()
        assert torch.equal(resumed.state[kernel][name], moment)


def test_the_learning_rate_is_kept_in_the_parameters_precision():
    assert KerasAdam([parameter(dtype=torch.float32)]).param_groups[0]["lr"] == 9.999999747378752e-05
    assert KerasAdam([parameter()]).param_groups[0]["lr"] == 1e-4
    optimizer = KerasAdam([{"params": [parameter(dtype=torch.float32)]}, {"params": [parameter()], "lr": 0.3}])
    assert [group["lr"] for group in optimizer.param_groups] == [round_to_dtype(1e-4, torch.float32), 0.3]
    optimizer.set_learning_rate(1e-5)
    assert [group["lr"] for group in optimizer.param_groups] == [float(np.float32(1e-5)), 1e-5]


@pytest.mark.parametrize(
    ("name", "value"),
    [("lr", -1e-4), ("lr", float("nan")), ("lr", float("inf")), ("beta_1", 1.0), ("beta_2", -0.1), ("epsilon", -1e-7)],
)
def test_a_number_out_of_range_is_named(name: str, value: float):
    with pytest.raises(
        InputError, match=f"`{name}` must be .*, got {value!r} in the optimizer's arguments; give such a number"
    ):
        KerasAdam([parameter()], **{name: value})


@pytest.mark.parametrize("dtypes", [(torch.float32, torch.float64), (torch.bfloat16,)])
def test_precisions_are_not_mixed(dtypes: tuple[torch.dtype, ...]):
    with pytest.raises(InputError, match="`parameters` must be all float32 or all float64, got torch"):
        KerasAdam([parameter(dtype=dtype) for dtype in dtypes])
