"""The port's head trained on injected logits [torch]: what ``train_model`` makes of them in its history."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from parity.contract import CLASSES
from parity.sides.port import PortSide
from parity.training import CLASS_WEIGHTS, Batch, make_hidden
from torch_port.losses import make_class_weights
from torch_port.model import Classifier
from torch_port.training import Hardware, train_model
from torch_port.training_module import ClassifierTraining

PRECISIONS = {"float64": "64-true", "float32": "32-true"}
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


def fit_history(side: PortSide, batches: Sequence[Batch], *, dtype: str, epochs: int) -> dict[str, list[float]]:
    """Return the history of training and validating on batches of (logits, labels) by the port's ``train_model``."""
    training = ClassifierTraining(
        make_identity_head(side, dtype), make_class_weights(CLASS_WEIGHTS, len(CLASSES)), learning_rate=0.0
    )
    loader = DataLoader(
        [(_tensor(make_hidden(logits), dtype), _tensor(labels, dtype)) for logits, labels in batches], batch_size=None
    )
    hardware = Hardware(accelerator="gpu" if side.device.type == "cuda" else "cpu", precision=PRECISIONS[dtype])
    with tempfile.TemporaryDirectory(dir=side.workspace.folder) as folder:
        return train_model(training, loader, loader, Path(folder), num_epochs=epochs, hardware=hardware)


def _tensor(values: np.ndarray, dtype: str) -> torch.Tensor:
    return torch.from_numpy(values.astype(dtype))
