"""The same steps by the port's own ``train_model``, on the legacy's bytes; then a training with a seed, as users run it."""

from __future__ import annotations

from parity.artefact import RecordingWriter
from parity.gates.lockstep.contract import seeded_mask, write_inputs, write_run
from parity.sides.port import PortSide
from parity.sides.port_training import run_seeded, run_training
from parity.training import SEED


def record(side: PortSide, out: RecordingWriter) -> None:
    run = run_training(side)
    write_inputs(out, run)
    write_run(out, run)
    for number, mask in enumerate(run_seeded(side, SEED)):
        out.write_array(seeded_mask(number), mask, "NC")
    for number, mask in enumerate(run_seeded(side, SEED, epochs=1)):
        out.write_array(seeded_mask(number, again=True), mask, "NC")
