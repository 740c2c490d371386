"""Which gates a fault is held against."""

from __future__ import annotations

from pathlib import Path

from parity.faults.fault import Fault
from parity.faults.planting import edit
from parity.faults.runs import ALWAYS, CONVERT, Base, suite_gates
from parity.pipeline import GATES_FILE
from parity.tolerance import read_gates_file

TRAINED = frozenset({"torch_port.optimizer:KerasAdam.step", "torch_port.training:train_model"})


def gates_of(where: str) -> list[str]:
    """Return the gates for a fault in a function that every training runs, and so augment, loader, optimizer and lockstep."""
    touched = dict.fromkeys((CONVERT, *suite_gates()), frozenset[str]())
    touched |= dict.fromkeys(("augment", "loader", "optimizer", "lockstep"), TRAINED)
    base = Base(run=Path(), work=Path(), gates_file=read_gates_file(GATES_FILE), touched=touched)
    fault = Fault(id="a", stage="own", sentence="A mistake.", gates=("lockstep",), plants=(edit(where, ("a", "b")),))
    return [gate for gate in base.gates_of(fault) if gate not in ALWAYS]


def test_what_a_training_computes_is_not_asked_where_only_what_it_reads_is_recorded():
    assert gates_of("optimizer:KerasAdam.step") == ["optimizer", "lockstep"]


def test_everything_else_of_a_training_is():
    assert gates_of("training:train_model") == ["augment", "loader", "optimizer", "lockstep"]


def test_what_no_gate_runs_is_asked_of_none():
    assert gates_of("predict:run_predict") == []
