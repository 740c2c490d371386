"""The gradient of every trainable tensor in the first step of the legacy's training, float64, training-mode batch norm."""

from __future__ import annotations

from parity.artefact import RecordingWriter
from parity.sides.legacy import LegacySide
from parity.sides.legacy_training import run_training
from parity.training import STEPPED, TRAINABLE

AXES = {tensor.legacy: tensor.axes for tensor in TRAINABLE}


def record(side: LegacySide, out: RecordingWriter) -> None:
    run = run_training(side)
    images, labels = run.batches[0]
    out.write_array("inputs/images", images, "NHWC")
    out.write_array("inputs/labels", labels, "NK")
    out.write_array("inputs/mask", run.masks[0], "NC")
    out.write_value("stepped", {name: run.stepped[name] for name in STEPPED})
    for name, gradient in run.gradients.items():
        out.write_array(f"float64/{name}", gradient, AXES.get(name, "NHWC"[: gradient.ndim]))
