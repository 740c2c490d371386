"""Flags of torch as this process runs with them, and the same batch predicted twice."""

from __future__ import annotations

import torch

from parity.artefact import RecordingWriter
from parity.gates.numerics.contract import RERUN_IMAGES
from parity.sides.port import PortSide


def record(side: PortSide, out: RecordingWriter) -> None:
    batch = next(side.workspace.batches("evaluation"))[:RERUN_IMAGES]
    network = side.model("float32")
    for name in ("first", "second"):
        out.write_array(f"rerun/{name}", side.predict(network, batch, "float32"), "NK")
    out.write_value(
        "flags",
        {
            "tf32": torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32,
            "mixed_precision": torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"),
            "deterministic": torch.are_deterministic_algorithms_enabled() and not torch.backends.cudnn.benchmark,
            "weights": sorted({str(parameter.dtype).removeprefix("torch.") for parameter in network.parameters()}),
        },
    )
    out.write_value("environment", {"onednn": torch.backends.mkldnn.is_available(), "threads": torch.get_num_threads()})
