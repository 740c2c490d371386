"""What a training that is resumed takes up besides what Lightning keeps: where the order of the training images stands."""

from __future__ import annotations

import random
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from torch_port.order import EpochSampler, LegacyBatchSampler, SharedBatchSampler


class EpochOrder(Callback):
    """Tells an `EpochSampler` with which epoch a resumed training begins.

    Lightning does so as well, but only after it has had the loader's workers read ahead.

    Args:
        sampler: The sampler.
    """

    def __init__(self, sampler: EpochSampler) -> None:
        self.sampler = sampler

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Set the epoch after the one that had ended when the checkpoint was written."""
        self.sampler.set_epoch(checkpoint["epoch"] + 1)


class LegacyOrder(Callback):
    """Keeps on what the legacy order goes on: Python's random numbers, and the present order of the images.

    Args:
        samplers: Those of training and validation.
    """

    def __init__(self, *samplers: LegacyBatchSampler) -> None:
        self.samplers = samplers

    def state_dict(self) -> dict[str, Any]:
        """Return both; after a whole epoch every sampler has had its look."""
        return {"random": random.getstate(), "orders": [sampler.order for sampler in self.samplers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        for sampler, order in zip(self.samplers, state_dict["orders"], strict=True):
            sampler.order = list(order)
            sampler._looked = True
        version, words, gauss = state_dict["random"]
        random.setstate((version, tuple(words), gauss))


def make_order_callbacks(*loaders: Any) -> list[Callback]:
    """Return what keeps the order of these loaders; batches in a fixed order need nothing."""
    batches = [getattr(loader, "batch_sampler", None) for loader in loaders]
    legacy = [sampler for sampler in batches if isinstance(sampler, LegacyBatchSampler)]
    epochs = [shared.sampler for shared in batches if isinstance(shared, SharedBatchSampler)]
    orders = [EpochOrder(sampler) for sampler in epochs if isinstance(sampler, EpochSampler)]
    return [*orders, LegacyOrder(*legacy)] if legacy else [*orders]
