"""A first row: images per second of the port on this run's batches."""

from __future__ import annotations

import time

import torch

from parity.artefact import RecordingWriter
from parity.sides.port import PortSide

REPEATS = 3


def record(side: PortSide, out: RecordingWriter) -> None:
    batch = next(side.workspace.batches("evaluation"))
    network = side.model("float32")
    side.predict(network, batch, "float32")
    elapsed_s = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        side.predict(network, batch, "float32")
        elapsed_s.append(time.perf_counter() - start)
    out.write_value("elapsed_s", elapsed_s)
    out.write_value("images", len(batch))
    out.write_value("device", side.spec.device)
    out.write_value("threads", torch.get_num_threads())
