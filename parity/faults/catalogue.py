"""Every fault there is, stage by stage, and the faults of one's own."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path

from parity.errors import bad_input
from parity.faults.fault import Fault
from parity.faults.runs import suite_gates

STAGES = (
    "decode", "resize", "layout", "scaling", "augment", "rng", "loader", "labels", "split", "weights", "init", "train",
    "forward", "bn_state", "loss", "train_loop", "gradient", "optimizer", "schedule", "checkpoint", "commands", "metrics",
    "predict", "gradcam", "numerics",
)  # fmt: skip


def stage_faults(stage: str) -> tuple[Fault, ...]:
    """Return the faults of a stage, in the order of its module."""
    found: tuple[Fault, ...] = import_module(f"parity.faults.stages.{stage}").FAULTS
    return found


@cache
def all_faults() -> tuple[Fault, ...]:
    """Return every fault of the project.

    Raises:
        BadInputError: As `check_faults`.
    """
    found = tuple(fault for stage in STAGES for fault in stage_faults(stage))
    check_faults(found, "parity/faults/stages")
    return found


def check_faults(faults: Sequence[Fault], place: str) -> None:
    """Refuse faults that would be taken for one another, or whose gates the suite cannot record.

    Raises:
        BadInputError: Two have one id, or an id, a stage or a gate of one cannot be.
    """
    known: dict[str, Fault] = {}
    for fault in faults:
        for what, name in (("id", fault.id), ("stage", fault.stage)):
            if not re.fullmatch(r"\w[\w.+-]*", name):
                raise bad_input(what, "be letters, digits, _, -, + and points", name, place, "it names a file: choose another")
        if other := known.get(fault.id):
            both = f"{other.stage} ({other.sentence}) and {fault.stage} ({fault.sentence})"
            raise bad_input("id", "be of one fault alone", fault.id, f"{place}: {both}", "name one of them otherwise")
        known[fault.id] = fault
        for gate in fault.gates:
            if gate not in suite_gates():
                must = f"be among {', '.join(suite_gates())}"
                remedy = f"it is of fault {fault.id}{did_you_mean(gate, suite_gates())}"
                raise bad_input("gates", must, gate, place, remedy)


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return a hint at a known word that looks like one that is not; empty where there is none.

    >>> did_you_mean("lockstepp", ("lockstep", "loss"))
    '; did you mean lockstep?'
    """
    close = get_close_matches(word, known, 1)
    return f"; did you mean {close[0]}?" if close else ""


def read_faults(path: Path) -> tuple[Fault, ...]:
    """Return the faults that a file defines as ``FAULTS``. It may import what lies beside it.

    Raises:
        BadInputError: The file cannot be run, or defines no faults, or as `check_faults`.
    """
    remedy = "see docs/own_faults.py for an example"
    spec = importlib.util.spec_from_file_location("faults_of_ones_own", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise bad_input("--faults-from", "be a Python file", str(path), "the command line", remedy)
    module = importlib.util.module_from_spec(spec)
    if (folder := str(path.resolve().parent)) not in sys.path:
        sys.path.append(folder)
    try:
        spec.loader.exec_module(module)
        found = tuple(module.FAULTS)
    except Exception as error:
        raise bad_input("--faults-from", "define FAULTS", f"{type(error).__name__}: {error}", str(path), remedy) from error
    if not found or not all(isinstance(fault, Fault) for fault in found):
        raise bad_input("--faults-from", "define FAULTS, a tuple of Fault", repr(found)[:80], str(path), remedy)
    check_faults(found, str(path))
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
