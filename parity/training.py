"""What both sides' training recorders agree on: the batches, their size, the class weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from parity.architecture import HIDDEN_UNITS, tensors
from parity.contract import CLASSES, IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX

IMAGE_SCALE = 0.08
HEIGHT_PX, WIDTH_PX = int(IMAGE_HEIGHT_PX * IMAGE_SCALE), int(IMAGE_SCALE * IMAGE_WIDTH_PX)  # 96 x 128
BATCHES: Mapping[str, int] = {"probe": 2, "guard": 2, "quick": 6, "full": 6}  # of an epoch, by profile
EPOCHS = 2
SLOTS = ("m", "v")
# The port's trainings with a seed and no injected masks: epochs, the first batches of an epoch, and the seed of dropout.
SEEDED_EPOCHS, SEEDED_BATCHES, SEED = 3, 2, 29
BATCH_SIZE = 4  # a step in float64 takes as long as two in float32
# A hundredth of the default, which `config` compares: at the default, training from a random backbone multiplies rounding
# errors by ten in every step, in either framework. What an optimizer does wrongly stays as wrong, relative to its steps.
LEARNING_RATE = 1e-6
# Keras makes class weights float32 even in a float64 network: these are the same number in both.
CLASS_WEIGHTS = {0: 0.625, 1: 1.25, 2: 2.5}
Batch = tuple[np.ndarray, np.ndarray]  # images (N, H, W, C) or logits (N, K), one-hot labels (N, K)
EPOCH_LENGTHS = (8, 8, 5)  # images in the batches of an epoch of injected logits: the last one is short
TRAINABLE = tuple(tensor for tensor in tensors(len(CLASSES)) if not tensor.legacy.rpartition("/")[2].startswith("moving_"))


@dataclass(kw_only=True)
class TrainingRun:
    """What was seen of a training; arrays are in the legacy's axis order, float64.

    Attributes:
        batches: Batches of an epoch, in order.
        val_batch: Validation after each epoch.
        masks: Dropout mask (N, units) of each step.
        losses: Loss of each step.
        gradients: Gradient of every trainable tensor in the first step, by legacy name.
        stepped: Whether the first step changed a tensor, by legacy name.
        statistics: ``mean/<norm>`` and ``variance/<norm>`` before the first and after each step, (C,).
        state: Sample of every weight and slot after the last step, as ``weights/<name>``, ``m/<name>``, ``v/<name>``.
        predictions: Probabilities (N, K) of the first batch afterwards, in training mode with the first mask.
    """

    batches: Sequence[Batch]
    val_batch: Batch
    masks: Sequence[np.ndarray]
    statistics: list[dict[str, np.ndarray]]
    losses: list[float] = field(default_factory=list)
    gradients: dict[str, np.ndarray] = field(default_factory=dict)
    stepped: dict[str, bool] = field(default_factory=dict)
    state: dict[str, np.ndarray] = field(default_factory=dict)
    predictions: np.ndarray = field(default_factory=lambda: np.empty((0, len(CLASSES))))


def is_nearly_without_gradient(name: str) -> bool:
    """Return whether elements of a tensor may have no gradient by analysis.

    Beside those of `is_without_gradient` this is the first bias: the batch norm behind the pool subtracts it again in every
    channel in which the zeros of the padding are nowhere the largest.
    """
    return is_without_gradient(name) or name == "conv1_conv/bias"


def is_without_gradient(name: str) -> bool:
    """Return whether a tensor's gradient is zero by analysis: biases before a batch norm that subtracts them again.

    >>> is_without_gradient("conv3_block1_0_conv/bias"), is_without_gradient("conv1_conv/bias")
    (True, False)
    """
    return name.endswith(("_0_conv/bias", "_3_conv/bias"))


def sample_elements(array: np.ndarray, count: int = 4096) -> np.ndarray:
    """Return at most `count` elements of an array in the legacy's axis order, evenly spaced, first and last included."""
    flat = array.reshape(-1)
    return flat[np.linspace(0, flat.size - 1, min(count, flat.size)).round().astype(np.int64)]


# What a step must change; a gradient of pure rounding may move nothing.
STEPPED = tuple(tensor.legacy for tensor in TRAINABLE if not is_nearly_without_gradient(tensor.legacy))


def make_mask(rng: np.random.Generator, images: int) -> np.ndarray:
    """Return a dropout mask (N, units) of zeros and twos, float64."""
    return 2.0 * rng.integers(0, 2, (images, HIDDEN_UNITS))


def make_hidden(logits: np.ndarray) -> np.ndarray:
    """Return hidden units (N, units) whose first ones are the logits (N, K)."""
    hidden = np.zeros((len(logits), HIDDEN_UNITS))
    hidden[:, : logits.shape[1]] = logits
    return hidden


def peaked(labels: np.ndarray, gap: float) -> np.ndarray:
    """Return logits (N, K) in which each label's is larger by `gap`."""
    logits: np.ndarray = gap * np.eye(len(CLASSES))[labels]
    return logits


def make_batch(logits: np.ndarray, labels: np.ndarray) -> Batch:
    """Return logits with one-hot labels (N, K) for class indices (N,)."""
    return logits, np.eye(len(CLASSES))[labels]


def make_epoch(seed: int = 20) -> Batch:
    """Return the logits and labels of a whole epoch, whose last batch is short and has a loss of its own."""
    rng = np.random.default_rng(seed)
    images = sum(EPOCH_LENGTHS)
    labels = rng.integers(0, len(CLASSES), images)
    logits = rng.normal(0.0, 2.0, (images, len(CLASSES)))
    logits[-EPOCH_LENGTHS[-1] :] += peaked((labels[-EPOCH_LENGTHS[-1] :] + 1) % len(CLASSES), 6.0)
    return make_batch(logits, labels)


def cut(batch: Batch) -> list[Batch]:
    """Return the batches of the epoch."""
    ends = np.cumsum(EPOCH_LENGTHS)
    return [(batch[0][end - n : end], batch[1][end - n : end]) for end, n in zip(ends, EPOCH_LENGTHS, strict=True)]
