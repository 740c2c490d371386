"""The legacy's training, watched from inside [tensorflow]: dropout masks go in, losses and gradients come out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Any

import numpy as np
import tensorflow as tf

from legacy_tf import datasets, export, traintest
from parity.architecture import BATCH_NORMS
from parity.contract import CLASSES
from parity.sides.legacy import LegacySide
from parity.training import (
    BATCH_SIZE,
    BATCHES,
    CLASS_WEIGHTS,
    EPOCHS,
    HEIGHT_PX,
    IMAGE_SCALE,
    LEARNING_RATE,
    WIDTH_PX,
    Batch,
    TrainingRun,
    make_mask,
    sample_elements,
)

OnStep = Callable[[int, float, Sequence[Any]], None]


def make_batches(side: LegacySide, count: int) -> tuple[list[Batch], Batch]:
    """Return augmented training batches, the last one short, and a validation batch, all of 96x128 pixels."""
    spec = side.spec
    made, _ = datasets.make_generators(
        spec.data, spec.resolution, spec.split, IMAGE_SCALE, BATCH_SIZE, spec.images, splits=("train", "val")
    )
    full = max(1, len(made["train"].images) // BATCH_SIZE)  # the generator's own short batch may be of one image
    batches = [made["train"][number % full] for number in range(count)]
    images, labels = batches[-1]
    short = (len(images) + 1) // 2
    return [*batches[:-1], (images[:short], labels[:short])], made["val"][0]


def run_training(side: LegacySide) -> TrainingRun:
    """Train by the legacy's own ``train_model``, in float64, and return what was seen; once for a side."""
    run: TrainingRun = side.once(_train)
    return run


def _train(side: LegacySide) -> TrainingRun:
    batches, val_batch = make_batches(side, BATCHES[side.spec.profile])
    rng = np.random.default_rng(17)
    masks = [make_mask(rng, len(images)) for _ in range(EPOCHS) for images, _ in batches]
    with side.precision("float64"):
        model = make_training_model(side)
        run = TrainingRun(batches=batches, val_batch=val_batch, masks=masks, statistics=[_read_statistics(model)])
        start = _sample_weights(model)

        def on_step(step: int, loss: float, gradients: Sequence[Any]) -> None:
            run.losses.append(loss)
            run.statistics.append(_read_statistics(model))
            if step == 0:
                named = zip(model.trainable_variables, gradients, strict=True)
                run.gradients |= {export.weight_name(variable): gradient.numpy() for variable, gradient in named}
                run.stepped |= {name: bool((start[name] != now).any()) for name, now in _sample_weights(model).items()}
            if step == len(masks) - 1:
                run.state |= dict(_read_state(model))
                with dropout_mask(model, masks[0]):
                    run.predictions = model(batches[0][0].astype(np.float64), training=True).numpy()

        # Not in the run's folder: Keras takes a name with [ ] for a pattern.
        with tempfile.TemporaryDirectory() as folder, watched(model, masks, on_step):
            data, val_data = make_dataset(batches), make_dataset([val_batch])
            traintest.train_model(model, data, val_data, CLASS_WEIGHTS, f"{folder}/best_weights", EPOCHS)
    return run


def make_training_model(side: LegacySide) -> Any:
    """Return a new compiled model for 96x128 pixels in the present precision.

    It is compiled by the legacy, then again with the same optimizer and loss, without metrics (whose kernels take float32
    only), and step by step, so that it can be watched.
    """
    model = side.make_model(HEIGHT_PX, WIDTH_PX)
    traintest.compile_model(model, len(CLASSES), LEARNING_RATE)
    model.compile(optimizer=model.optimizer, loss=model.loss, run_eagerly=True)
    return model


def _read_statistics(model: Any) -> dict[str, np.ndarray]:
    layers = {norm.name: model.get_layer(norm.legacy_layer) for norm in BATCH_NORMS}
    means = {f"mean/{name}": layer.moving_mean.numpy() for name, layer in layers.items()}
    return means | {f"variance/{name}": layer.moving_variance.numpy() for name, layer in layers.items()}


def _sample_weights(model: Any) -> dict[str, np.ndarray]:
    return {export.weight_name(variable): sample_elements(variable.numpy()) for variable in model.trainable_variables}


def _read_state(model: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Yield a sample of every weight and optimizer slot."""
    optimizer = model.optimizer
    for variable in model.trainable_variables:
        name = export.weight_name(variable)
        index = optimizer._index_dict[optimizer._var_key(variable)]
        tensors = {"weights": variable, "m": optimizer._momentums[index], "v": optimizer._velocities[index]}
        yield from ((f"{kind}/{name}", sample_elements(tensor.numpy())) for kind, tensor in tensors.items())


def make_dataset(*epochs: Sequence[Batch]) -> tf.data.Dataset:
    """Return batches as ``fit`` takes them, in this order, in the present precision; of several epochs one after the other.

    All epochs have as many batches.
    """
    dtype = tf.keras.backend.floatx()
    images, labels = epochs[0][0]
    following = cycle(epochs)
    signature = tuple(tf.TensorSpec((None, *array.shape[1:]), dtype) for array in (images, labels))
    made = tf.data.Dataset.from_generator(
        lambda: ((x.astype(dtype), y.astype(dtype)) for x, y in next(following)), output_signature=signature
    )
    return made.apply(tf.data.experimental.assert_cardinality(len(epochs[0])))


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
