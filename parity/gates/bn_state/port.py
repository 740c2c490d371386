"""Running statistics of the port after the same passes in training mode, its weights fixed."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from parity.artefact import RecordingWriter
from parity.contract import CLASSES
from parity.gates.bn_state.contract import (
    EVALUATED,
    LARGE,
    MARKS,
    PASSES,
    SMALL,
    large_batches,
    mark_name,
    marks,
    small_name,
)
from parity.sides.port import PortSide
from torch_port.training import Hardware, make_trainer
from torch_port.training_module import ClassifierTraining

STATISTICS = {"running_mean": "mean", "running_var": "variance"}


def record(side: PortSide, out: RecordingWriter) -> None:
    legacy = side.workspace.recording("legacy", "bn_state")
    batches = [np.array(legacy.read_array(small_name(number))) for number in range(PASSES)]
    for number, batch in enumerate(batches):
        out.write_array(small_name(number), side.tensor(batch, "float32").cpu().numpy(), "NCHW")
    _record_passes(side, out, SMALL, batches)
    passes = marks(side.spec.profile).get(LARGE)
    if passes:
        _record_passes(side, out, LARGE, large_batches(side.workspace, passes[-1]))


def _record_passes(side: PortSide, out: RecordingWriter, size: str, batches: Iterable[np.ndarray]) -> None:
    # A copy, for the side's model is shared; in the memory layout in which the port trains.
    network = copy.deepcopy(side.model("float32")).to(memory_format=torch.channels_last).train()
    with torch.no_grad():
        for number, images in enumerate(side.track(list(batches), f"bn_state {size}"), start=1):
            network(side.tensor(images, "float32"))
            if number in MARKS:
                _write_statistics(out, network, f"{size}/{mark_name(number)}")
    _validate(side, network, side.tensor(images, "float32"))
    _write_statistics(out, network, f"{size}/{EVALUATED}")


def _validate(side: PortSide, network: Any, images: torch.Tensor) -> None:
    """Validate as the port's training does; no figures are asked for, as there was no training to have any of."""
    module = ClassifierTraining(network, torch.ones(len(CLASSES)))
    module.on_validation_epoch_end = lambda: None
    labels = torch.eye(len(CLASSES))[torch.arange(len(images)) % len(CLASSES)]
    hardware = Hardware(accelerator="gpu" if side.device.type == "cuda" else "cpu")
    with tempfile.TemporaryDirectory(dir=side.workspace.folder) as folder:
        trainer = make_trainer(Path(folder), hardware, [])
        trainer.validate(module, DataLoader([(images, labels)], batch_size=None), verbose=False)


def _write_statistics(out: RecordingWriter, network: Any, place: str) -> None:
    for name, buffer in network.named_buffers():
        norm, _, statistic = name.rpartition(".")
        if statistic in STATISTICS:
            out.write_array(f"{place}/{norm.replace('.', '/')}/{STATISTICS[statistic]}", buffer.cpu().numpy(), "C")
