"""Every tensor of the port's ``state_dict`` after conversion, under the port's own name."""

from __future__ import annotations

from parity.architecture import tensors
from parity.artefact import RecordingWriter
from parity.contract import CLASSES
from parity.sides.port import PortSide

AXES = {tensor.port: tensor.port_axes for tensor in tensors(len(CLASSES))}


def record(side: PortSide, out: RecordingWriter) -> None:
    for name, tensor in side.model("float32").state_dict().items():
        if not name.endswith("num_batches_tracked"):
            out.write_array(name, tensor.cpu().numpy(), AXES.get(name, "OIHW"[: tensor.ndim]))
