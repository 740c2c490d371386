"""The gradient of every trainable tensor in the first step of the port's training, on the legacy's bytes."""

from __future__ import annotations

from parity.artefact import RecordingWriter
from parity.sides.port import PortSide
from parity.sides.port_training import run_training
from parity.training import STEPPED, TRAINABLE

AXES = {tensor.port: (tensor.legacy, tensor.port_axes) for tensor in TRAINABLE}


def record(side: PortSide, out: RecordingWriter) -> None:
    run = run_training(side)
    images, labels = run.batches[0]
    out.write_array("inputs/images", images, "NHWC")
    out.write_array("inputs/labels", labels, "NK")
    out.write_array("inputs/mask", run.masks[0], "NC")
    out.write_value("stepped", {name: run.stepped[name] for name in STEPPED})
    for name, gradient in run.gradients.items():
        known, axes = AXES.get(name, (name, "OIHW"[: gradient.ndim]))
        out.write_array(f"float64/{known}", gradient, axes)
