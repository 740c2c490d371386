"""Makes checkpoints and records the legacy side of runs, one request at a time, in a process that stays warm [tensorflow].

``python -m parity.faults.legacy_worker`` answers ``fit``, ``sharpen``, ``silence`` and ``record``.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import tensorflow as tf

from legacy_tf import export, models
from parity.architecture import GRADCAM_LEGACY_LAYER
from parity.contract import CLASSES
from parity.demo.checkpoint import fit_head, write_weights
from parity.faults.lines import serve
from parity.recorder import SideRecorder
from parity.workspace import Workspace


def fit(data: str, split: str, image_scale: float, seed: int, target: str) -> dict[str, Any]:
    """Write a checkpoint: a random backbone of this seed, and a head fitted to the training images of a split."""
    tf.keras.utils.set_random_seed(seed)
    source = {"resolution": "20x", "split": split}
    write_weights(fit_head(Path(data), image_scale, seed, source), Path(target))
    return _clean_up()


def sharpen(source: str, target: str, factor: float) -> dict[str, Any]:
    """Write a checkpoint whose logits are those of another one times a factor."""
    model = models.resnet_model(len(CLASSES), (64, 64, 3), weights=None)
    export.load_checkpoint(model, source)
    layer = model.get_layer("last_dense")
    layer.set_weights([factor * values for values in layer.get_weights()])
    write_weights(model, Path(target))
    return _clean_up()


def silence(source: str, target: str) -> dict[str, Any]:
    """Write a checkpoint whose layer that Grad-CAM looks at gives nothing but zeros."""
    model = models.resnet_model(len(CLASSES), (64, 64, 3), weights=None)
    export.load_checkpoint(model, source)
    layer = model.get_layer(GRADCAM_LEGACY_LAYER)
    layer.set_weights([0 * values for values in layer.get_weights()])
    write_weights(model, Path(target))
    return _clean_up()


def record(run: str) -> dict[str, Any]:
    """Record the legacy side of a run."""
    SideRecorder("legacy", Workspace(Path(run))).record()
    return _clean_up()


def _clean_up() -> dict[str, Any]:
    tf.keras.backend.clear_session()
    gc.collect()
    return {}


def main() -> None:
    """Answer until the input ends."""
    serve({"fit": fit, "sharpen": sharpen, "silence": silence, "record": record})


if __name__ == "__main__":
    main()
