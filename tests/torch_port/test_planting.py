"""Every planted fault and every smallest-fault probe fits the port's code as it is now; nothing is recorded."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch

from parity.faults.catalogue import all_faults
from parity.faults.fault import Fault
from parity.faults.planting import Edit, Swap, edit, find
from parity.faults.port_lines import LinesRun
from parity.faults.port_worker import PortWorker
from parity.faults.power import PROBES
from parity.faults.reach import innermost
from parity.workspace import Workspace
from torch_port import data, device_transforms, losses, quirks, training

FAULTS = [*all_faults(), *(probe.fault(1e-3) for probe in PROBES.values())]
IMAGE = torch.from_numpy(np.random.default_rng(3).integers(0, 256, (3, 12, 16), dtype=np.uint8))


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


def test_a_cached_function_of_the_port_can_be_edited_in_a_process_that_has_used_it(tmp_path: Path):
    """The neighbours' weights swapped in `_resize_taps` did nothing in a process that had resized before."""
    before = device_transforms.resize(IMAGE, 5, 7)
    with edit("device_transforms:_resize_taps", ("[1 - part, part]", "[part, 1 - part]"))(Workspace(tmp_path)):
        assert not torch.equal(device_transforms.resize(IMAGE, 5, 7), before)
    assert torch.equal(device_transforms.resize(IMAGE, 5, 7), before)


def test_constants_and_objects_that_exist_reach_the_defaults_that_hold_them(tmp_path: Path):
    def defaults() -> tuple[object, ...]:
        rules = inspect.signature(data.make_loaders).parameters["quirks"].default
        return training.PATIENCE, inspect.signature(training.train_model).parameters["patience"].default, rules

    before = defaults()
    with (
        edit("training:PATIENCE", ("25", "26"))(Workspace(tmp_path)),
        edit("quirks:Quirks", ("nan_gradcam_on_dead_map: bool = True", "nan_gradcam_on_dead_map: bool = False"))(
            Workspace(tmp_path)
        ),
    ):
        patience, default, rules = defaults()
        assert (patience, default) == (26, 26)
        assert rules is quirks.DEFAULT
        assert not rules.nan_gradcam_on_dead_map
    assert defaults() == before
    assert defaults()[2] is before[2]


def test_a_warm_process_names_every_fault_that_does_not_fit(tmp_path: Path):
    file = tmp_path / "own.py"
    file.write_text(
        "from parity.faults.fault import Fault\n"
        "from parity.faults.planting import Within, edit\n"
        "def fault(id, *plants):\n"
        "    return Fault(id=id, stage='own', sentence='One.', gates=('loss',), plants=plants)\n"
        "FAULTS = (\n"
        "    fault('fits', edit('losses:EpochLoss.update', (' * images', ''))),\n"
        "    fault('gone', edit('losses:image_losses', ('no such text', ''))),\n"
        "    fault('misspelt', edit('losses:no_such_function', ('a', 'b'))),\n"
        "    fault('given_too_much', Within('parity.faults.port_conditions:threads', (1, 2))),\n"
        ")\n",
        encoding="utf-8",
    )
    words = [{"id": id, "file": str(file)} for id in ("fits", "gone", "misspelt", "given_too_much")]
    unfit = PortWorker().fit(words)["unfit"]
    assert list(unfit) == ["gone", "misspelt", "given_too_much"]
    assert "must contain 'no such text' once, found 0 times" in unfit["gone"]
    assert "no_such_function must name something" in unfit["misspelt"]
    assert "threads cannot be called: too many positional arguments" in unfit["given_too_much"]


def test_steps_from_line_to_line_are_noted_of_the_port_alone():
    def code_lines() -> set[int]:
        return {line for *_, line in losses.make_class_weights.__code__.co_lines() if line}

    with LinesRun() as run:
        losses.make_class_weights(None, 3)
        np.median([1.0, 2.0])
    steps = run.steps()
    assert {*steps} == {"torch_port.losses:make_class_weights"}
    found = steps["torch_port.losses:make_class_weights"]
    assert {line for step in found for line in step} <= {-1, *code_lines()}
    assert [last for _, last in found if last == -1] == [-1]
