"""Every planted fault and every smallest-fault probe fits the port's code as it is now; nothing is recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from parity.faults.catalogue import all_faults
from parity.faults.fault import Fault
from parity.faults.planting import Edit, Swap, find
from parity.faults.reach import innermost
from parity.faults.power import PROBES
from parity.workspace import Workspace

FAULTS = [*all_faults(), *(probe.fault(1e-3) for probe in PROBES.values())]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_a_fault_fits_the_code_and_leaves_no_trace(fault: Fault, tmp_path: Path):
    for plant in fault.plants:
        if not isinstance(plant, Edit | Swap):
            continue
        before = current(plant)
        with plant(Workspace(tmp_path)):
            assert current(plant) is not before
        assert current(plant) is before


def current(plant: Edit | Swap) -> object:
    """Return what runs now where the fault is planted; None where an attribute is only put by it."""
    if isinstance(plant, Edit):
        return innermost(find(plant.where), plant.where).__code__
    module, _, path = plant.where.partition(":")
    parents, _, name = path.rpartition(".")
    return vars(find(f"{module}:{parents}")).get(name)
