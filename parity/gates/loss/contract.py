"""Logits that make faults of a loss visible."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from parity.contract import CLASSES
from parity.training import Batch, make_batch, peaked

EPOCH = "epoch"
MEASURED = ("loss", "val_loss")


def make_cases() -> Mapping[str, Batch]:
    """Return batches of logits (N, K) float64 and one-hot labels (N, K) float64, by name."""
    rng = np.random.default_rng(19)
    noise = rng.normal(0.0, 1.0, (8, len(CLASSES)))
    labels = rng.integers(0, len(CLASSES), 8)
    return {
        "saturated_right": make_batch(peaked(labels, 40.0), labels),
        "saturated_wrong": make_batch(peaked((labels + 1) % len(CLASSES), 40.0), labels),
        "beyond_float32": make_batch(peaked((labels + 1) % len(CLASSES), 120.0), labels),  # exp(-120) is 0 in float32
        "tied": make_batch(np.zeros((4, len(CLASSES))), np.array([0, 1, 2, 2])),
        "unbalanced": make_batch(noise, np.array([0, 0, 0, 0, 0, 0, 0, 2])),
        "one_of_each": make_batch(noise[: len(CLASSES)], np.arange(len(CLASSES))),
        "one_class": make_batch(noise[:5], np.full(5, 2)),
        "one_image": make_batch(noise[:1], np.array([1])),
        "mixed": make_batch(3.0 * noise, labels),
    }
