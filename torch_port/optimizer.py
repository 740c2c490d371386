"""Adam as Keras 2.15 computes it: the legacy's optimizer, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torch_port.errors import InputError


class KerasAdam(torch.optim.Optimizer):
    """Counterpart of ``tf.keras.optimizers.Adam``, with which ``legacy_tf.traintest.compile_model`` compiles.

    Where ``torch.optim.Adam`` differs:

    - the bias corrections are powers of the betas rounded to float32, in whatever precision (``tf.cast`` of a Python
      float goes through float32); the moments are updated with the exact betas;
    - epsilon is added to the root of the uncorrected second moment;
    - steps are counted for the optimizer, not for each parameter: one that had no gradient in a step is left alone, and
      its next correction is that of the others.

    The learning rate is kept in the parameters' precision, as in Keras. The state of a parameter is ``m``, ``v`` and
    ``step``, the number of the step that updated it last.

    Args:
        parameters: Parameters, or groups of them; all parameters of a group have one floating-point dtype.
        lr: Learning rate.
        beta_1: Share that is kept of the first moment.
        beta_2: Share that is kept of the second moment.
        epsilon: Added to the divisor.

    Raises:
        InputError: A number is out of its range, or a group has more than one dtype.

    References:
        Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015: the formulation before section 2.1, whose
        epsilon is called epsilon hat there.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-4,
        *,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Check a group of parameters and add it."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        _check_group(group)
        group["lr"] = round_to_dtype(group["lr"], group["params"][0].dtype)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Give all groups this learning rate, rounded to the parameters' dtype."""
        for group in self.param_groups:
            group["lr"] = round_to_dtype(learning_rate, group["params"][0].dtype)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state, and lay its moments out as the parameters are: what a file holds is in row-major order."""
        super().load_state_dict(state_dict)
        for parameter, state in self.state.items():
            for name in ("m", "v"):
                state[name] = torch.empty_like(parameter).copy_(state[name])

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """Update every parameter that has a gradient; return what ``closure`` returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        step = 1 + max((state["step"] for state in self.state.values()), default=0)
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            for part in split_parameters(parameters):
                self._update(part, group, step)
        return loss

    def _update(self, parameters: list[Tensor], group: dict[str, Any], step: int) -> None:
        """Update parameters in the legacy's order of operations (torch's float32 root may differ in the last bit)."""
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["m"], state["v"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            state["step"] = step
        gradients = [parameter.grad for parameter in parameters]
        m = [self.state[parameter]["m"] for parameter in parameters]
        v = [self.state[parameter]["v"] for parameter in parameters]
        torch._foreach_lerp_(m, gradients, 1 - group["beta_1"])
        torch._foreach_lerp_(v, torch._foreach_mul(gradients, gradients), 1 - group["beta_2"])
        divisor = torch._foreach_sqrt(v)
        torch._foreach_add_(divisor, group["epsilon"])
        learning_rate = corrected_learning_rate(group, step, parameters[0].dtype)
        torch._foreach_addcdiv_(parameters, m, divisor, value=-learning_rate)


def split_parameters(parameters: list[Tensor]) -> list[list[Tensor]]:
    """Return what is updated together: on a GPU all of one device, in few launches; on a CPU one, which stays in its cache."""
    if all(parameter.is_cuda for parameter in parameters):
        return [parameters] if parameters else []
    return [[parameter] for parameter in parameters]


def corrected_learning_rate(group: dict[str, Any], step: int, dtype: torch.dtype) -> float:
    """Return the learning rate times both bias corrections, computed in ``dtype``.

    Args:
        group: ``lr``, ``beta_1`` and ``beta_2``.
        step: Number of the step, from 1.
        dtype: Dtype of the parameters.
    """
    number = _numpy_type(dtype)
    beta_1, beta_2 = (number(np.float32(group[name])) for name in ("beta_1", "beta_2"))
    one, power = number(1), number(step)
    return float(number(group["lr"]) * np.sqrt(one - beta_2**power) / (one - beta_1**power))


def round_to_dtype(value: float, dtype: torch.dtype) -> float:
    """Return ``value`` as ``dtype`` holds it.

    >>> round_to_dtype(1e-4, torch.float32)
    9.999999747378752e-05
    """
    return float(_numpy_type(dtype)(value))


def _numpy_type(dtype: torch.dtype) -> type[np.floating[Any]]:
    return np.float64 if dtype == torch.float64 else np.float32


def _check_group(group: dict[str, Any]) -> None:
    ranges = {
        "lr": ("be finite and at least 0", lambda value: 0 <= value < float("inf")),
        "beta_1": ("be at least 0 and below 1", lambda value: 0 <= value < 1),
        "beta_2": ("be at least 0 and below 1", lambda value: 0 <= value < 1),
        "epsilon": ("be finite and at least 0", lambda value: 0 <= value < float("inf")),
    }
    for name, (must, holds) in ranges.items():
        if not holds(group[name]):
            raise InputError.about(
                name, must=must, got=repr(group[name]), place="the optimizer's arguments", remedy="give such a number"
            )
    dtypes = {parameter.dtype for parameter in group["params"]}
    if len(dtypes) != 1 or not dtypes <= {torch.float32, torch.float64}:
        names = ", ".join(sorted(str(dtype) for dtype in dtypes)) or "no parameter"
        raise InputError.about(
            "parameters",
            must="be all float32 or all float64",
            got=names,
            place="a parameter group",
            remedy="give each dtype a group of its own",
        )
