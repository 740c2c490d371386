"""The callbacks in Lightning's own trainer, on a network of one batch norm whose tensors tell the epoch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from safetensors import safe_open
from torch import Tensor, nn
from torch.utils.data import DataLoader

from torch_port.callbacks import BestWeightsCallback, EarlyStoppingCallback, PlateauCallback
from torch_port.errors import InputError, WeightsError
from torch_port.optimizer import KerasAdam, round_to_dtype
from torch_port.schedule import EarlyStopping, ReduceLROnPlateau

LOSSES = [1.0, 0.5, 0.7, 0.6, 0.5, 0.6, 0.4, 0.3]
NAN = float("nan")


class Replay(LightningModule):
    """Its validation losses are given, and after an epoch all its tensors hold the epoch's number."""

    def __init__(self, losses: list[float]) -> None:
        super().__init__()
        self.model = nn.BatchNorm1d(2)
        self.losses = losses
        self.logs: dict[str, float] = {}

    def training_step(self, batch: Tensor, _: int) -> Tensor:
        return self.model(batch).sum()

    def validation_step(self, batch: Tensor, _: int) -> None:
        pass

    def on_validation_epoch_end(self) -> None:
        with torch.no_grad():
            for tensor in self.model.state_dict().values():
                tensor.fill_(self.current_epoch)
        # What is not the validation loss points elsewhere.
        self.logs = {"loss": 9.0 - self.current_epoch, "val_loss": self.losses[self.current_epoch], "val_metrics/accuracy": 0.5}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return KerasAdam(self.model.parameters(), lr=1e-2)


class Notes(Callback):
    """What there is to see at the end of each epoch, after the callbacks before it."""

    def __init__(self) -> None:
        self.lr: list[float] = []
        self.next_lr: list[float] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Replay) -> None:
        self.lr.append(pl_module.logs["lr"])
        self.next_lr.append(trainer.optimizers[0].param_groups[0]["lr"])


def fit(
    folder: Path,
    losses: list[float],
    *,
    patience: int = 3,
    patience_lr: int = 2,
    epochs: int | None = None,
    resume: bool = False,
) -> tuple[Replay, Trainer, Notes]:
    module, notes = Replay(losses), Notes()
    last = ModelCheckpoint(folder, filename="last", save_on_train_epoch_end=True, enable_version_counter=False)
    callbacks = [
        EarlyStoppingCallback(EarlyStopping(patience)),
        PlateauCallback(ReduceLROnPlateau(patience=2)),
        BestWeightsCallback(folder / "best.safetensors", {"arch": "one batch norm"}),
        notes,
        last,
    ]
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=epochs or len(losses),
        callbacks=callbacks,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    batches = DataLoader(torch.ones(2, 2), batch_size=2)
    trainer.fit(module, batches, batches, ckpt_path=folder / "last.ckpt" if resume else None)
    return module, trainer, notes


def tensors_of(module: Replay) -> set[float]:
    return {value for tensor in module.model.state_dict().values() for value in tensor.flatten().tolist()}


# What Lightning says of small trainings, and what torch says of Lightning.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers.*", "ignore:.*Checkpoint directory.*", "ignore:.*treespec, LeafSpec.*:FutureWarning"
)


def test_a_training_stops_lowers_its_learning_rate_and_returns_to_its_best_weights(tmp_path: Path):
    module, trainer, notes = fit(tmp_path, LOSSES)
    assert trainer.current_epoch == 5, "the third epoch without progress is the fifth"
    first = round_to_dtype(1e-2, torch.float32)
    rates = [first, round_to_dtype(0.1 * first, torch.float32)]
    assert notes.next_lr == [rates[0]] * 3 + [rates[1]] * 2
    assert notes.lr == [rates[0]] * 4 + [rates[1]], "the learning rate that an epoch had, not the next one's"
    assert tensors_of(module) == {1.0}, "buffers too, and of equal epochs the first"
    with safe_open(tmp_path / "best.safetensors", framework="pt") as file:
        assert file.metadata() == {"arch": "one batch norm", "epoch": "1", "val_loss": "0.5"}


def test_a_training_that_is_not_stopped_returns_to_its_best_weights_too(tmp_path: Path):
    module, trainer, _ = fit(tmp_path, LOSSES[:4])
    assert trainer.current_epoch == 4
    assert tensors_of(module) == {1.0}


@pytest.mark.parametrize("interruption", [1, 3, 4])
def test_a_resumed_training_goes_on_exactly(tmp_path: Path, interruption: int):
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole, trainer, notes = fit(tmp_path / "whole", LOSSES)
    _, _, before = fit(tmp_path / "parts", LOSSES, epochs=interruption)
    resumed, resumed_trainer, after = fit(tmp_path / "parts", LOSSES, resume=True)
    assert resumed_trainer.current_epoch == trainer.current_epoch
    assert before.lr + after.lr == notes.lr
    assert before.next_lr + after.next_lr == notes.next_lr
    assert tensors_of(resumed) == tensors_of(whole)
    assert [item.state_dict() for item in resumed_trainer.callbacks[:3]] == [
        item.state_dict() for item in trainer.callbacks[:3]
    ]


def test_a_stopped_training_that_is_resumed_stops_at_once(tmp_path: Path):
    fit(tmp_path, LOSSES)
    module, trainer, notes = fit(tmp_path, LOSSES, resume=True)
    assert (trainer.current_epoch, notes.lr) == (5, [])
    assert tensors_of(module) == {1.0}


def test_a_stopped_training_goes_on_with_more_patience(tmp_path: Path):
    fit(tmp_path, LOSSES)
    module, trainer, _ = fit(tmp_path, LOSSES, patience=5, resume=True)
    assert trainer.current_epoch == 8
    assert tensors_of(module) == {7.0}


def test_the_first_epoch_is_not_the_last_of_a_training_that_is_resumed_either(tmp_path: Path):
    losses = [NAN, 0.5, 0.4, 0.6]
    with pytest.raises(InputError, match="`validation loss` must be finite in some epoch"):
        fit(tmp_path, losses, patience=1, epochs=1)
    module, trainer, _ = fit(tmp_path, losses, patience=1, resume=True)
    assert trainer.current_epoch == 4
    assert tensors_of(module) == {2.0}


def test_no_finite_loss_is_said(tmp_path: Path):
    with pytest.raises(InputError, match="`validation loss` must be finite in some epoch, got none in this training; give a"):
        fit(tmp_path, [NAN] * 6)


def test_resuming_without_the_best_weights_is_refused(tmp_path: Path):
    fit(tmp_path, LOSSES, epochs=3)
    (tmp_path / "best.safetensors").unlink()
    with pytest.raises(WeightsError, match="`best weights` must be there when a training is resumed, got no file in"):
        fit(tmp_path, LOSSES, resume=True)
