"""What a training shows while it runs: a bar for the epoch on a terminal, and a line for each epoch that has ended."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from tqdm import tqdm

SHOWN = {
    "loss": "loss",
    "accuracy": "metrics/accuracy",
    "val loss": "val_loss",
    "val accuracy": "val_metrics/accuracy",
    "learning rate": "lr",
}


class ProgressCallback(Callback):
    """Counts the batches of an epoch, training and validation, and prints its figures when it has ended."""

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.bar = tqdm(
            total=trainer.num_training_batches + sum(trainer.num_val_batches),
            desc=f"epoch {trainer.current_epoch}",
            unit="batch",
            leave=False,
            disable=None if trainer.is_global_zero else True,  # None: shown on a terminal only
        )

    def on_train_batch_end(self, *_: Any) -> None:
        self.bar.update()

    def on_validation_batch_end(self, *_: Any) -> None:
        self.bar.update()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.bar.close()
        if trainer.is_global_zero:
            figures = ", ".join(f"{name} {pl_module.logs[key]:.4g}" for name, key in SHOWN.items())
            print(f"epoch {trainer.current_epoch}: {figures}", flush=True)
