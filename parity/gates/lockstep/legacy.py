"""Steps over an epoch boundary by the legacy's own ``train_model``, in float64, with injected dropout masks."""

from __future__ import annotations

from parity.artefact import RecordingWriter
from parity.gates.lockstep.contract import write_inputs, write_run
from parity.sides.legacy import LegacySide
from parity.sides.legacy_training import run_training
from parity.training import EPOCHS


def record(side: LegacySide, out: RecordingWriter) -> None:
    run = run_training(side)
    write_inputs(out, run)
    write_run(out, run)
    out.write_value("epoch_starts", [1 + len(run.batches) * epoch for epoch in range(EPOCHS)])
