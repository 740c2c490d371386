"""What makes a short training usable: moving averages that fit the weights, and a head that fits the averages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from parity.kernels import draw_kernel

HEAD_LAYERS = ("prev_dense", "dpout", "last_dense")
LABEL_SMOOTHING = 0.1
LAST_NORM = "post_bn"

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]
Notify = Callable[[int], None]


def make_batches(generator: tf.keras.utils.Sequence, limit: int) -> Iterator[Batch]:
    """Read up to ``limit`` batches, passing over the generator as often as that takes."""
    for number in range(limit):
        yield generator[number % len(generator)]


def settle_moving_averages(model: tf.keras.Model, batches: Iterable[Batch], notify: Notify) -> None:
    """Set the moving averages to the plain mean of the batch statistics.

    After a few hundred steps at momentum 0.99 they lag far behind the weights, and evaluation is at chance. The
    momentum of pass k is (k - 1) / k, which averages; it is put back afterwards.
    """
    layers = [layer for layer in model.layers if isinstance(layer, tf.keras.layers.BatchNormalization)]
    momentum = [layer.momentum for layer in layers]
    for passes, (images, _) in enumerate(batches):
        for layer in layers:
            layer.momentum = passes / (passes + 1)
        model(tf.constant(images), training=True)
        notify(passes + 1)
    for layer, original in zip(layers, momentum, strict=True):
        layer.momentum = original


def compute_features(
    model: tf.keras.Model, batches: Iterable[Batch], notify: Notify
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what the head is fed, (N, 2048), in evaluation mode, and the one-hot labels (N, classes)."""
    backbone = tf.keras.Model(model.inputs, model.get_layer(HEAD_LAYERS[0]).input)
    features, labels = [], []
    for number, (images, one_hot) in enumerate(batches):
        features.append(backbone.predict_on_batch(images))
        labels.append(one_hot)
        notify(number + 1)
    return np.concatenate(features), np.concatenate(labels)


def fit_head(
    model: tf.keras.Model,
    features: NDArray[np.float32],
    labels: NDArray[np.float32],
    steps: int,
    learning_rate: float,
) -> float:
    """Fit the two dense layers on features alone; smoothed labels keep the probabilities away from 0 and 1.

    Returns:
        The last training loss.
    """
    inputs = tf.keras.Input(features.shape[1:])
    outputs = inputs
    for name in HEAD_LAYERS:
        outputs = model.get_layer(name)(outputs)
    head = tf.keras.Model(inputs, outputs)
    head.compile(
        tf.keras.optimizers.Adam(learning_rate),
        tf.keras.losses.CategoricalCrossentropy(label_smoothing=LABEL_SMOOTHING),
    )
    # One batch is the whole set, so an epoch is a step.
    history = head.fit(features, labels, batch_size=len(features), epochs=steps, verbose=0)
    return float(history.history["loss"][-1])


def draw_kernels(model: tf.keras.Model, seed: int) -> None:
    """Fill the convolutions of a fresh backbone with kernels that need not be kept, for their seed gives them again."""
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.Conv2D):
            kernel = layer.kernel
            kernel.assign(draw_kernel(f"{layer.name}/kernel", tuple(kernel.shape), seed))


def randomise_batch_norm(model: tf.keras.Model, rng: np.random.Generator, last_shift: float = 0.0) -> None:
    """Give a fresh backbone scales and shifts that differ, so that a mixed-up pair of them shows.

    Args:
        model: A fresh one.
        rng: Source of scales and shifts.
        last_shift: Mean shift of the last norm. Of random features every other one is near zero, where rounding turns the
            ReLU behind it on or off; at 3x4 cells a single one moves a Grad-CAM map by up to a hundredth. Shifted by 2 they
            stay clear of zero, but tell less of the images.
    """
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            _, _, mean, variance = layer.get_weights()
            shift = last_shift if layer.name == LAST_NORM else 0.0
            layer.set_weights([rng.uniform(0.7, 1.3, mean.shape), rng.normal(shift, 0.2, mean.shape), mean, variance])


def centre_head(model: tf.keras.Model, features: NDArray[np.float32]) -> None:
    """Let the hidden layer of a fresh head start with zero mean and unit deviation over the features.

    Features of a random backbone differ little from image to image: on the raw ones a fit would take thousands of
    steps.
    """
    layer = model.get_layer(HEAD_LAYERS[0])
    kernel, _ = layer.get_weights()
    hidden = features @ kernel
    deviation = hidden.std(axis=0) + 1e-6
    layer.set_weights([kernel / deviation, -hidden.mean(axis=0) / deviation])
