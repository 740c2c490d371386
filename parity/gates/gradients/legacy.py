"""The gradient of every trainable tensor in one step of the legacy's own training, float64, training-mode batch norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from legacy_tf import export
from parity.artefact import RecordingWriter
from parity.sides.legacy import LegacySide
from parity.sides.legacy_training import make_batches, make_training_model, train
from parity.training import TRAINABLE, make_mask

AXES = {tensor.legacy: tensor.axes for tensor in TRAINABLE}


def record(side: LegacySide, out: RecordingWriter) -> None:
    (batch,), val_batch = make_batches(side, 1)
    masks = [make_mask(np.random.default_rng(18), len(batch[0]))]
    out.write_array("inputs/images", batch[0], "NHWC")
    out.write_array("inputs/labels", batch[1], "NK")
    out.write_array("inputs/mask", masks[0], "NC")
    with side.precision("float64"):
        model = make_training_model(side)

        def on_step(step: int, loss: float, gradients: Sequence[Any]) -> None:
            for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
                name = export.weight_name(variable)
                out.write_array(f"float64/{name}", gradient.numpy(), AXES.get(name, "NHWC"[: len(variable.shape)]))

        train(side, model, [batch], val_batch, masks=masks, on_step=on_step)
