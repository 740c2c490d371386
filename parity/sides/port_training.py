"""The port's training, watched by Lightning's own hooks [torch]: dropout masks go in, losses and gradients come out."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.callbacks import LambdaCallback
from torch.utils.data import DataLoader

from parity.architecture import BATCH_NORMS
from parity.artefact import permute_axes
from parity.contract import CLASSES
from parity.errors import is_out_of_memory
from parity.sides.port import PortSide
from parity.training import (
    BATCHES,
    CLASS_WEIGHTS,
    EPOCHS,
    LEARNING_RATE,
    SEEDED_BATCHES,
    SEEDED_EPOCHS,
    SLOTS,
    TRAINABLE,
    Batch,
    TrainingRun,
    sample_elements,
)
from torch_port.history import read_history
from torch_port.losses import make_class_weights
from torch_port.training import HISTORY, Hardware, train_model
from torch_port.training_module import ClassifierTraining

PRECISIONS = {"float64": "64-true", "float32": "32-true"}


def run_training(side: PortSide) -> TrainingRun:
    """Train by the port's own ``train_model``, in float64, on what the legacy trained on; once for a side."""
    run: TrainingRun = side.once(_train)
    return run


def _train(side: PortSide) -> TrainingRun:
    legacy = side.workspace.recording("legacy", "lockstep")
    read = {name: np.array(legacy.read_array(name)) for name in legacy.arrays if name.startswith("inputs/")}
    count = BATCHES[side.spec.profile]
    *batches, val_batch = [(read[f"inputs/{number}/images"], read[f"inputs/{number}/labels"]) for number in range(count + 1)]
    masks = [read[f"inputs/mask{number}"] for number in range(count * EPOCHS)]
    network = copy.deepcopy(side.model("float64"))
    training = ClassifierTraining(network, make_class_weights(CLASS_WEIGHTS, len(CLASSES)), learning_rate=LEARNING_RATE)
    run = TrainingRun(batches=batches, val_batch=val_batch, masks=masks, statistics=[_read_statistics(network)])
    start = _sample_weights(network)

    def on_step(trainer: Any, module: Any, outputs: Any, *_: Any) -> None:
        run.losses.append(float(outputs["loss"]))
        run.statistics.append(_read_statistics(network))
        if len(run.losses) == 1:
            run.gradients |= dict(_read_gradients(network))
            run.stepped |= {name: bool((start[name] != now).any()) for name, now in _sample_weights(network).items()}
        if len(run.losses) == len(masks):
            run.state |= dict(_read_state(network, trainer.optimizers[0]))
            with torch.no_grad():
                inject_masks(side, network, lambda: masks[0])
                run.predictions = network.probabilities(side.tensor(batches[0][0], "float64")).cpu().numpy()

    inject_masks(side, network, lambda: masks[len(run.losses)])
    loaders = _loader(side, batches, "float64"), _loader(side, [val_batch], "float64")
    train(side, training, *loaders, epochs=EPOCHS, dtype="float64", callbacks=[LambdaCallback(on_train_batch_end=on_step)])
    return run


def train(
    side: PortSide,
    training: ClassifierTraining,
    train_loader: Any,
    val_loader: Any,
    *,
    epochs: int,
    dtype: str,
    callbacks: Sequence[Any] = (),
    resumable: bool = False,
) -> dict[str, list[float]]:
    """Train by the port's own ``train_model`` and return its history.

    What becomes of the best weights after the last epoch is for the gate `schedule`: a port that has none to go back to has
    trained nevertheless.
    """
    done: list[int] = []
    count = LambdaCallback(on_train_epoch_end=lambda trainer, _: done.append(trainer.current_epoch))
    hardware = Hardware(accelerator="gpu" if side.device.type == "cuda" else "cpu", precision=PRECISIONS[dtype])
    words = {"num_epochs": epochs, "hardware": hardware, "resumable": resumable, "callbacks": [*callbacks, count]}
    with tempfile.TemporaryDirectory(dir=side.workspace.folder) as folder:
        try:
            return train_model(training, train_loader, val_loader, Path(folder), **words)
        except Exception as error:
            if len(done) < epochs or is_out_of_memory(f"{type(error).__name__}: {error}"):
                raise
            return read_history(Path(folder) / HISTORY)


