"""A first row: images per second of the compiled model on this run's batches."""

from __future__ import annotations

import time

import tensorflow as tf

from parity.artefact import RecordingWriter
from parity.sides.legacy import LegacySide

REPEATS = 3


def record(side: LegacySide, out: RecordingWriter) -> None:
    batch = next(side.workspace.batches("evaluation"))
    with side.precision("float32") as model:
        side.predict(model, batch)
        elapsed_s = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            side.predict(model, batch)
            elapsed_s.append(time.perf_counter() - start)
    out.write_value("elapsed_s", elapsed_s)
    out.write_value("images", len(batch))
    out.write_value("device", side.spec.device)
    out.write_value("threads", tf.config.threading.get_intra_op_parallelism_threads() or "default")
