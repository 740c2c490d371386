"""Every tensor of the compiled Keras model, under its Keras name."""

from __future__ import annotations

from legacy_tf import export
from parity.architecture import tensors
from parity.artefact import RecordingWriter
from parity.contract import CLASSES
from parity.sides.legacy import LegacySide

AXES = {tensor.legacy: tensor.axes for tensor in tensors(len(CLASSES))}


def record(side: LegacySide, out: RecordingWriter) -> None:
    with side.precision("float32") as model:
        for variable in model.weights:
            name = export.weight_name(variable)
            out.write_array(name, variable.numpy(), AXES.get(name, "NHWC"[: len(variable.shape)]))
