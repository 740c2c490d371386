"""The legacy side [tensorflow]: the frozen pipeline and its compiled model, built once for all gates."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from legacy_tf import datasets, export, models
from parity.contract import CLASSES
from parity.recorder import exit_on_bad_input, record_gates, track
from parity.sides.legacy_inputs import record_inputs
from parity.workspace import Workspace


class LegacySide:
    """The legacy pipeline of one run.

    Args:
        workspace: The run.
    """

    name = "legacy"

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.spec = workspace.spec
        if self.spec.device == "cpu":
            tf.config.set_visible_devices([], "GPU")
        tf.config.experimental.enable_tensor_float_32_execution(False)
        tf.config.experimental.enable_op_determinism()
        tf.keras.utils.set_random_seed(0)

    def make_generators(self) -> tuple[dict[str, Any], list[str]]:
        """Return new generators of every split, as the legacy makes them, and the class names."""
        spec = self.spec
        return datasets.make_generators(spec.data, spec.resolution, spec.split, spec.image_scale, images=spec.images)

    @cached_property
    def generators(self) -> dict[str, Any]:
        return self.make_generators()[0]

    @contextmanager
    def precision(self, dtype: str) -> Iterator[Any]:
        """Yield the model in `dtype`; Keras feeds and computes in it while the block runs."""
        tf.keras.backend.set_floatx(dtype)
        try:
            yield self._model(dtype)
        finally:
            tf.keras.backend.set_floatx("float32")

    @cache  # noqa: B019 - one side lives as long as its process
    def _model(self, dtype: str) -> Any:
        shape = (self.spec.height_px, self.spec.width_px, 3)
        model = models.resnet_model(len(CLASSES), shape, weights=None)
        export.load_checkpoint(model, self.spec.checkpoint)
        return model

    def predict(self, model: Any, images: np.ndarray) -> np.ndarray:
        """Return the probabilities (N, K) of one batch, through the call that ``Model.predict`` makes."""
        return model.predict_on_batch(images.astype(tf.keras.backend.floatx()))

    def track(self, items: Any, step: str) -> Iterator[Any]:
        return track(items, self.name, step)


def main() -> None:
    """Record this side of the run whose folder is the only argument."""
    workspace = Workspace(Path(sys.argv[1]))
    built: list[LegacySide] = []

    def make_side() -> LegacySide:
        if not built:
            built.append(LegacySide(workspace))
        return built[0]

    record_inputs(workspace, make_side)
    record_gates("legacy", workspace, make_side)


if __name__ == "__main__":
    exit_on_bad_input(main, export.CheckpointError, datasets.DatasetError)
