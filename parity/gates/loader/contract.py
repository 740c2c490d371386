"""What both recorders of the loader gate and its comparison agree on: the trace of an epoch."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.artefact import hash_array
from parity.contract import BATCH_SIZE

TRACED = ("train", "val")
TRACE_IMAGES = 20  # of each split: two whole batches and a short one
TRACE_EPOCHS = 2
DEFAULT_EPOCHS = 3
DEFAULT_SEED = 5  # of the default order; 0 is the default
STEP = 16

Augment = Callable[..., dict[str, Any]]


@dataclass
class Trace:
    """Which image is augmented when, and the state of the random numbers after it.

    It watches where the images are read, not where the batches arrive: there, reading is already ahead.

    Attributes:
        names: File name of each image by its pixels.
        images: Image by phase and number.
        states: Hash of the state of Python's random numbers after each of them, and at the end of the phase.
        labels: Labels of each batch that arrives, by phase and number.
    """

    names: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    labels: dict[str, list[int]] = field(default_factory=dict)
    _phase: str = ""
    _image: int = 0
    _batch: int = 0

    def know(self, name: str, levels: np.ndarray) -> None:
        """Keep the name of an image."""
        self.names[_fingerprint(levels)] = name

    def watch(self, augment: Augment) -> Augment:
        """Return `augment`, watched."""

        def watched(image: np.ndarray) -> dict[str, Any]:
            result = augment(image=image)
            place = f"{self._phase}, image {self._image}"
            self._image += 1
            self.images[place] = self.names.get(_fingerprint(image), "no image of the data set")
            self.states[place] = _hash_state()
            return result

        return watched

    def follow(self, phase: str, batches: Iterable[tuple[Any, Any]]) -> None:
        """Take every batch of a phase: images, and one-hot labels as numpy can read them."""
        self.begin(phase)
        for _, labels in batches:
            self.arrive(labels)
        self.end()

    def end(self) -> None:
        """Keep the state of the random numbers at the end of the present phase."""
        self.states[f"{self._phase}, end"] = _hash_state()

    def arrive(self, labels: Any) -> None:
        """Take the one-hot labels of a batch of the present phase."""
        self.labels[f"{self._phase}, batch {self._batch}"] = np.asarray(labels).argmax(axis=1).tolist()
        self._batch += 1

    def begin(self, phase: str) -> None:
        """Begin a phase; one that has begun goes on."""
        if phase != self._phase:
            self._phase, self._image, self._batch = phase, 0, 0

    def by_name(self) -> dict[str, dict[str, Any]]:
        """Return what was seen of images and batches, table by table."""
        states = {place: self.states[place] for place in self.images}
        return {"images": self.images, "states": states, "labels": self.labels}

    def tables(self) -> dict[str, dict[str, Any]]:
        """Return what was seen, by the name it is recorded under."""
        return {f"trace/{name}": getattr(self, name) for name in ("images", "states", "labels")}


def _fingerprint(levels: np.ndarray) -> str:
    return hash_array(levels[::STEP, ::STEP])


def _hash_state() -> str:
    return hashlib.sha256(repr(random.getstate()).encode()).hexdigest()[:16]


def trace_keys(sizes: Mapping[str, int]) -> dict[str, list[str]]:
    """Return the keys that each table of a trace must have, for so many images of each split.

    The first epoch and the first validation have one batch more: the look at item 0.

    >>> keys = trace_keys({"train": 10, "val": 3})
    >>> len(keys["trace/images"]) == 8 + 10 + 10 + 3 + 3 + 3
    True
    """
    images: list[str] = []
    labels: list[str] = []
    for phase, split, epoch in phases():
        look = min(sizes[split], BATCH_SIZE) if epoch == 1 else 0
        images += [f"{phase}, image {number}" for number in range(look + sizes[split])]
        labels += [f"{phase}, batch {number}" for number in range(len(batch_lengths(sizes[split])))]
    states = [*images, *(f"{phase}, end" for phase, *_ in phases())]
    return {"trace/images": images, "trace/states": states, "trace/labels": labels}


def phases() -> Iterator[tuple[str, str, int]]:
    """Yield name, split and epoch (from 1) of each phase of a training."""
    for epoch in range(1, TRACE_EPOCHS + 1):
        yield f"epoch {epoch}", "train", epoch
        yield f"validation {epoch}", "val", epoch


def batch_lengths(size: int) -> list[int]:
    """Return the number of images in each batch; the last one may be short.

    >>> batch_lengths(20)
    [8, 8, 4]
    """
    return [min(BATCH_SIZE, size - start) for start in range(0, size, BATCH_SIZE)]
