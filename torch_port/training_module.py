"""What is trained, as Lightning sees it: the network with the legacy's losses, metrics and optimizer."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from torch_port.device_augmentation import DeviceAugmentation, DrawnImages
from torch_port.losses import EpochLoss, class_weighted_loss, validation_loss
from torch_port.metrics import make_compiled_metrics
from torch_port.optimizer import KerasAdam
from torch_port.streams import derive_seed

LEARNING_RATE = 1e-4
PARTS = {"trained": "", "validated": "val_"}  # batches of an epoch -> prefix of their figures
Batch = tuple[Tensor, Tensor]


class ClassifierTraining(LightningModule):
    """A classifier and how it is trained: ``compile_model`` of `legacy_tf.traintest`, and what Keras's ``fit`` does with it.

    Args:
        model: Returns logits (N, K) of images (N, 3, H, W).
        class_weights: (K,), of `losses.make_class_weights`; for the training loss alone.
        learning_rate: Of Adam, at the start.
        seed: Of dropout: with it, a batch's masks depend on the seed, the epoch, the batch and the process alone.
        augmentation: Of batches of `DrawnImages`, on the device.

    Attributes:
        logs: Figures of the last epoch by Keras's names, as its callbacks get them: ``loss``, ``metrics/...``,
            ``val_loss``, ``val_metrics/...``. Training figures are those of the batches as they were trained on:
            weighted loss, dropout, batch statistics.
    """

    def __init__(
        self,
        model: nn.Module,
        class_weights: Tensor,
        *,
        learning_rate: float = LEARNING_RATE,
        seed: int | None = None,
        augmentation: DeviceAugmentation | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.learning_rate = learning_rate
        self.seed = seed
        self.augmentation = augmentation
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.losses = nn.ModuleDict({part: EpochLoss() for part in PARTS})
        self.metrics = nn.ModuleDict({part: make_compiled_metrics(len(class_weights)) for part in PARTS})
        self.logs: dict[str, float] = {}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam over every trainable tensor."""
        return KerasAdam(self.model.parameters(), lr=self.learning_rate)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Batch:
        """Augment what is still to be augmented."""
        images, labels = batch
        if self.augmentation is not None and isinstance(images, DrawnImages):
            images = self.augmentation.apply(*images)
        return images, labels

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch, class-weighted and divided by its number of images."""
        if self.seed is not None:  # for each batch: loaders draw from the same random numbers, some of them between epochs
            torch.manual_seed(derive_seed(self.seed, self.current_epoch, batch_idx, self.global_rank))
        logits, labels = self._forward(batch)
        loss = class_weighted_loss(logits, labels, self.class_weights)
        self._count("trained", logits, labels, loss)
        return loss * share_of_batch(labels)

    def validation_step(self, batch: Batch, _: int) -> None:
        """Count a validation batch."""
        logits, labels = self._forward(batch)
        self._count("validated", logits, labels, validation_loss(logits, labels))

    def on_validation_epoch_end(self) -> None:
        """Put the epoch's figures into ``logs``: those of all processes; validation ends the epoch, as in Keras."""
        self.logs = {}
        for part, prefix in PARTS.items():
            found = {"loss": self.losses[part].compute(), **self.metrics[part].compute()}
            self.logs |= {prefix + name: value.item() for name, value in found.items()}
            self.losses[part].reset()
            self.metrics[part].reset()

    def _forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        images, labels = batch
        if images.ndim == 4:
            images = images.contiguous(memory_format=torch.channels_last)
        return self.model(images), labels

    def _count(self, part: str, logits: Tensor, labels: Tensor, loss: Tensor) -> None:
        self.losses[part].update(loss, len(labels))
        # A network that has diverged has no probabilities to count. Its losses tell, and what is the best epoch is up to them.
        self.metrics[part].update(torch.softmax(logits.detach(), dim=1).nan_to_num(0.0), labels)


def share_of_batch(labels: Tensor) -> Tensor | float:
    """Return by what a process multiplies its mean loss, so that averaged gradients are those of the whole batch.

    Processes may have different numbers of images of a batch; the mean of their means would not be the batch's.

    Args:
        labels: This process's labels (n, K).
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return 1.0
    images = torch.tensor(float(len(labels)), device=labels.device)
    torch.distributed.all_reduce(images)
    return len(labels) * torch.distributed.get_world_size() / images
