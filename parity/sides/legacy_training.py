"""The legacy's training, watched from inside [tensorflow]: dropout masks go in, losses and gradients come out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from legacy_tf import datasets, traintest
from parity.contract import CLASSES
from parity.sides.legacy import LegacySide
from parity.training import CLASS_WEIGHTS, HEIGHT_PX, IMAGE_SCALE, LEARNING_RATE, WIDTH_PX, Batch

OnStep = Callable[[int, float, Sequence[Any]], None]


def make_batches(side: LegacySide, count: int) -> tuple[list[Batch], Batch]:
    """Return augmented training batches, the last one short, and a validation batch, all of 96x128 pixels."""
    spec = side.spec
    made, _ = datasets.make_generators(
        spec.data, spec.resolution, spec.split, IMAGE_SCALE, images=spec.images, splits=("train", "val")
    )
    batches = [made["train"][number % len(made["train"])] for number in range(count)]
    images, labels = batches[-1]
    short = (len(images) + 1) // 2
    return [*batches[:-1], (images[:short], labels[:short])], made["val"][0]


def make_training_model(side: LegacySide) -> Any:
    """Return a new compiled model for 96x128 pixels in the present precision.

    It is compiled by the legacy, then again with the same optimizer and loss, without metrics (whose kernels take float32
    only), and step by step, so that it can be watched.
    """
    model = side.make_model(HEIGHT_PX, WIDTH_PX)
    traintest.compile_model(model, len(CLASSES), LEARNING_RATE)
    model.compile(optimizer=model.optimizer, loss=model.loss, run_eagerly=True)
    return model


def train(
    side: LegacySide, model: Any, batches: Sequence[Batch], val_batch: Batch, *, masks: Sequence[np.ndarray], on_step: OnStep
) -> None:
    """Train by the legacy's own ``train_model`` for as many epochs as there are masks for.

    Args:
        side: The legacy.
        model: Of `make_training_model`.
        batches: The batches of an epoch, in order.
        val_batch: Validation after each epoch.
        masks: Dropout mask (N, units) of each step, 0 or 2.
        on_step: Called after each step with its number from 0, its loss and its gradients.
    """
    with tempfile.TemporaryDirectory(dir=side.workspace.folder) as folder, watched(model, masks, on_step):
        traintest.train_model(
            model,
            make_dataset(batches),
            make_dataset([val_batch]),
            CLASS_WEIGHTS,
            str(Path(folder)),
            len(masks) // len(batches),
        )


def make_dataset(batches: Sequence[Batch]) -> tf.data.Dataset:
    """Return batches as ``fit`` takes them, always in this order, in the present precision."""
    dtype = tf.keras.backend.floatx()
    images, labels = batches[0]
    signature = tuple(tf.TensorSpec((None, *array.shape[1:]), dtype) for array in (images, labels))
    made = tf.data.Dataset.from_generator(
        lambda: ((x.astype(dtype), y.astype(dtype)) for x, y in batches), output_signature=signature
    )
    return made.apply(tf.data.experimental.assert_cardinality(len(batches)))


@contextmanager
def dropout_mask(model: Any, mask: np.ndarray) -> Iterator[None]:
    """Have the dropout layer multiply by a mask (N, units) while the block runs, in training mode or not."""
    dropout = model.get_layer("dpout")
    original, dropout.call = dropout.call, lambda inputs, training=None: inputs * mask
    try:
        yield
    finally:
        dropout.call = original


@contextmanager
def watched(model: Any, masks: Sequence[np.ndarray], on_step: OnStep) -> Iterator[None]:
    """Have every training step take the next mask and report, while the block runs."""
    dropout, optimizer = model.get_layer("dpout"), model.optimizer
    originals = dropout.call, model.train_step, model.compute_loss, optimizer.apply_gradients
    seen: dict[str, Any] = {"step": 0}

    def call(inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        return inputs * masks[seen["step"]] if training else inputs

    def compute_loss(*arguments: Any, **words: Any) -> tf.Tensor:
        seen["loss"] = originals[2](*arguments, **words)
        return seen["loss"]

    def apply_gradients(pairs: Any, *arguments: Any, **words: Any) -> Any:
        pairs = list(pairs)
        seen["gradients"] = [gradient for gradient, _ in pairs]
        return originals[3](pairs, *arguments, **words)

    def train_step(data: Any) -> Any:
        logs = originals[1](data)
        on_step(seen["step"], float(seen["loss"]), seen["gradients"])
        seen["step"] += 1
        return logs

    dropout.call, model.train_step, model.compute_loss = call, train_step, compute_loss
    optimizer.apply_gradients = apply_gradients
    try:
        yield
    finally:
        dropout.call, model.train_step, model.compute_loss, optimizer.apply_gradients = originals
