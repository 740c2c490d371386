"""The gradient of every trainable tensor in one step of the port's own training, on the legacy's bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.artefact import RecordingWriter
from parity.sides.port import PortSide
from parity.sides.port_training import make_training, train
from parity.training import TRAINABLE


def record(side: PortSide, out: RecordingWriter) -> None:
    legacy = side.workspace.recording("legacy", "gradients")
    images, labels, mask = (np.array(legacy.read_array(f"inputs/{name}")) for name in ("images", "labels", "mask"))
    for name, array in (("images", images), ("labels", labels), ("mask", mask)):
        out.write_array(f"inputs/{name}", array, legacy.arrays[f"inputs/{name}"].axes)
    training = make_training(side)
    known = {tensor.port: tensor for tensor in TRAINABLE}

    def on_step(step: int, loss: float, optimizer: Any) -> None:
        for name, parameter in training.model.named_parameters():
            if parameter.grad is not None:
                tensor = known.get(name)
                place = f"float64/{tensor.legacy}" if tensor else f"float64/{name}"
                axes = tensor.port_axes if tensor else "OIHW"[: parameter.ndim]
                out.write_array(place, parameter.grad.cpu().numpy(), axes)

    train(side, training, [(images, labels)], (images, labels), masks=[mask], on_step=on_step)
