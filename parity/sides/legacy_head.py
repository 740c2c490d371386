"""The legacy's last layer trained on injected logits [tensorflow]: what ``train_model`` makes of them in its history."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from legacy_tf import traintest
from parity.contract import CLASSES
from parity.sides.legacy import LegacySide
from parity.sides.legacy_training import make_dataset
from parity.training import CLASS_WEIGHTS, Batch, make_hidden

LAST_LAYER = "last_dense"


@contextmanager
def identity_head(side: LegacySide, dtype: str) -> Iterator[Any]:
    """Yield a model of the network's own last layer whose logits are its first inputs, compiled by the legacy.

    The learning rate is 0, so that training changes nothing.
    """
    with side.precision(dtype) as model:
        layer = model.get_layer(LAST_LAYER)
        weights = layer.get_weights()
        layer.set_weights([np.eye(*weights[0].shape), np.zeros_like(weights[1])])
        head = tf.keras.Model(layer.input, layer.output)
        traintest.compile_model(head, len(CLASSES), init_lr=0.0)
        try:
            yield head
        finally:
            layer.set_weights(weights)


def fit_history(side: LegacySide, head: Any, *epochs: Sequence[Batch]) -> dict[str, list[float]]:
    """Return the history of training and validating on epochs of (logits, labels) batches by the legacy's ``train_model``."""
    hidden = [[(make_hidden(logits), labels) for logits, labels in batches] for batches in epochs]
    datasets = make_dataset(*hidden), make_dataset(*hidden)
    with tempfile.TemporaryDirectory() as folder:
        history = traintest.train_model(head, *datasets, CLASS_WEIGHTS, f"{folder}/best_weights", len(epochs))
    return {name: [float(value) for value in values] for name, values in history.history.items()}
