"""The same steps by the port's own ``train_model``, on the legacy's bytes."""

from __future__ import annotations

from parity.artefact import RecordingWriter
from parity.gates.lockstep.contract import write_inputs, write_run
from parity.sides.port import PortSide
from parity.sides.port_training import run_training


def record(side: PortSide, out: RecordingWriter) -> None:
    run = run_training(side)
    write_inputs(out, run)
    write_run(out, run)
