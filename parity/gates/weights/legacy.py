"""Every tensor of the compiled Keras model, and how a fresh one is filled, under the Keras names."""

from __future__ import annotations

from legacy_tf import export, models
from parity.architecture import tensors
from parity.artefact import RecordingWriter
from parity.contract import CLASSES
from parity.fresh import describe
from parity.sides.legacy import LegacySide

AXES = {tensor.legacy: tensor.axes for tensor in tensors(len(CLASSES))}
FRESH_SHAPE = (96, 128, 3)  # no weight depends on the size of the images


def record(side: LegacySide, out: RecordingWriter) -> None:
    with side.precision("float32") as model:
        for variable in model.weights:
            name = export.weight_name(variable)
            out.write_array(name, variable.numpy(), AXES.get(name, "NHWC"[: len(variable.shape)]))
    fresh, _ = models.resnet_model(len(CLASSES), FRESH_SHAPE, weights=None)
    out.write_value("fresh", {export.weight_name(variable): describe(variable.numpy()) for variable in fresh.weights})
