"""Lightning callbacks that apply the rules of `torch_port.schedule` at the end of an epoch.

They read the epoch's figures where Keras's callbacks have theirs: in ``pl_module.logs``, a dict of floats that the module
fills when validation ends (before any callback's ``on_train_epoch_end``), the same on every rank. Their state goes with
Lightning's checkpoints, so that a training that is resumed goes on as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from safetensors import safe_open
from safetensors.torch import load_file

from torch_port.errors import InputError, WeightsError
from torch_port.port_files import write_safetensors
from torch_port.schedule import BestEpoch, EarlyStopping, ReduceLROnPlateau, Rule

MONITOR = "val_loss"


class RuleCallback(Callback):
    """A callback that keeps its rule's memory in Lightning's checkpoints.

    Args:
        rule: The rule.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def state_dict(self) -> dict[str, Any]:
        return self.rule.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rule.load_state_dict(state_dict)


class PlateauCallback(RuleCallback):
    """Lower the learning rate when the validation loss does not fall: ``tf.keras.callbacks.ReduceLROnPlateau``.

    As Keras does, it writes the learning rate of the epoch that ends into the logs, as ``lr``.

    Args:
        rule: The rule, with its numbers.
    """

    rule: ReduceLROnPlateau

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        optimizer = trainer.optimizers[0]
        learning_rate = optimizer.param_groups[0]["lr"]
        pl_module.logs["lr"] = learning_rate
        optimizer.set_learning_rate(self.rule.update(pl_module.logs[MONITOR], learning_rate))


class EarlyStoppingCallback(RuleCallback):
    """Stop when the validation loss does not fall: ``tf.keras.callbacks.EarlyStopping``.

    Args:
        rule: The rule, with its numbers.
    """

    rule: EarlyStopping

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop again at once when a training that had been stopped is resumed."""
        if self.rule.stops_after(trainer.current_epoch - 1):
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.rule.update(pl_module.logs[MONITOR], trainer.current_epoch):
            trainer.should_stop = True


class BestWeightsCallback(RuleCallback):
    """Keep the weights of the best epoch in a file, and go back to them at the end.

    Counterpart of ``tf.keras.callbacks.ModelCheckpoint`` and of the last line of ``legacy_tf.traintest.train_model``.
    Every tensor of ``pl_module.model`` is kept, batch norms' running statistics too.

    Args:
        path: The safetensors file, seen by every rank.
        provenance: Text by key for the file's metadata; ``epoch`` (from 0) and ``val_loss`` are added.
        rule: The rule; left out, a new one.
    """

    rule: BestEpoch

    def __init__(self, path: str | Path, provenance: Mapping[str, str], rule: BestEpoch | None = None) -> None:
        super().__init__(rule or BestEpoch())
        self.path = Path(path)
        self.provenance = dict(provenance)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse to resume without the best weights so far: the end of the training would need them.

        Raises:
            WeightsError: An earlier part of this training had a best epoch, and the file is not there.
        """
        if self.rule.epoch is not None and not self.path.is_file():
            raise WeightsError.about(
                "best weights",
                must="be there when a training is resumed",
                got="no file",
                place=self.path,
                remedy="resume in the folder where it was started",
            )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        val_loss = pl_module.logs[MONITOR]
        if self.rule.update(val_loss, trainer.current_epoch) and trainer.is_global_zero:
            metadata = {**self.provenance, "epoch": str(trainer.current_epoch), "val_loss": repr(val_loss)}
            write_safetensors(pl_module.model, self.path, metadata)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Load the best weights, on every rank.

        Raises:
            InputError: No epoch had a loss to keep the weights of.
            WeightsError: The file is of another epoch: a training that was killed between the file and its state, and did not
                repeat that epoch with the same numbers when it was resumed.
        """
        trainer.strategy.barrier()  # rank zero may still be writing
        if self.rule.epoch is None:
            raise InputError.about(
                "validation loss",
                must="be finite in some epoch",
                got="none",
                place="this training",
                remedy="give a smaller learning rate",
            )
        with safe_open(self.path, framework="pt") as file:
            metadata = file.metadata() or {}
        kept, best = (metadata.get("epoch"), metadata.get("val_loss")), (str(self.rule.epoch), repr(self.rule.best))
        if kept != best:
            raise WeightsError.about(
                "best weights", must=f"be of epoch {best[0]} with a validation loss of {best[1]}",
                got=f"those of epoch {kept[0]} with {kept[1]}", place=self.path, remedy="train again in a new folder",
            )  # fmt: skip
        pl_module.model.load_state_dict(load_file(self.path), strict=True)
