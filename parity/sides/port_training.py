"""The port's training, watched by Lightning's own hooks [torch]: dropout masks go in, losses and gradients come out."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.callbacks import LambdaCallback
from torch.utils.data import DataLoader

from parity.contract import CLASSES
from parity.sides.port import PortSide
from parity.training import CLASS_WEIGHTS, LEARNING_RATE, Batch
from torch_port.losses import make_class_weights
from torch_port.training import Hardware, train_model
from torch_port.training_module import ClassifierTraining

OnStep = Callable[[int, float, Any], None]


def make_training(side: PortSide) -> ClassifierTraining:
    """Return the port's training of a copy of the converted network, in float64."""
    network = copy.deepcopy(side.model("float64"))
    weights = make_class_weights(CLASS_WEIGHTS, len(CLASSES))
    return ClassifierTraining(network, weights, learning_rate=LEARNING_RATE)


def train(
    side: PortSide,
    training: ClassifierTraining,
    batches: Sequence[Batch],
    val_batch: Batch,
    *,
    masks: Sequence[np.ndarray],
    on_step: OnStep,
) -> None:
    """Train by the port's own ``train_model`` for as many epochs as there are masks for.

    Args:
        side: The port.
        training: Of `make_training`.
        batches: The batches of an epoch, in order.
        val_batch: Validation after each epoch.
        masks: Dropout mask (N, units) of each step, 0 or 2.
        on_step: Called after each step with its number from 0, its loss and the optimizer; the gradients are in place.
    """
    step = {"number": 0}

    def after(trainer: Any, module: Any, outputs: Any, *_: Any) -> None:
        on_step(step["number"], float(outputs["loss"]), trainer.optimizers[0])
        step["number"] += 1

    inject_masks(side, training.model, lambda: masks[step["number"]])
    accelerator = "gpu" if side.device.type == "cuda" else "cpu"
    with tempfile.TemporaryDirectory(dir=side.workspace.folder) as folder:
        train_model(
            training,
            _loader(side, batches),
            _loader(side, [val_batch]),
            Path(folder),
            num_epochs=len(masks) // len(batches),
            hardware=Hardware(accelerator=accelerator, precision="64-true"),
            callbacks=[LambdaCallback(on_train_batch_end=after)],
        )


def inject_masks(side: PortSide, network: Any, mask: Callable[[], np.ndarray]) -> None:
    """Have the network's dropout layer, where it drops, multiply by a mask that is asked for each time."""

    def forward(hidden: torch.Tensor) -> torch.Tensor:
        return hidden * side.tensor(mask(), "float64", "NC") if network.dpout.training else hidden

    network.dpout.forward = forward


def _loader(side: PortSide, batches: Sequence[Batch]) -> DataLoader:
    made = [(side.tensor(images, "float64"), side.tensor(labels, "float64", "NK")) for images, labels in batches]
    return DataLoader(made, batch_size=None)
