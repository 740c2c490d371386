"""The port's own `train` and `evaluate` commands, called in this process; what reaches Lightning's `fit` is read on the way.

Without workers, which read the same images in other processes.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import LambdaCallback
from safetensors.numpy import load_file

from parity.artefact import RecordingWriter, hash_array, permute_axes
from parity.fresh import describe
from parity.gates.commands.contract import (
    CALLBACKS,
    DATA_OPTIONS,
    FILE,
    FITS,
    GATE,
    HEAD,
    MEMORY,
    SETTINGS,
    TENSORS,
    call,
    command_words,
    digest,
    read_outcome,
    train_words,
)
from parity.sides.port import PortSide
from torch_port import callbacks, training
from torch_port.__main__ import main
from torch_port.train_settings import SETTINGS as SETTINGS_FILE

PORT = {"early_stopping": "EarlyStoppingCallback", "plateau": "PlateauCallback", "best_weights": "BestWeightsCallback"}
WITHOUT_WORKERS = {"workers": 0}


def record(side: PortSide, out: RecordingWriter) -> None:
    fixtures, device = side.workspace.gate_fixtures(GATE), side.spec.device
    with TemporaryDirectory(dir=side.workspace.folder) as scratch, _watched() as seen:
        folder, again = Path(scratch, "out"), Path(scratch, "evaluated")
        words = {"arch": side.spec.arch, **WITHOUT_WORKERS}
        said = {"train": call(main, train_words(fixtures, folder, device, **words))}
        module, best = seen.pop("module", None), folder / training.BEST_WEIGHTS
        if module is not None and not said["train"]:
            seen["weights"][MEMORY] = digest(_arrays(module.model.state_dict()))
            seen |= read_outcome(folder)
            seen["settings"] = _read_settings(folder / SETTINGS_FILE, fixtures)
            if best.is_file():
                seen["weights"][FILE] = digest(load_file(best))
            more = {"checkpoint": best, **words}
            said["evaluate"] = call(main, command_words("evaluate", fixtures, again, device, DATA_OPTIONS, **more))
            evaluated = {} if said["evaluate"] else read_outcome(again)
            seen |= {f"evaluated/{name}": evaluated[name] for name in ("answers", "metrics") if name in evaluated}
        for name, value in {**seen, "said": said}.items():
            out.write_value(name, value)


@contextmanager
def _watched() -> Iterator[dict[str, Any]]:
    """Read what reaches `fit` inside the block, what it makes of that, and the weights at the end of every epoch."""
    original = Trainer.fit
    seen: dict[str, Any] = {}

    def fit(trainer: Any, *arguments: Any, **words: Any) -> Any:
        given = inspect.signature(original).bind(trainer, *arguments, **words).arguments
        module = given["model"]
        seen.update(_read(trainer, given), module=module)
        lengths = {name: seen["fit"].setdefault(f"batches/{name}", []) for name in FITS}

        def on_start(trainer: Any, _: Any) -> None:
            seen["fit"] |= _read_optimizer(trainer.optimizers[0])
            seen["trained"] = _trained(module, trainer.optimizers[0])

        def on_batch(trainer: Any, name: str, batch: Any) -> None:
            seen["fit"]["image"] = [*batch[0].shape[2:], batch[0].shape[1]]
            if trainer.current_epoch == 0:
                lengths[name].append(len(batch[0]))

        def on_epoch_end(trainer: Any, _: Any) -> None:
            seen["weights"][f"epoch {trainer.current_epoch}"] = digest(_arrays(module.model.state_dict()))

        watch = LambdaCallback(
            on_train_start=on_start,
            on_train_batch_start=lambda trainer, _, batch, *__: on_batch(trainer, "train", batch),
            on_validation_batch_start=lambda trainer, _, batch, *__: on_batch(trainer, "val", batch),
            on_train_epoch_end=on_epoch_end,
        )
        trainer.callbacks.append(watch)
        return original(trainer, *arguments, **words)

    Trainer.fit = fit
    try:
        yield seen
    finally:
        Trainer.fit = original


def _read(trainer: Any, given: dict[str, Any]) -> dict[str, Any]:
    module = given["model"]
    loaders = dict(zip(FITS, (given["train_dataloaders"], given["val_dataloaders"]), strict=True))
    tensors = _tensors(module.model.state_dict())
    return {
        "fit": _read_callbacks(trainer.callbacks),
        **{name: _labels(loader.dataset) for name, loader in loaders.items()},
        "class_weights": {str(label): weight for label, weight in enumerate(module.class_weights.float().tolist())},
        "start": {name: hash_array(array) for name, array in tensors.items() if not name.startswith(HEAD)},
        "head": {name: describe(array) for name, array in tensors.items() if name.startswith(HEAD)},
        "weights": {},
    }


def _read_callbacks(made: list[Any]) -> dict[str, Any]:
    by_name = {type(callback).__name__: callback for callback in made}
    found: dict[str, Any] = {}
    for callback, names in CALLBACKS.items():
        rule = getattr(by_name.get(PORT[callback]), "rule", None)
        found |= {f"{callback}/{name}": getattr(rule, name) for name in names if hasattr(rule, name)}
        if rule is not None:
            found[f"{callback}/monitor"] = callbacks.MONITOR
    limit = by_name.get(training.EpochLimit.__name__)
    return found | ({} if limit is None else {"epochs": limit.epochs})


def _read_optimizer(optimizer: Any) -> dict[str, Any]:
    (rate,) = {group["lr"] for group in optimizer.param_groups}
    return {"optimizer": type(optimizer).__name__.removeprefix("Keras"), "learning_rate": rate}


def _trained(module: Any, optimizer: Any) -> dict[str, bool]:
    """Return by legacy name the tensors that the optimizer steps."""
    names = {id(parameter): name for name, parameter in module.model.named_parameters() if parameter.requires_grad}
    stepped = {
        names.get(id(parameter), "none of the network") for group in optimizer.param_groups for parameter in group["params"]
    }
    return {_legacy_names().get(name, name): True for name in stepped}


def _legacy_names() -> dict[str, str]:
    return {tensor.port: tensor.legacy for tensor in TENSORS.values()}


def _labels(dataset: Any) -> dict[str, int]:
    return {Path(path).name: int(label) for path, label in zip(dataset.images, dataset.labels, strict=True)}


def _arrays(state: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {name: tensor.cpu().numpy() for name, tensor in state.items()}


def _tensors(state: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Return tensors by legacy name, in the legacy's axis order."""
    arrays = _arrays(state)
    found = {}
    for tensor in TENSORS.values():
        if tensor.port in arrays:
            found[tensor.legacy] = permute_axes(arrays[tensor.port], tensor.port_axes, tensor.axes)
    return found


def _read_settings(path: Path, fixtures: Path) -> dict[str, Any]:
    """Return what the training has written down of its options; paths are relative to the fixtures, links followed or not."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    places = (f"{fixtures.resolve()}/", f"{fixtures}/")
    return {name: str(kept[name]).removeprefix(places[0]).removeprefix(places[1]) for name in SETTINGS if name in kept}
