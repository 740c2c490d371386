"""The legacy side [tensorflow]: the frozen pipeline and its compiled model, built once for all gates."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import config as framework_config

from legacy_tf import datasets, export, models
from legacy_tf.errors import InputError
from parity.contract import CLASSES
from parity.recorder import track
from parity.sides.legacy_inputs import record_inputs
from parity.workspace import Workspace

REFUSALS = (InputError,)  # what `legacy_tf` raises for bad input


class LegacySide:
    """The legacy pipeline of one run.

    Args:
        workspace: The run.
    """

    name = "legacy"

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.spec = workspace.spec
        self._made: dict[Any, Any] = {}
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
            yield self.once(_make_model, dtype)
        finally:
            tf.keras.backend.set_floatx("float32")

    @contextmanager
    def without_determinism(self) -> Iterator[None]:
        """Allow operations in the block that have no deterministic implementation on a GPU; a CPU has them all.

        TensorFlow has none for the gradient of a fused batch norm in inference mode, which Grad-CAM needs, and raises. How much
        two runs differ is recorded instead.
        """
        if self.spec.device != "cpu":
            framework_config.disable_op_determinism()
        try:
            yield
        finally:
            tf.config.experimental.enable_op_determinism()

    def once(self, make: Callable[..., Any], *arguments: Any) -> Any:
        """Return ``make(side, *arguments)``, made the first time that it is asked for."""
        key = (make, arguments)
        if key not in self._made:
            self._made[key] = make(self, *arguments)
        return self._made[key]

    def make_model(self, height_px: int, width_px: int) -> Any:
        """Return a new model for images of this size, with the checkpoint's weights, in the present precision."""
        model, _ = models.resnet_model(len(CLASSES), (height_px, width_px, 3), weights=None)
        export.load_checkpoint(model, self.spec.checkpoint)
        return model

    def predict(self, model: Any, images: np.ndarray) -> np.ndarray:
        """Return the probabilities (N, K) of one batch, through the call that ``Model.predict`` makes."""
        return model.predict_on_batch(images.astype(tf.keras.backend.floatx()))

    def record_inputs(self, key: str) -> None:
        """Record what both sides are fed."""
        record_inputs(self, key)

    def track(self, items: Any, step: str) -> Iterator[Any]:
        return track(items, self.name, step)


def _make_model(side: LegacySide, dtype: str) -> Any:
    return side.make_model(side.spec.height_px, side.spec.width_px)


def make_side(workspace: Workspace) -> LegacySide:
    """Return the legacy side of a run."""
    return LegacySide(workspace)
