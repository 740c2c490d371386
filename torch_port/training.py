"""Training by Lightning: `legacy_tf.traintest.train_model`.

Several GPUs or machines are Lightning's own strategies. A batch is what all processes take together, so that the number
of steps of an epoch and the meaning of the learning rate do not depend on how many there are.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from safetensors import SafetensorError

from torch_port.callbacks import BestWeightsCallback, EarlyStoppingCallback, PlateauCallback
from torch_port.checkpoint_io import LastCheckpoint, SafetensorsIO
from torch_port.errors import InputError, PlaceError
from torch_port.history import History, HistoryRecorder
from torch_port.lost_workers import explained_losses
from torch_port.progress import ProgressCallback
from torch_port.resumption import make_order_callbacks
from torch_port.schedule import EarlyStopping, ReduceLROnPlateau
from torch_port.training_module import Batch, ClassifierTraining
from torch_port.whole_files import OF_A_PLACE, cannot_write, writing

NUM_EPOCHS = 2000
PATIENCE = 25
PATIENCE_LR = 10
LAST_CHECKPOINT = "last.ckpt"
BEST_WEIGHTS = "best_weights.safetensors"
HISTORY = "history.json"
CSV_LOGS, TENSORBOARD_LOGS = "csv", "tensorboard"
LOST_PROCESS = "by peer"  # in what gloo says of it
# What Lightning says of things that are so on purpose, and what torch says of Lightning.
HINTS = (".*does not have many workers.*", ".*treespec, LeafSpec.*")


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """Where a training runs, in Lightning's words."""

    accelerator: str = "cpu"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str = "32-true"


class EpochLimit(Callback):
    """Stops after so many epochs.

    Lightning's own limit would leave out every hook of a training that had reached it before it is resumed, and so the
    return to the best weights.

    Args:
        epochs: Their number.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop at once if there is nothing left to train."""
        if trainer.current_epoch >= self.epochs:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch + 1 >= self.epochs:
            trainer.should_stop = True


class GradientRelease(Callback):
    """Frees a step's gradients before the next batch is computed.

    Lightning keeps them until the loss of that batch is known, and so beside all its activations.
    """

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        for optimizer in trainer.optimizers:
            pl_module.optimizer_zero_grad(trainer.current_epoch, batch_idx, optimizer)


def train_model(
    training: ClassifierTraining,
    train_loader: Iterable[Batch],
    val_loader: Iterable[Batch],
    log_dir: Path,
    *,
    num_epochs: int = NUM_EPOCHS,
    patience: int = PATIENCE,
    patience_lr: int = PATIENCE_LR,
    provenance: Mapping[str, str] | None = None,
    hardware: Hardware = Hardware(),
    resumable: bool = True,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
) -> History:
    """Train until the validation loss stops falling, then load the weights of its best epoch.

    Everything goes to ``log_dir``: the best weights, the history, the state after the last whole epoch, CSV and TensorBoard
    logs.

    Args:
        training: The network with its loss and optimizer; holds the best weights afterwards.
        train_loader: Training batches.
        val_loader: Validation batches.
        log_dir: Folder; it is made.
        num_epochs: Epochs at most.
        patience: Stop after so many epochs without progress.
        patience_lr: Divide the learning rate by 10 after so many epochs without progress.
        provenance: Text for the file of the best weights.
        hardware: Where to train.
        resumable: Keep the state after the last whole epoch, which is three times as large as the network.
        resume: Go on from the last whole epoch, if there is one.
        callbacks: Further callbacks.

    Returns:
        The figures of every epoch by Keras's names.

    Raises:
        InputError: No epoch had a finite validation loss, the state to resume from is damaged, or another process of the
            training has ended.
        KeyboardInterrupt: The training was interrupted or terminated.
    """
    with writing(log_dir):
        log_dir.mkdir(parents=True, exist_ok=True)
    recorder = HistoryRecorder(log_dir / HISTORY)
    last = log_dir / LAST_CHECKPOINT
    kept = [
        *make_callbacks(log_dir, patience=patience, patience_lr=patience_lr, provenance=provenance or {}),
        EpochLimit(num_epochs),
        GradientRelease(),
        recorder,
        *make_order_callbacks(train_loader, val_loader),
        *callbacks,
        ProgressCallback(),
        *([LastCheckpoint(last)] if resumable else []),
    ]
    training.train()  # Lightning keeps the mode that it finds
    with warnings.catch_warnings(), explained_losses(), _explain_end():
        for hint in HINTS:
            warnings.filterwarnings("ignore", message=hint)
        trainer = make_trainer(log_dir, hardware, kept)
        start_workers(val_loader)
        trainer.fit(training, train_loader, val_loader, ckpt_path=last if resume and last.is_file() else None)
    return recorder.history


def start_workers(loader: Iterable[Batch]) -> None:
    """Start a loader's lasting processes: forked after the first step, each would hold on to a copy of all memory."""
    if getattr(loader, "persistent_workers", False):
        iter(loader)


def make_trainer(log_dir: Path, hardware: Hardware, callbacks: Sequence[Callback]) -> Trainer:
    """Return the trainer; how many epochs it trains is left to the callbacks."""
    return Trainer(
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        num_nodes=hardware.num_nodes,
        strategy=hardware.strategy,
        precision=hardware.precision,
        max_epochs=-1,
        callbacks=list(callbacks),
        logger=[CSVLogger(log_dir, name=CSV_LOGS), TensorBoardLogger(log_dir, name=TENSORBOARD_LOGS)],
        plugins=[SafetensorsIO()],
        default_root_dir=log_dir,
        use_distributed_sampler=False,  # `SharedBatchSampler` shares batches out, and pads nothing
        num_sanity_val_steps=0,
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),  # or it adds one of its own
        log_every_n_steps=1,
        enable_model_summary=False,
        enable_progress_bar=False,
    )


@contextmanager
def _explain_end() -> Iterator[None]:
    """Turn what ends a training from outside into what it means."""
    try:
        yield
    except SystemExit:  # Lightning takes interruptions for itself
        raise KeyboardInterrupt from None
    except SafetensorError as error:
        raise InputError.about(
            "best weights", must="be a whole file", got=str(error), place=BEST_WEIGHTS, remedy="train again in a new folder"
        ) from error
    except PlaceError:
        raise
    except OSError as error:  # of a logger
        if error.errno not in OF_A_PLACE:
            raise
        raise cannot_write(error, error.filename or "the logs") from error
    except RuntimeError as error:
        if LOST_PROCESS not in str(error):
            raise
        raise InputError.about(
            "processes", must="all train to the end", got="one that has ended", place="this training",
            remedy="see what it said, then go on with --resume",
        ) from error  # fmt: skip


def make_callbacks(log_dir: Path, *, patience: int, patience_lr: int, provenance: Mapping[str, str]) -> list[Callback]:
    """Return the callbacks of `legacy_tf.traintest.train_model`, in its order of consequence."""
    return [
        EarlyStoppingCallback(EarlyStopping(patience)),
        PlateauCallback(ReduceLROnPlateau(patience_lr)),
        BestWeightsCallback(log_dir / BEST_WEIGHTS, provenance),
    ]
