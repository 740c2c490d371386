"""Flags of torch as this process runs with them, and the same batch predicted twice."""

from __future__ import annotations

from typing import Any

import torch

from parity.artefact import RecordingWriter
from parity.errors import is_out_of_memory
from parity.gates.numerics.contract import RERUN_IMAGES
from parity.sides.port import PortSide


def record(side: PortSide, out: RecordingWriter) -> None:
    network, out_of_order = _find_network(side)
    out.write_value("out_of_order", out_of_order)
    if network is not None:
        batch = next(side.workspace.batches("evaluation"))[:RERUN_IMAGES]
        for name in ("first", "second"):
            out.write_array(f"rerun/{name}", side.predict(network, batch, "float32"), "NK")
    parameters = [] if network is None else list(network.parameters())
    out.write_value(
        "flags",
        {
            "tf32": torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32,
            "mixed_precision": torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"),
            "deterministic": torch.are_deterministic_algorithms_enabled() and not torch.backends.cudnn.benchmark,
            "weights": sorted({str(parameter.dtype).removeprefix("torch.") for parameter in parameters}),
        },
    )
    out.write_value("environment", {"onednn": torch.backends.mkldnn.is_available(), "threads": torch.get_num_threads()})


def _find_network(side: PortSide) -> tuple[Any, str]:
    """Return the network, or None and why there is none that predicts: the gate `weights` asks that."""
    try:
        network = side.model("float32")
        side.predict(network, next(side.workspace.batches("evaluation"))[:1], "float32")
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        if is_out_of_memory(said):
            raise
        return None, said
    return network, ""
