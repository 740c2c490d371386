"""Write the start weights of the gate `commands`: `.nox/legacy/bin/python tests/checkpoints/write_backbone.py`.

A weights file of the headless ResNet50V2, written by Keras; `known.py` says its numbers. Packed twice, it is tiny.
"""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import h5py
import tensorflow as tf
from known import backbone_tensor

TARGET = Path(__file__).parents[2] / "parity" / "gates" / "commands" / "backbone.h5.gz"
PLAIN = 64  # elements up to which a tensor is not packed


def copy(source: h5py.Group, target: h5py.Group) -> None:
    """Copy a group, packed."""
    target.attrs.update(dict(source.attrs))
    for name, item in source.items():
        if isinstance(item, h5py.Group):
            copy(item, target.create_group(name))
        else:
            packed = {"compression": "gzip", "compression_opts": 9, "chunks": item.shape} if item.size > PLAIN else {}
            target.create_dataset(name, data=item[()], **packed)


def main() -> None:
    model = tf.keras.applications.ResNet50V2(include_top=False, weights=None)
    model.set_weights([backbone_tensor(weight.name.partition(":")[0], tuple(weight.shape)) for weight in model.weights])
    with tempfile.TemporaryDirectory() as folder:
        model.save_weights(f"{folder}/whole.h5")
        with h5py.File(f"{folder}/whole.h5") as whole, h5py.File(f"{folder}/packed.h5", "w", libver="latest") as packed:
            copy(whole, packed)
        TARGET.write_bytes(gzip.compress(Path(folder, "packed.h5").read_bytes(), 9, mtime=0))


if __name__ == "__main__":
    main()
