"""The same twelve steps by the port's own ``train_model``, on the legacy's bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from parity.architecture import BATCH_NORMS
from parity.artefact import RecordingWriter, permute_axes
from parity.gates.lockstep.contract import BATCHES, SLOTS, STEPS
from parity.sides.port import PortSide
from parity.sides.port_training import inject_masks, make_training, train
from parity.training import TRAINABLE, sample_elements


def record(side: PortSide, out: RecordingWriter) -> None:
    legacy = side.workspace.recording("legacy", "lockstep")
    inputs = {name: np.array(legacy.read_array(name)) for name in legacy.arrays if name.startswith("inputs/")}
    for name, array in inputs.items():
        out.write_array(name, array, legacy.arrays[name].axes)
    *batches, val_batch = [
        (inputs[f"inputs/{number}/images"], inputs[f"inputs/{number}/labels"]) for number in range(BATCHES + 1)
    ]
    masks = [inputs[f"inputs/mask{number}"] for number in range(STEPS)]
    training = make_training(side)
    statistics = [_read_statistics(training.model)]
    losses: list[float] = []

    def on_step(step: int, loss: float, optimizer: Any) -> None:
        losses.append(loss)
        statistics.append(_read_statistics(training.model))
        if len(losses) == STEPS:
            _write_state(out, training.model, optimizer)
            with torch.no_grad():
                inject_masks(side, training.model, lambda: masks[0])
                found = training.model.probabilities(side.tensor(batches[0][0], "float64"))
            out.write_array("float64/predictions", found.cpu().numpy(), "NK")

    train(side, training, batches, val_batch, masks=masks, on_step=on_step)
    out.write_array("float64/loss", np.array(losses), "N")
    for name in statistics[0]:
        out.write_array(f"float64/{name}", np.stack([step[name] for step in statistics]), "NC")


def _read_statistics(network: Any) -> dict[str, np.ndarray]:
    modules = {norm.name: network.get_submodule(norm.name.replace("/", ".")) for norm in BATCH_NORMS}
    means = {f"mean/{name}": np.array(module.running_mean.cpu()) for name, module in modules.items()}
    return means | {f"variance/{name}": np.array(module.running_var.cpu()) for name, module in modules.items()}


def _write_state(out: RecordingWriter, network: Any, optimizer: Any) -> None:
    """Write a sample of every weight and optimizer slot."""
    parameters = dict(network.named_parameters())
    for tensor in TRAINABLE:
        parameter = parameters[tensor.port]
        kinds = {"weights": parameter.detach(), **{slot: optimizer.state[parameter][slot] for slot in SLOTS}}
        for kind, values in kinds.items():
            moved = permute_axes(values.cpu().numpy(), tensor.port_axes, tensor.axes)
            out.write_array(f"float64/{kind}/{tensor.legacy}", sample_elements(moved), "N")
