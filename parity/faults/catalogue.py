"""Every fault there is, stage by stage, and the faults of one's own."""

from __future__ import annotations

import importlib.util
from importlib import import_module
from pathlib import Path

from parity.errors import bad_input
from parity.faults.fault import Fault

STAGES = (
    "decode", "resize", "layout", "scaling", "augment", "rng", "loader", "labels", "split", "weights", "init", "train",
    "forward", "bn_state", "loss", "train_loop", "gradient", "optimizer", "schedule", "checkpoint", "commands", "metrics",
    "gradcam", "numerics",
)  # fmt: skip


def stage_faults(stage: str) -> tuple[Fault, ...]:
    """Return the faults of a stage, in the order of its module."""
    found: tuple[Fault, ...] = import_module(f"parity.faults.stages.{stage}").FAULTS
    return found


def all_faults() -> tuple[Fault, ...]:
    """Return every fault of the project."""
    return tuple(fault for stage in STAGES for fault in stage_faults(stage))


def read_faults(path: Path) -> tuple[Fault, ...]:
    """Return the faults that a file defines as ``FAULTS``.

    Raises:
        BadInputError: The file cannot be run, or defines no faults.
    """
    spec = importlib.util.spec_from_file_location("faults_of_ones_own", path)
    remedy = "see docs/own_faults.py for an example"
    if spec is None or spec.loader is None or not path.is_file():
        raise bad_input("--faults-from", "be a Python file", str(path), "the command line", remedy)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        found = tuple(module.FAULTS)
    except Exception as error:
        raise bad_input("--faults-from", "define FAULTS", f"{type(error).__name__}: {error}", str(path), remedy) from error
    if not found or not all(isinstance(fault, Fault) for fault in found):
        raise bad_input("--faults-from", "define FAULTS, a tuple of Fault", repr(found)[:80], str(path), remedy)
    return found


def find_fault(id: str, file: str = "", amount: float | None = None) -> Fault:
    """Return a fault by its name: of the project, of a file, or, with an amount, one whose size is to be found.

    Raises:
        LookupError: There is none.
    """
    if amount is not None:
        sized: Fault = import_module("parity.faults.power").PROBES[id].fault(amount)
        return sized
    for fault in read_faults(Path(file)) if file else all_faults():
        if fault.id == id:
            return fault
    raise LookupError(f"there is no fault named {id!r}")
