"""The optimizer that the port trains with, fed with the gradients that the legacy recorded, in float64."""

from __future__ import annotations

from copy import deepcopy

import torch

from parity.artefact import RecordingWriter
from parity.contract import CLASSES
from parity.gates.optimizer.contract import (
    FACTOR,
    GATE,
    INJECTED,
    LOWERED_AFTER,
    QUANTITIES,
    RECORDED_STEPS,
    RUNS,
    array_name,
)
from parity.sides.port import PortSide
from torch_port.training_module import ClassifierTraining


def record(side: PortSide, out: RecordingWriter) -> None:
    legacy = side.workspace.recording("legacy", GATE)
    injected = {name: side.tensor(legacy.read_array(name), "float64", axes) for name, axes in INJECTED.items()}
    for name, tensor in injected.items():
        out.write_array(name, tensor.cpu().numpy(), INJECTED[name])
    for run in RUNS:
        # A layer lends its weight's place; its bias gets no gradient, and must not matter.
        training = ClassifierTraining(deepcopy(side.model("float64").last_dense), torch.ones(len(CLASSES)))
        optimizer = training.configure_optimizers()
        weight = training.model.weight
        weight.data = injected["start"].clone()
        for step, gradient in enumerate(injected["gradients"], start=1):
            if run == "lowered" and step == LOWERED_AFTER + 1:
                optimizer.set_learning_rate(optimizer.param_groups[0]["lr"] * FACTOR)
            weight.grad = gradient.clone()
            optimizer.step()
            if step in RECORDED_STEPS:
                found = (weight.detach(), optimizer.state[weight]["m"], optimizer.state[weight]["v"])
                for quantity, tensor in zip(QUANTITIES, found, strict=True):
                    out.write_array(array_name(run, step, quantity), tensor.cpu().numpy(), "NC")
