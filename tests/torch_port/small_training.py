"""A training small enough to repeat: images of twelve numbers, a network of two layers.

As a script, ``small_training.py FOLDER DEVICES``: a whole training in so many processes, then one with a broken image.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, SequentialSampler

from torch_port.errors import DataError, InputError
from torch_port.order import Draw, EpochSampler, LegacyBatchSampler, SharedBatchSampler, random_stream
from torch_port.training import Hardware, train_model
from torch_port.training_module import ClassifierTraining

CLASSES, SIZE, BATCH = 3, 12, 4
TRAIN, VAL = 7, 5  # images
WEIGHTS = torch.tensor([0.5, 1.0, 2.5])


class Images(Dataset[tuple[Tensor, Tensor]]):
    """Images of numbers, of which the first is the image's own; training images get a random shift, one may be broken."""

    def __init__(self, size: int, *, seed: int, augmented: bool, broken: int | None = None) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.images = torch.randn(size, SIZE, generator=generator)
        self.images[:, 0] = torch.arange(size)
        self.labels = [index % CLASSES for index in range(size)]
        self.augmented = augmented
        self.broken = broken

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, item: int | Draw) -> tuple[Tensor, Tensor]:
        if isinstance(item, Draw):
            with random_stream(item.stream):
                return self[item.index]
        if item == self.broken:
            raise DataError("bad image")
        shift = torch.zeros(SIZE)
        if self.augmented:
            shift[1:] = random.random()
        return self.images[item] + shift, torch.eye(CLASSES)[self.labels[item]]


def make_network(dropout: float) -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(SIZE, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, CLASSES))


def make_training(*, dropout: float = 0.5, seed: int | None = 11, learning_rate: float = 0.05) -> ClassifierTraining:
    return ClassifierTraining(make_network(dropout), WEIGHTS, learning_rate=learning_rate, seed=seed)


def make_loaders(*, order: str = "permutation", workers: int = 0, broken: int | None = None) -> list[DataLoader]:
    """Return the loaders as `torch_port.data.make_loaders` makes them; the last batches are short."""
    data = Images(TRAIN, seed=1, augmented=True, broken=broken), Images(VAL, seed=2, augmented=False)
    if order == "legacy":
        random.seed(17)
        batches = [LegacyBatchSampler(part, BATCH, shuffle=part is data[0]) for part in data]
    else:
        samplers = EpochSampler(TRAIN, seed=3), SequentialSampler(data[1])
        batches = [SharedBatchSampler(sampler, BATCH) for sampler in samplers]
    return [
        DataLoader(part, batch_sampler=sampler, num_workers=workers, persistent_workers=workers > 0)
        for part, sampler in zip(data, batches, strict=True)
    ]


class Notes(Callback):
    """The images of each epoch, the dropout's mode and the gradient of each step."""

    def __init__(self) -> None:
        self.images: list[list[int]] = []
        self.dropout: list[bool] = []
        self.gradients: list[list[float]] = []

    def on_train_epoch_start(self, *_: Any) -> None:
        self.images.append([])

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.images[-1] += [int(image[0]) for image in batch[0]]
        self.dropout.append(pl_module.model[2].training)

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        gradients = [parameter.grad.flatten() for parameter in pl_module.model.parameters()]
        self.gradients.append(torch.cat(gradients).tolist())


def train(folder: Path, devices: int, *, broken: int | None = None) -> dict[str, Any]:
    """Train two epochs without dropout, so that the number of processes must not matter."""
    notes = Notes()
    hardware = Hardware(devices=devices, strategy="ddp" if devices > 1 else "auto")
    history = train_model(
        make_training(dropout=0.0), *make_loaders(broken=broken), folder, num_epochs=2, hardware=hardware, callbacks=[notes]
    )
    return {"history": history, "images": notes.images, "gradients": notes.gradients}


if __name__ == "__main__":
    out = Path(sys.argv[1])
    found = train(out, int(sys.argv[2]))
    rank = torch.distributed.get_rank()
    (out / f"process {rank}.json").write_text(json.dumps(found), encoding="utf-8")
    try:
        train(out / "broken", int(sys.argv[2]), broken=0)
    except InputError as error:
        (out / f"error {rank}.txt").write_text(error.text(), encoding="utf-8")
        if rank:  # leave, and let the first process end by itself: Lightning kills it if it finds this one ended before
            torch.distributed.destroy_process_group()
            end = time.monotonic() + 20
            while not (out / "error 0.txt").exists() and time.monotonic() < end:
                time.sleep(0.05)
        sys.exit(2)
