"""Every planted fault and every smallest-fault probe fits the port's code as it is now; nothing is recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from parity.faults.catalogue import all_faults
from parity.faults.fault import Fault
from parity.faults.planting import Edit, Swap
from parity.faults.power import PROBES
from parity.workspace import Workspace

FAULTS = [*all_faults(), *(probe.fault(1e-3) for probe in PROBES.values())]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_a_fault_fits_the_code_and_leaves_no_trace(fault: Fault, tmp_path: Path):
    for plant in fault.plants:
        if isinstance(plant, Edit | Swap):
            with plant(Workspace(tmp_path)):
                pass
