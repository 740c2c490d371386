"""The port's head trained on injected logits [torch]: what ``train_model`` makes of them in its history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import torch

from parity.contract import CLASSES
from parity.sides.port import PortSide
from parity.sides.port_training import train
from parity.training import CLASS_WEIGHTS, Batch, make_hidden
from torch_port.losses import make_class_weights
from torch_port.model import Classifier
from torch_port.training_module import ClassifierTraining

BACKBONE_CHANNELS = 2048


def make_identity_head(side: PortSide, dtype: str) -> Any:
    """Return the port's own head whose logits are the first of its hidden units; nothing is dropped."""
    head = Classifier()
    head.add_head(BACKBONE_CHANNELS, len(CLASSES))
    with torch.no_grad():
        head.last_dense.weight.copy_(torch.eye(*head.last_dense.weight.shape))
        head.last_dense.bias.zero_()
    head.hidden = _unchanged
    head.dpout.forward = _unchanged
    return head.to(device=side.device, dtype=getattr(torch, dtype))


def _unchanged(hidden: torch.Tensor) -> torch.Tensor:
    return hidden


class Epochs:
    """Batches of one epoch after the other, as a loader gives them; all epochs have as many batches.

    Args:
        epochs: Batches of each.
    """

    def __init__(self, epochs: Sequence[Sequence[Any]]) -> None:
        self._following = cycle(epochs)
        self._length = len(epochs[0])

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Any]:
        yield from next(self._following)  # at the first batch: Lightning may make an iterator that it never asks


def fit_history(side: PortSide, dtype: str, *epochs: Sequence[Batch]) -> dict[str, list[float]]:
    """Return the history of training and validating on each epoch's batches (logits, labels) by the port's ``train_model``."""
    training = ClassifierTraining(
        make_identity_head(side, dtype), make_class_weights(CLASS_WEIGHTS, len(CLASSES)), learning_rate=0.0
    )
    made = [[(_tensor(make_hidden(logits), dtype), _tensor(labels, dtype)) for logits, labels in batches] for batches in epochs]
    return train(side, training, Epochs(made), Epochs(made), epochs=len(epochs), dtype=dtype, resumable=True)


def _tensor(values: np.ndarray, dtype: str) -> torch.Tensor:
    return torch.from_numpy(values.astype(dtype))
