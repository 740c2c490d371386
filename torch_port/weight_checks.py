"""What can be wrong with a set of weights, all of it said at once; and filling a model with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from torch_port.errors import WeightsError, count_of
from torch_port.model import Classifier


def list_tensor_faults(name: str, tensor: Tensor, shape: tuple[int, ...]) -> list[str]:
    """Return a line for each fault of a tensor that must have this shape."""
    faults = []
    if tuple(tensor.shape) != shape:
        faults.append(f"{name}: shape {tuple(tensor.shape)} instead of {shape}")
    wrong = int((~torch.isfinite(tensor)).sum())
    if wrong:
        faults.append(f"{name}: {wrong} of {tensor.numel()} values are not finite")
    if name.endswith(("/moving_variance", ".running_var")) and bool((tensor < 0).any()):
        faults.append(f"{name}: negative variances")
    return faults


def list_class_faults(model: Classifier, last_bias: np.ndarray | Tensor | None, classes: str = "") -> list[str]:
    """Return a line if the last layer's bias is not for as many classes as the model has."""
    expected = model.last_dense.out_features
    if last_bias is None or last_bias.ndim != 1 or len(last_bias) == expected:
        return []
    named = f" ({classes})" if classes else ""
    return [f"the last layer has {len(last_bias)} classes{named}, {expected} were asked for"]


def refuse_faults(model: Classifier, faults: Sequence[str], *, place: object, remedy: str) -> None:
    """Raise one error with every fault, if there is any.

    Raises:
        WeightsError: There is.
    """
    if faults:
        raise WeightsError.about(
            "weights",
            must=f"be every tensor of {type(model).__name__} for {model.last_dense.out_features} classes",
            got=count_of(len(faults), "fault"),
            place=place,
            remedy=remedy,
            faults=faults,
        )


def fill_model(model: Classifier, tensors: Mapping[str, Tensor]) -> None:
    """Copy checked tensors into the model; batch norms' counters, unknown to Keras, may be missing."""
    counters = {key: value for key, value in model.state_dict().items() if key.endswith(".num_batches_tracked")}
    model.load_state_dict({**counters, **tensors}, strict=True)
