"""The port's own callbacks, called as Lightning's trainer calls them; the epochs that they see are a trace's.

One trace goes through ``train_model`` itself, in which nothing is called here.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from lightning.pytorch.callbacks import LambdaCallback
from safetensors.numpy import load_file
from torch.utils.data import DataLoader

from parity.architecture import HIDDEN_UNITS
from parity.artefact import RecordingWriter, hash_file
from parity.contract import CLASSES
from parity.gates.schedule.contract import GATE, NONE, SCRATCH, TRACES_FILE, TRAINED, Replay, Trace, read_traces
from parity.sides.port import PortSide
from parity.sides.port_head import make_identity_head
from torch_port import training
from torch_port.callbacks import BestWeightsCallback
from torch_port.errors import InputError
from torch_port.training_module import ClassifierTraining

# No epoch had a loss to keep the weights of, or there is no file of them.
NOTHING_TO_LOAD = (InputError, FileNotFoundError)


def record(side: PortSide, out: RecordingWriter) -> None:
    path = side.workspace.gate_fixtures(GATE) / TRACES_FILE
    traces = read_traces(path)
    with TemporaryDirectory(dir=SCRATCH) as folder:
        replays, saved = {}, {}
        trainer = training.make_trainer(Path(folder), training.Hardware(), [])
        module = deepcopy(side.model("float32").conv5.block3.bn1).cpu()  # weights and running statistics, and no more
        for trace in side.track(traces, GATE):
            place = Path(folder, trace.name)
            replays[trace.name] = _replay(module, trainer, trace, place).to_dict()
            saved[trace.name] = _read_saved(place)
        trained = next(trace for trace in traces if trace.name == TRAINED)
        replay, file = _train(side, trained, Path(folder, "trained"))
    out.write_value("traces_sha256", hash_file(path))
    out.write_value("replays", replays)
    out.write_value("saved", saved)
    out.write_value("trained", {**replay.to_dict(), "saved": file})


def _replay(module: Any, trainer: Any, trace: Trace, folder: Path) -> Replay:
    folder.mkdir()
    options = {} if trace.init_lr is None else {"learning_rate": trace.init_lr}
    pl_module = ClassifierTraining(module, torch.ones(len(CLASSES)), **options)
    signature = inspect.signature(training.train_model).parameters
    defaults = {name: signature[name].default for name in ("patience", "patience_lr")}
    callbacks = training.make_callbacks(folder, **defaults | trace.arguments(), provenance={})
    trainer.strategy.connect(pl_module)
    trainer.optimizers, trainer.should_stop = [pl_module.configure_optimizers()], False
    _set_epoch(trainer, 0)
    _call(callbacks, "on_train_start", trainer, pl_module)
    learning_rate = []
    for epoch in range(len(trace.val_loss)):
        _set_epoch(trainer, epoch)
        pl_module.logs = trace.logs(epoch)
        _set_tensors(module, epoch)
        _call(callbacks, "on_train_epoch_end", trainer, pl_module)
        learning_rate.append(trainer.optimizers[0].param_groups[0]["lr"])
        if trainer.should_stop:
            break
    try:
        _call(callbacks, "on_train_end", trainer, pl_module)
        loaded = _values(pl_module.model.state_dict().values())
    except NOTHING_TO_LOAD:
        loaded = ()
    return _outcome(learning_rate, trainer.should_stop, _find_rule(callbacks), loaded)


def _train(side: PortSide, trace: Trace, folder: Path) -> tuple[Replay, list[float]]:
    """Train the port's head by ``train_model``: each epoch's figures and tensors are the trace's.

    They are put in their place when a validation has ended, which is when the callbacks look.
    """
    head = make_identity_head(side, "float32")
    pl_module = ClassifierTraining(head, torch.ones(len(CLASSES)))
    learning_rate: list[float] = []

    def on_validation_end(trainer: Any, module: Any) -> None:
        module.logs = trace.logs(trainer.current_epoch)
        _set_tensors(head, trainer.current_epoch)

    seen: dict[str, Any] = {}

    def on_train_epoch_end(trainer: Any, module: Any) -> None:
        learning_rate.append(trainer.optimizers[0].param_groups[0]["lr"])
        seen.update(stopped=trainer.should_stop and len(learning_rate) < len(trace.val_loss), callbacks=trainer.callbacks)

    batch = side.tensor(np.zeros((1, HIDDEN_UNITS)), "float32", "NC"), side.tensor(np.eye(len(CLASSES))[:1], "float32", "NK")
    watch = LambdaCallback(on_validation_end=on_validation_end, on_train_epoch_end=on_train_epoch_end)
    hardware = training.Hardware(accelerator="gpu" if side.device.type == "cuda" else "cpu")
    loaders = [DataLoader([batch], batch_size=None) for _ in ("train", "val")]
    words = {"num_epochs": len(trace.val_loss), "hardware": hardware, "callbacks": [watch], **trace.arguments()}
    try:
        training.train_model(pl_module, *loaders, folder, **words)
        loaded = _values(head.state_dict().values())
    except NOTHING_TO_LOAD:
        loaded = ()
    return _outcome(learning_rate, seen["stopped"], _find_rule(seen["callbacks"]), loaded), _read_saved(folder)


def _outcome(learning_rate: list[float], stopped: bool, best: int | None, loaded: tuple[float, ...]) -> Replay:
    return Replay(
        learning_rate=tuple(learning_rate),
        stop_epoch=len(learning_rate) - 1 if stopped else NONE,
        best_epoch=NONE if best is None else best,
        loaded_epochs=loaded,
    )


def _find_rule(callbacks: Iterable[Any]) -> int | None:
    """Return the best epoch of the callback that keeps the weights."""
    return next((item.rule.epoch for item in callbacks if isinstance(item, BestWeightsCallback)), None)


def _read_saved(folder: Path) -> list[float]:
    """Return which epochs the tensors are from in the file that ``evaluate`` reads; none if there is no file."""
    path = folder / training.BEST_WEIGHTS
    return sorted(_values(map(torch.from_numpy, load_file(path).values()))) if path.is_file() else []


def _values(tensors: Iterable[Any]) -> tuple[float, ...]:
    return tuple(sorted({value for tensor in tensors for value in tensor.flatten().tolist()}))


def _set_epoch(trainer: Any, epoch: int) -> None:
    trainer.fit_loop.epoch_progress.current.completed = epoch


def _call(callbacks: list[Any], hook: str, trainer: Any, pl_module: Any) -> None:
    for callback in callbacks:
        getattr(callback, hook)(trainer, pl_module)


def _set_tensors(module: Any, value: float) -> None:
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.fill_(value)
