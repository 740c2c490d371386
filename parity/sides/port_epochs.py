"""What a training of the port reads [torch]: its ``train_model`` over its own loader, with the port's head as the network.

Nothing is told to the loader here: which epoch it is, and in which order its workers read, is what the training makes of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What is told of a training.

    Attributes:
        on_epoch: The number of an epoch, from 0, when it begins.
        on_batch: Each batch as it is trained on.
        on_validation: The number of the epoch whose validation begins.
        on_validated: Each batch of a validation.
        on_end: When the training batches of an epoch have ended, and when its validation has.
    """

    on_epoch: OnEpoch
    on_batch: OnBatch
    on_validation: OnEpoch = lambda number: None
    on_validated: OnBatch = lambda batch: None
    on_end: Callable[[], None] = lambda: None


def make_image(*values: float) -> np.ndarray:
    """Return an image (16, 16, 1) float64 that begins with these values and has zeros else."""
    image = np.zeros((SIDE_PX, SIDE_PX, 1))
    image.reshape(-1)[: len(values)] = values
    return image


def train_over(side: PortSide, loader: Any, watch: Watch, *, epochs: int, validation: Any = None) -> str:
    """Train the port's head over loaders whose data sets return what `make_image` makes; the learning rate is 0.

    A port that cannot train is no finding about what it reads: the gates of training say so.

    Args:
        side: The port.
        loader: Of the port, for training.
        watch: Told of it.
        epochs: How many.
        validation: Of the port, for validation; None: one batch that nobody looks at.

    Returns:
        What the port raised; nothing if it trained to the end.

    Raises:
        LostWorkerError: A process that reads images has ended.
    """
    try:
        _train(side, loader, _one_batch() if validation is None else validation, watch, epochs)
    except LostWorkerError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        if is_out_of_memory(said):
            raise
        return said
    return ""


def _one_batch() -> DataLoader:
    image = torch.zeros(1, 1, SIDE_PX, SIDE_PX, dtype=torch.float64)
    return DataLoader([(image, torch.eye(len(CLASSES), dtype=torch.float64)[:1])], batch_size=None)


def _train(side: PortSide, loader: Any, validation: Any, watch: Watch, epochs: int) -> None:
    head = make_identity_head(side, "float64")
    head.hidden = lambda images: images.flatten(1)
    training = ClassifierTraining(head, make_class_weights(CLASS_WEIGHTS, len(CLASSES)), learning_rate=0.0)

    def on_validation_start(trainer: Any, _: Any) -> None:
        watch.on_end()
        watch.on_validation(trainer.current_epoch)

    watching = LambdaCallback(
        on_train_epoch_start=lambda trainer, _: watch.on_epoch(trainer.current_epoch),
        on_train_batch_start=lambda trainer, module, batch, number: watch.on_batch(batch),
        on_validation_start=on_validation_start,
        on_validation_batch_start=lambda trainer, module, batch, *_: watch.on_validated(batch),
        on_validation_end=lambda trainer, _: watch.on_end(),
    )
    train(side, training, loader, validation, epochs=epochs, dtype="float64", callbacks=[watching])