def run_seeded(side: PortSide, seed: int, epochs: int = SEEDED_EPOCHS) -> list[np.ndarray]:
    """Train with a seed, as the command always does, and return the dropout masks (N, units) of the steps, in order.

    Nothing is injected: dropout is given ones, and what comes of them is what it multiplies the hidden units by.
    """
    legacy = side.workspace.recording("legacy", "lockstep")
    read = [[np.array(legacy.read_array(f"inputs/{n}/{part}")) for part in ("images", "labels")] for n in range(SEEDED_BATCHES)]
    network = copy.deepcopy(side.model("float32"))
    masks: list[np.ndarray] = []
    hidden: list[torch.Tensor] = []

    def give_ones(module: Any, given: tuple[torch.Tensor]) -> tuple[torch.Tensor] | None:
        if not module.training:
            return None
        hidden.append(given[0])
        return (torch.ones_like(given[0]),)

    def multiply(module: Any, _: Any, mask: torch.Tensor) -> torch.Tensor | None:
        if not module.training:
            return None
        masks.append(mask.detach().cpu().numpy().copy())
        return hidden.pop() * mask

    network.dpout.register_forward_pre_hook(give_ones)
    network.dpout.register_forward_hook(multiply)
    weights = make_class_weights(CLASS_WEIGHTS, len(CLASSES))
    training = ClassifierTraining(network, weights, learning_rate=LEARNING_RATE, seed=seed)
    batches = [(images, labels) for images, labels in read]
    train(
        side, training, _loader(side, batches, "float32"), _loader(side, batches[:1], "float32"), epochs=epochs, dtype="float32"
    )
    return masks


def _read_statistics(network: Any) -> dict[str, np.ndarray]:
    modules = {norm.name: network.get_submodule(norm.name.replace("/", ".")) for norm in BATCH_NORMS}
    means = {f"mean/{name}": np.array(module.running_mean.cpu()) for name, module in modules.items()}
    return means | {f"variance/{name}": np.array(module.running_var.cpu()) for name, module in modules.items()}


def _read_gradients(network: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the gradient of every parameter that has one, by the port's name, in the port's axis order."""
    for name, parameter in network.named_parameters():
        if parameter.grad is not None:
            yield name, np.array(parameter.grad.cpu())


def _read_state(network: Any, optimizer: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Yield a sample of every weight, and of every slot that the optimizer has for it."""
    parameters = dict(network.named_parameters())
    for tensor in TRAINABLE:
        parameter = parameters[tensor.port]
        slots = {slot: values for slot, values in optimizer.state.get(parameter, {}).items() if slot in SLOTS}
        for kind, values in {"weights": parameter, **slots}.items():
            yield f"{kind}/{tensor.legacy}", _sample(values, tensor)


def _sample_weights(network: Any) -> dict[str, np.ndarray]:
    parameters = dict(network.named_parameters())
    return {tensor.legacy: _sample(parameters[tensor.port], tensor) for tensor in TRAINABLE}


def _sample(values: torch.Tensor, tensor: Any) -> np.ndarray:
    """Return elements of a tensor, those that the legacy's side takes too."""
    return sample_elements(permute_axes(values.detach().cpu().numpy(), tensor.port_axes, tensor.axes)).copy()


def inject_masks(side: PortSide, network: Any, mask: Callable[[], np.ndarray]) -> None:
    """Have the network's dropout layer, where it drops, multiply by a mask that is asked for each time."""

    def forward(hidden: torch.Tensor) -> torch.Tensor:
        return hidden * side.tensor(mask(), "float64", "NC") if network.dpout.training else hidden

    network.dpout.forward = forward


def _loader(side: PortSide, batches: Sequence[Batch], dtype: str) -> DataLoader:
    made = [(side.tensor(images, dtype), side.tensor(labels, dtype, "NK")) for images, labels in batches]
    return DataLoader(made, batch_size=None)
