"""Makes checkpoints and records the legacy side of runs, one request at a time, in a process that stays warm [tensorflow].

``python -m parity.faults.legacy_worker`` answers ``shake``, ``sharpen``, ``silence`` and ``record``.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from legacy_tf import export, models
from parity.architecture import GRADCAM_LEGACY_LAYER
from parity.contract import CLASSES
from parity.demo.checkpoint import write_weights
from parity.faults.lines import serve
from parity.recorder import SideRecorder
from parity.workspace import Workspace

SHAKEN_BY = 0.03


def shake(source: str, target: str, seed: int) -> dict[str, Any]:
    """Write a checkpoint whose every number is another one's times 1 and a few percent more or less.

    A network of another seed that is trained no more would do as well for most gates, but its Grad-CAM maps are often dead.
    """
    model = _load(source)
    rng = np.random.default_rng(seed)
    model.set_weights([values * rng.normal(1.0, SHAKEN_BY, values.shape) for values in model.get_weights()])
    return _write(model, target)


def sharpen(source: str, target: str, factor: float) -> dict[str, Any]:
    """Write a checkpoint whose logits are those of another one times a factor."""
    model = _load(source)
    layer = model.get_layer("last_dense")
    layer.set_weights([factor * values for values in layer.get_weights()])
    return _write(model, target)


def silence(source: str, target: str) -> dict[str, Any]:
    """Write a checkpoint whose layer that Grad-CAM looks at gives nothing but zeros."""
    model = _load(source)
    layer = model.get_layer(GRADCAM_LEGACY_LAYER)
    layer.set_weights([0 * values for values in layer.get_weights()])
    return _write(model, target)


def _load(source: str) -> Any:
    model = models.resnet_model(len(CLASSES), (64, 64, 3), weights=None)
    export.load_checkpoint(model, source)
    return model


def _write(model: Any, target: str) -> dict[str, Any]:
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
    serve({"shake": shake, "sharpen": sharpen, "silence": silence, "record": record})


if __name__ == "__main__":
    main()
