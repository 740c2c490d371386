"""Every tensor of the port's ``state_dict`` after conversion, and how a fresh port is filled, under the port's own names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from parity.architecture import tensors
from parity.artefact import RecordingWriter
from parity.contract import CLASSES
from parity.fresh import describe
from parity.sides.port import PortSide
from torch_port.model import make_model

AXES = {tensor.port: tensor.port_axes for tensor in tensors(len(CLASSES))}


def record(side: PortSide, out: RecordingWriter) -> None:
    if side.workspace.refusal.is_file():
        out.write_value("refused", side.workspace.refusal.read_text(encoding="utf-8"))
    for name, tensor in _tensors(side.model("float32")):
        out.write_array(name, tensor.cpu().numpy(), AXES.get(name, "OIHW"[: tensor.ndim]))
    fresh = make_model(side.spec.arch, len(CLASSES))
    out.write_value("fresh", {name: describe(tensor.numpy()) for name, tensor in _tensors(fresh)})


def _tensors(network: Any) -> Iterator[tuple[str, Any]]:
    for name, tensor in network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            yield name, tensor
