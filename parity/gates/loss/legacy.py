"""Losses of injected logits: each case as an epoch of its own, then an epoch of several batches with a short last one."""

from __future__ import annotations

import numpy as np

from parity.artefact import RecordingWriter
from parity.contract import DTYPES
from parity.gates.loss.contract import EPOCH, MEASURED, make_cases
from parity.sides.legacy import LegacySide
from parity.sides.legacy_head import fit_history, identity_head
from parity.training import cut, make_epoch


def record(side: LegacySide, out: RecordingWriter) -> None:
    cases = {**make_cases(), EPOCH: make_epoch()}
    for name, (logits, labels) in cases.items():
        out.write_array(f"inputs/{name}/logits", logits, "NK")
        out.write_array(f"inputs/{name}/labels", labels, "NK")
    for dtype in DTYPES:
        with identity_head(side, dtype) as head:
            head.compile(optimizer=head.optimizer, loss=head.loss)  # without metrics: not all of them take float64
            for name, batch in side.track(list(cases.items()), f"loss {dtype}"):
                batches = cut(batch) if name == EPOCH else [batch]
                history = fit_history(side, head, batches)
                out.write_array(f"{dtype}/{name}", np.array([history[loss][0] for loss in MEASURED]), "N")
