"""The whole network on its own: probabilities of every image, taps of two, one image alone, dropout in training."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from parity.architecture import STAGE_TAPS, TAP_AXES
from parity.artefact import RecordingWriter
from parity.contract import DTYPES, KINDS
from parity.gates.inference.contract import DROPOUT_SHAPE, FREE_TAP_IMAGES, alone
from parity.sides.port import PortSide
from parity.workspace import Case


def record(side: PortSide, out: RecordingWriter) -> None:
    for dtype in DTYPES:
        network = side.model(dtype)
        for kind in KINDS:
            batches = list(side.workspace.batches(kind))
            predict = partial(side.predict, network, dtype=dtype)
            found = [predict(batch) for batch in side.track(batches, f"inference {dtype} {kind}")]
            out.write_array(f"{dtype}/{kind}/probabilities", np.concatenate(found), "NK")
        for kind in KINDS:
            for case in side.workspace.tap_cases(kind)[:FREE_TAP_IMAGES]:
                for tap, output in _tapped(side, network, case, dtype).items():
                    axes = "NCHW" if output.ndim == 4 else TAP_AXES[tap]
                    out.write_array(f"{dtype}/{kind}/{case.index}/{tap}", output, axes)
        singles = [side.predict(network, side.workspace.image(case), dtype) for case in alone(side.workspace)]
        out.write_array(f"{dtype}/alone", np.concatenate(singles), "NK")
        network.dpout.train()
        ones = torch.ones(DROPOUT_SHAPE, dtype=getattr(torch, dtype), device=side.device)
        out.write_array(f"{dtype}/dropout", network.dpout(ones).cpu().numpy(), "NC")
        network.dpout.eval()


def _tapped(side: PortSide, network: Any, case: Case, dtype: str) -> dict[str, np.ndarray]:
    """Run the port freely on one image and keep what each block gave."""
    found: dict[str, np.ndarray] = {}

    def keep(name: str) -> Any:
        return lambda module, inputs, output: found.__setitem__(name, output.detach().cpu().numpy().copy())

    blocks = network.blocks()
    hooks = [blocks[tap.name].register_forward_hook(keep(tap.name)) for tap in STAGE_TAPS if tap.name in blocks]
    try:
        side.predict(network, side.workspace.image(case), dtype)
    finally:
        for hook in hooks:
            hook.remove()
    return found
