"""The legacy's rules of a training: when the learning rate falls, when to stop, which epoch is best.

Each rule sees one number an epoch, the validation loss, and holds only what it needs to go on after an interruption. A loss
that is not a number is never an improvement: every comparison with it is false, as in numpy and so in Keras.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np

from torch_port.errors import InputError


@dataclass
class Rule:
    """A rule whose fields are its arguments and, those named in ``STATE``, what it remembers."""

    STATE: ClassVar[tuple[str, ...]]

    def state_dict(self) -> dict[str, float | int | None]:
        """Return what the rule remembers, as plain numbers."""
        values = asdict(self)
        return {name: values[name] for name in self.STATE}

    def load_state_dict(self, state: Mapping[str, float | int | None]) -> None:
        """Remember what ``state_dict`` returned."""
        for name in self.STATE:
            setattr(self, name, state[name])


@dataclass
class ReduceLROnPlateau(Rule):
    """Counterpart of ``tf.keras.callbacks.ReduceLROnPlateau``, as ``legacy_tf.traintest.train_model`` makes it.

    ``torch.optim.lr_scheduler.ReduceLROnPlateau`` is another rule: its threshold is relative, and it waits an epoch longer.

    Args:
        patience: The learning rate falls at the end of this many epochs without an improvement.
        factor: What it is multiplied by.
        min_delta: A loss is an improvement if it is lower than the best one by more than this: absolute.
        min_lr: The learning rate does not fall below it.
    """

    patience: int = 10
    factor: float = 0.1
    min_delta: float = 1e-4
    min_lr: float = 1e-7
    best: float = math.inf
    wait: int = 0
    STATE: ClassVar[tuple[str, ...]] = ("best", "wait")

    def __post_init__(self) -> None:
        _check_patience(self.patience)
        if not 0 < self.factor < 1:
            raise InputError.about(
                "factor", must="be between 0 and 1", got=repr(self.factor), place="the schedule", remedy="give 0.1"
            )

    def update(self, val_loss: float, learning_rate: float) -> float:
        """Return the learning rate of the next epoch.

        Args:
            val_loss: Validation loss of the epoch that ends.
            learning_rate: Learning rate of that epoch, in the precision in which the optimizer keeps it; it has to
                round the result to that precision again.
        """
        if val_loss < self.best - self.min_delta:
            self.best = val_loss
            self.wait = 0
            return learning_rate
        self.wait += 1
        # Keras rounds the bound here and not where it applies it. At the bound it goes on waiting.
        if self.wait >= self.patience and learning_rate > float(np.float32(self.min_lr)):
            self.wait = 0
            return max(learning_rate * self.factor, self.min_lr)
        return learning_rate


@dataclass
class EarlyStopping(Rule):
    """Counterpart of ``tf.keras.callbacks.EarlyStopping``: any improvement counts, however small.

    Args:
        patience: Training stops at the end of this many epochs without an improvement.
    """

    patience: int = 25
    best: float = math.inf
    wait: int = 0
    STATE: ClassVar[tuple[str, ...]] = ("best", "wait")

    def __post_init__(self) -> None:
        _check_patience(self.patience)

    def update(self, val_loss: float, epoch: int) -> bool:
        """Return whether to stop after this epoch (counted from 0, which never is the last)."""
        if val_loss < self.best:
            self.best = val_loss
            self.wait = 0
            return False
        self.wait += 1
        return self.stops_after(epoch)

    def stops_after(self, epoch: int) -> bool:
        """Return whether the losses so far, up to this epoch's, end the training."""
        # In Keras too an epoch without an improvement has to come first, even with a patience of 0.
        return self.wait >= max(self.patience, 1) and epoch > 0


@dataclass
class BestEpoch(Rule):
    """Counterpart of ``tf.keras.callbacks.ModelCheckpoint(save_best_only=True)``: of equal epochs the first is best.

    Attributes:
        epoch: The best epoch so far, counted from 0; None before the first loss below infinity.
    """

    best: float = math.inf
    epoch: int | None = None
    STATE: ClassVar[tuple[str, ...]] = ("best", "epoch")

    def update(self, val_loss: float, epoch: int) -> bool:
        """Return whether this epoch is better than all before it."""
        if val_loss < self.best:
            self.best = val_loss
            self.epoch = epoch
            return True
        return False


def _check_patience(patience: int) -> None:
    if patience < 0:
        raise InputError.about(
            "patience", must="be at least 0", got=repr(patience), place="the schedule", remedy="give a number of epochs"
        )
