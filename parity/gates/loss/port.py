"""Losses of the same logits by the port's own training."""

from __future__ import annotations

import numpy as np

from parity.artefact import RecordingWriter
from parity.contract import DTYPES
from parity.gates.loss.contract import EPOCH, MEASURED, make_cases
from parity.sides.port import PortSide
from parity.sides.port_head import fit_history
from parity.training import cut


def record(side: PortSide, out: RecordingWriter) -> None:
    legacy = side.workspace.recording("legacy", "loss")
    names = [*make_cases(), EPOCH]
    cases = {
        name: tuple(np.array(legacy.read_array(f"inputs/{name}/{part}")) for part in ("logits", "labels")) for name in names
    }
    for name, (logits, labels) in cases.items():
        out.write_array(f"inputs/{name}/logits", logits, "NK")
        out.write_array(f"inputs/{name}/labels", labels, "NK")
    for dtype in DTYPES:
        for name, batch in side.track(list(cases.items()), f"loss {dtype}"):
            history = fit_history(side, dtype, cut(batch) if name == EPOCH else [batch])
            out.write_array(f"{dtype}/{name}", np.array([history[loss][0] for loss in MEASURED]), "N")
