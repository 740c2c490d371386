"""The port's training pipeline: its results for given random numbers, its transforms one by one, and what it draws."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from parity.artefact import RecordingWriter, hash_array, permute_axes
from parity.gates.augment.contract import (
    COUNTED_DRAWS,
    DEVICE_DRAWS,
    DRAWS,
    FIXTURE,
    SHOWN_DRAWS,
    STEP,
    STREAM_EPOCHS,
    STREAM_IMAGES,
    STREAM_RUNS,
    DrawnParameters,
    apply_cases,
)
from parity.sides.port import PortSide
from parity.sides.port_epochs import Watch, make_image, train_over
from torch_port import data
from torch_port.device_augmentation import DeviceAugmentation

CORNER = np.zeros((1, 1, 3), np.float32)


def record(side: PortSide, out: RecordingWriter) -> None:
    loader = side.make_loaders()[0]["train"]
    _record_draws(side, out, loader.dataset)
    hashes = {}
    for case, result in apply_cases(loader.dataset.augment, data.read_image(side.workspace.fixtures / FIXTURE)):
        hashes[case] = hash_array(result)
        out.write_array(f"transform/{case}", result[::STEP, ::STEP], "HWC")
    out.write_value("transforms", hashes)
    drawn = DrawnParameters(loader.dataset.augment)
    loader.dataset.augment = drawn
    with _no_image_is_read():
        for item in islice(_items(loader), COUNTED_DRAWS):
            loader.dataset[item]
        drawn.write(out)
        streams, raised = {}, {}
        for number, (run, options) in enumerate(STREAM_RUNS.items()):
            random.seed(number)  # whatever the global random numbers are, the streams are their own
            np.random.seed(number)  # noqa: NPY002
            streams[run], raised[run] = _read_streams(side, options)
        out.write_value("streams", streams)
        out.write_value("untrained", next(filter(None, raised.values()), ""))


def _record_draws(side: PortSide, out: RecordingWriter, train: Any) -> None:
    """Augment the legacy's training files; which files are in the split is for the loader gate."""
    dataset = copy(train)
    dataset.images = side.workspace.recording("legacy", "augment").values["files"]
    dataset.labels = [0] * len(dataset.images)
    on_device = DeviceAugmentation(side.spec.image_scale)
    hashes, differences = {}, {}
    for draw in side.track(range(DRAWS[side.spec.profile]), "augment"):
        index = draw % len(dataset)
        random.seed(draw)
        np.random.seed(draw)  # noqa: NPY002
        image = np.ascontiguousarray(permute_axes(dataset[index][0].numpy(), "CHW", "HWC"))
        hashes[f"draw {draw}"] = [Path(dataset.images[index]).name, hash_array(image)]
        if draw < SHOWN_DRAWS:
            out.write_array(f"image/{draw}", image, "HWC")
        if draw < DEVICE_DRAWS:
            random.seed(draw)
            differences[f"draw {draw}"] = _difference(_augment_on_device(side, on_device, dataset.images[index]), image)
    out.write_value("draws", hashes)
    out.write_value("device", differences)


def _augment_on_device(side: PortSide, augmentation: DeviceAugmentation, path: str) -> np.ndarray:
    """Return an augmented image (h, w, 3) of the declared mode, computed by torch."""
    levels = torch.from_numpy(np.ascontiguousarray(permute_axes(data.read_image(path), "HWC", "CHW")))
    (image,) = augmentation.apply(levels[None].to(side.device), [augmentation.draw()])
    return permute_axes(image.cpu().numpy(), "CHW", "HWC")


def _difference(found: np.ndarray, expected: np.ndarray) -> list[float]:
    """Return the share of values that differ, and the largest difference."""
    if found.shape != expected.shape:
        return [1.0, 1.0]
    differences = np.abs(found.astype(np.float64) - expected)
    return [float(np.mean(differences > 0)), float(differences.max())]


@contextmanager
def _no_image_is_read() -> Iterator[None]:
    """Read no file inside the block: where only random numbers count, decoding thousands of images takes minutes."""
    read, data.read_image = data.read_image, lambda path: CORNER
    try:
        yield
    finally:
        data.read_image = read


def _items(loader: Any) -> Iterator[Any]:
    """Yield what the loader asks its data set for, epoch after epoch; an epoch may be empty in a broken port."""
    for epoch in range(COUNTED_DRAWS):
        _set_epoch(loader, epoch)
        for batch in loader.batch_sampler:
            yield from batch


def _set_epoch(loader: Any, epoch: int) -> None:
    """Tell the sampler the epoch: thousands of images say what is drawn, and what a training reads is for the streams."""
    if hasattr(loader.batch_sampler.sampler, "set_epoch"):
        loader.batch_sampler.sampler.set_epoch(epoch)


def _read_streams(side: PortSide, options: Mapping[str, int]) -> tuple[list[list[list[str]]], str]:
    """Return the first number of Python's and of numpy's generator for each image that a training reads, by epoch.

    Beside them stands what the training raised, or nothing.
    """
    spec = side.spec
    loaders, _ = data.make_loaders(
        spec.data, spec.resolution, spec.split, spec.image_scale, images=STREAM_IMAGES, splits=["train"], **options
    )
    loader = loaders["train"]
    loader.dataset.augment = _first_numbers
    epochs: list[list[list[str]]] = []
    watch = Watch(
        on_epoch=lambda _: epochs.append([]),
        on_batch=lambda batch: epochs[-1].extend([[repr(number) for number in row] for row in batch[0][:, 0, 0, :2].tolist()]),
    )
    raised = train_over(side, loader, watch, epochs=STREAM_EPOCHS)
    return epochs, raised


def _first_numbers(image: np.ndarray) -> dict[str, np.ndarray]:
    """Return an image that begins with two random numbers."""
    return {"image": make_image(random.random(), np.random.random())}  # noqa: NPY002
