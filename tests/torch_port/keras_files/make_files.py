"""Write the files of this folder with tensorflow 2.15.1: one small model in each of Keras' formats, and its arrays.

    .nox/legacy/bin/python tests/torch_port/keras_files/make_files.py

The model is the stem and the first block of ResNet50V2, by Keras' own function, with few channels, under the legacy's head.
`headless.h5.gz` is the whole of ResNet50V2 as Keras offers it for download, without a head; all elements of a tensor are
alike, so that it packs well.
"""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf
from keras.src.applications import resnet

FOLDER = Path(__file__).parent
resnet.layers = tf.keras.layers  # which Keras' own model functions set as well


def make_layers() -> tuple[tf.keras.layers.Layer, tf.keras.layers.Layer]:
    image = tf.keras.layers.Input((8, 8, 3))
    x = tf.keras.layers.Conv2D(2, 3, name="conv1_conv")(image)
    x = resnet.block2(x, 2, conv_shortcut=True, name="conv2_block1")
    return image, tf.keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)


def add_head(x: tf.keras.layers.Layer) -> tf.keras.layers.Layer:
    x = tf.keras.layers.Dense(4, activation="relu", name="prev_dense")(x)
    return tf.keras.layers.Dense(3, activation="softmax", name="last_dense")(x)


def fill(model: tf.keras.Model) -> None:
    """Give every element of every tensor a value of its own."""
    values = iter(range(1, 10**6))
    model.set_weights(
        [np.array([next(values) for _ in range(w.size)], "float32").reshape(w.shape) for w in model.get_weights()]
    )


def write_headless() -> None:
    model = tf.keras.applications.ResNet50V2(include_top=False, weights=None)
    model.set_weights([np.full(w.shape, number, "float32") for number, w in enumerate(model.get_weights(), start=1)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "headless.h5")
        model.save_weights(path)
        (FOLDER / "headless.h5.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))


def main() -> None:
    image, features = make_layers()
    model = tf.keras.Model(image, add_head(features))
    fill(model)
    np.savez_compressed(FOLDER / "arrays.npz", **{v.name.removesuffix(":0"): v.numpy() for v in model.weights})
    model.save_weights(FOLDER / "named_weights.h5")
    model.save_weights(FOLDER / "numbered.weights.h5")
    model.compile(tf.keras.optimizers.Adam(), "categorical_crossentropy")
    model.optimizer.build(model.trainable_variables)
    model.save(FOLDER / "model.h5")
    model.save(FOLDER / "model.keras")

    image, features = make_layers()
    backbone = tf.keras.Model(image, features, name="backbone")
    outer = tf.keras.layers.Input((8, 8, 3))
    nested = tf.keras.Model(outer, add_head(backbone(outer)))
    fill(nested)
    nested.save(FOLDER / "nested.h5")
    nested.save(FOLDER / "nested.keras")
    write_headless()


if __name__ == "__main__":
    main()
