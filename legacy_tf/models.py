"""The classifier: Keras ResNet50V2 with a small head."""

from __future__ import annotations

import tensorflow as tf

NAME = "ResNet50V2"


def resnet_model(
    num_classes: int, input_shape: tuple[int, int, int], *, weights: str | None = "imagenet"
) -> tuple[tf.keras.Model, str]:
    """ResNet50V2, average pooling, a hidden layer of 256, dropout and softmax; every layer is trainable.

    Args:
        num_classes: Length of the softmax.
        input_shape: Height, width and 3 channels.
        weights: "imagenet" (a download), None (random), or a weights file of the headless ResNet50V2.

    Returns:
        The model, and its name for `traintest.get_logdir`.
    """
    # Quirk unit_range_input: no preprocess_input here, the network is fed [0, 1] images.
    inputs = tf.keras.Input(input_shape)
    base = tf.keras.applications.ResNet50V2(include_top=False, weights=weights, input_tensor=inputs, pooling="avg")
    hidden = tf.keras.layers.Dense(256, activation="relu", name="prev_dense")(base.output)
    dropped = tf.keras.layers.Dropout(0.5, name="dpout")(hidden)
    probabilities = tf.keras.layers.Dense(num_classes, activation="softmax", name="last_dense")(dropped)
    return tf.keras.Model(inputs=inputs, outputs=probabilities), NAME


def get_model(
    generator: tf.keras.utils.Sequence, model_name: str = "ResNet50", *, weights: str | None = "imagenet"
) -> tuple[tf.keras.Model, str]:
    """Build the model for what `generator` yields; returns what `resnet_model` returns.

    Reads item 0 for the input shape, and so reshuffles a training generator and draws its random numbers.

    Raises:
        AssertionError: `model_name` is not "ResNet50".
    """
    if model_name != "ResNet50":
        raise AssertionError(f"`model_name` must be 'ResNet50', got {model_name!r}")
    images, _ = generator[0]
    return resnet_model(generator.num_classes, images[0].shape, weights=weights)
