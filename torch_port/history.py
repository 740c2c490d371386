"""The figures of every epoch, as Keras's ``History`` keeps them, in ``history.json`` and the loggers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from torch_port.errors import InputError
from torch_port.whole_files import write_whole, writing

History = dict[str, list[float]]


class HistoryRecorder(Callback):
    """Collects the ``logs`` of every epoch, keeps the file up to date and hands them to the trainer's loggers.

    Args:
        path: The file.

    Attributes:
        history: Figures by Keras's names, a number for each epoch.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.history: History = {}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add an epoch; loggers count epochs as steps."""
        for name, value in pl_module.logs.items():
            self.history.setdefault(name, []).append(value)
        if trainer.is_global_zero:
            write_history(self.path, self.history)
            for logger in trainer.loggers:
                with writing(self.path.parent):
                    logger.log_metrics(pl_module.logs, step=trainer.current_epoch)
                    logger.save()

    def state_dict(self) -> dict[str, Any]:
        """Return the history."""
        return {"history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up a history."""
        self.history = {name: list(values) for name, values in state_dict["history"].items()}


def write_history(path: Path, history: History) -> None:
    """Write the figures; the file appears only when it is whole."""
    write_whole(path, json.dumps(history, indent=2) + "\n")


def read_history(path: Path) -> History:
    """Read the figures.

    Raises:
        InputError: There is no such file, or it is damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError.about(
            "history", must="be a file that a training wrote", got=str(error), place=path, remedy="train again"
        ) from error
