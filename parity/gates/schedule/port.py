"""The port's own callbacks, called as Lightning's trainer calls them; the epochs that they see are a trace's."""

from __future__ import annotations

import inspect
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import torch

from parity.artefact import RecordingWriter, hash_file
from parity.contract import CLASSES
from parity.gates.schedule.contract import GATE, NONE, SCRATCH, TRACES_FILE, Replay, Trace, read_traces
from parity.sides.port import PortSide
from torch_port import training
from torch_port.callbacks import BestWeightsCallback
from torch_port.errors import InputError
from torch_port.training_module import ClassifierTraining


def record(side: PortSide, out: RecordingWriter) -> None:
    path = side.workspace.gate_fixtures(GATE) / TRACES_FILE
    module = deepcopy(side.model("float32").conv5.block3.bn1)  # weights and running statistics, and no more
    with TemporaryDirectory(dir=SCRATCH) as folder:
        replays = {
            trace.name: _replay(module, trace, Path(folder, trace.name)).to_dict()
            for trace in side.track(read_traces(path), GATE)
        }
    out.write_value("traces_sha256", hash_file(path))
    out.write_value("replays", replays)


def _replay(module: Any, trace: Trace, folder: Path) -> Replay:
    folder.mkdir()
    options = {} if trace.init_lr is None else {"learning_rate": trace.init_lr}
    pl_module = ClassifierTraining(module, torch.ones(len(CLASSES)), **options)
    optimizer = pl_module.configure_optimizers()
    signature = inspect.signature(training.train_model).parameters
    defaults = {name: signature[name].default for name in ("patience", "patience_lr")}
    callbacks = training.make_callbacks(folder, **defaults | trace.arguments(), provenance={})
    strategy = SimpleNamespace(barrier=lambda: None)
    trainer = SimpleNamespace(
        optimizers=[optimizer], strategy=strategy, is_global_zero=True, should_stop=False, current_epoch=0
    )
    _call(callbacks, "on_train_start", trainer, pl_module)
    learning_rate = []
    for epoch in range(len(trace.val_loss)):
        trainer.current_epoch, pl_module.logs = epoch, trace.logs(epoch)
        _set_tensors(module, epoch)
        _call(callbacks, "on_train_epoch_end", trainer, pl_module)
        learning_rate.append(optimizer.param_groups[0]["lr"])
        if trainer.should_stop:
            break
    best = next(item for item in callbacks if isinstance(item, BestWeightsCallback)).rule.epoch
    return Replay(
        learning_rate=tuple(learning_rate),
        stop_epoch=trainer.current_epoch if trainer.should_stop else NONE,
        best_epoch=NONE if best is None else best,
        loaded_epochs=_loaded_epochs(callbacks, trainer, pl_module),
    )


def _loaded_epochs(callbacks: list[Any], trainer: Any, pl_module: Any) -> tuple[float, ...]:
    try:
        _call(callbacks, "on_train_end", trainer, pl_module)
    except InputError:  # no epoch had a loss to keep the weights of
        return ()
    return tuple(sorted({value for tensor in pl_module.model.state_dict().values() for value in tensor.flatten().tolist()}))


def _call(callbacks: list[Any], hook: str, trainer: Any, pl_module: Any) -> None:
    for callback in callbacks:
        getattr(callback, hook)(trainer, pl_module)


def _set_tensors(module: Any, value: float) -> None:
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.fill_(value)
