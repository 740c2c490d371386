"""What a training of the port reads [torch]: its ``train_model`` over its own loader, with the port's head as the network.

Nothing is told to the loader here: which epoch it is, and in which order its workers read, is what the training makes of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from lightning.pytorch.callbacks import LambdaCallback
from torch.utils.data import DataLoader

from parity.contract import CLASSES
from parity.errors import is_out_of_memory
from parity.sides.port import PortSide
from parity.sides.port_head import make_identity_head
from parity.sides.port_training import train
from parity.training import CLASS_WEIGHTS
from torch_port.losses import make_class_weights
from torch_port.lost_workers import LostWorkerError
from torch_port.training_module import ClassifierTraining

SIDE_PX = 16  # of an image that the head is given: as many values as it has hidden units
OnEpoch = Callable[[int], None]
OnBatch = Callable[[tuple[Any, Any]], None]


def make_image(*values: float) -> np.ndarray:
    """Return an image (16, 16, 1) float64 that begins with these values and has zeros else."""
    image = np.zeros((SIDE_PX, SIDE_PX, 1))
    image.reshape(-1)[: len(values)] = values
    return image


def train_over(side: PortSide, loader: Any, *, epochs: int, on_epoch: OnEpoch, on_batch: OnBatch) -> str:
    """Train the port's head over a loader whose data set returns what `make_image` makes; the learning rate is 0.

    A port that cannot train is no finding about what it reads: the gates of training say so.

    Args:
        side: The port.
        loader: Of the port, for training.
        epochs: How many.
        on_epoch: Told the number of an epoch, from 0, when it begins.
        on_batch: Given each batch as it is trained on.

    Returns:
        What the port raised; nothing if it trained to the end.

    Raises:
        LostWorkerError: A process that reads images has ended.
    """
    try:
        _train(side, loader, epochs, on_epoch, on_batch)
    except LostWorkerError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        if is_out_of_memory(said):
            raise
        return said
    return ""


def _train(side: PortSide, loader: Any, epochs: int, on_epoch: OnEpoch, on_batch: OnBatch) -> None:
    head = make_identity_head(side, "float64")
    head.hidden = lambda images: images.flatten(1)
    training = ClassifierTraining(head, make_class_weights(CLASS_WEIGHTS, len(CLASSES)), learning_rate=0.0)
    validation = (torch.zeros(1, 1, SIDE_PX, SIDE_PX, dtype=torch.float64), torch.eye(len(CLASSES), dtype=torch.float64)[:1])
    watch = LambdaCallback(
        on_train_epoch_start=lambda trainer, _: on_epoch(trainer.current_epoch),
        on_train_batch_start=lambda trainer, module, batch, number: on_batch(batch),
    )
    train(side, training, loader, DataLoader([validation], batch_size=None), epochs=epochs, dtype="float64", callbacks=[watch])
