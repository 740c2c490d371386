"""Lightning's checkpoints without pickle: tensors as safetensors, everything else as JSON in the same file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import CheckpointIO
from safetensors import SafetensorError, safe_open
from torch import Tensor

from torch_port.errors import InputError
from torch_port.tensor_files import write_tensors

TREE = "checkpoint"
PLAIN = (type(None), bool, int, float, str)


class SafetensorsIO(CheckpointIO):
    """Writes and reads what Lightning keeps of a training; a file appears only when it is whole."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Raises:
            PlaceError: The file cannot be written.
        """
        tensors: dict[str, Tensor] = {}
        tree = json.dumps(_flatten(checkpoint, tensors))
        write_tensors(Path(path), tensors, {TREE: tree})

    def load_checkpoint(
        self, path: str | Path, map_location: Callable[..., Any] | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint; Lightning moves its tensors to where they belong.

        Raises:
            InputError: The file is damaged or of another kind.
        """
        with _reading(path), safe_open(path, framework="pt") as file:
            tree = json.loads((file.metadata() or {})[TREE])
            return _rebuild(tree, file.get_tensor)

    def read_epoch(self, path: str | Path) -> int:
        """Return the last whole epoch of the training that wrote a checkpoint, from 0.

        Raises:
            InputError: As `load_checkpoint`.
        """
        with _reading(path), safe_open(path, framework="pt") as file:
            (epoch,) = (value for name, value in json.loads((file.metadata() or {})[TREE])["dict"] if name == "epoch")
            return int(epoch)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint."""
        Path(path).unlink(missing_ok=True)


class LastCheckpoint(Checkpoint):
    """Keeps the state after the last whole epoch, from which a training is resumed.

    A subclass of Lightning's ``Checkpoint``: those come after all other callbacks, whose state they keep.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file."""
        trainer.save_checkpoint(self.path, weights_only=False)


@contextmanager
def _reading(path: str | Path) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise InputError.about(
            "checkpoint",
            must="be a whole file that a training wrote",
            got=str(error),
            place=path,
            remedy="start again without --resume in a new folder",
        ) from error


def _flatten(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Return JSON for a value; its tensors go into ``tensors`` under numbers. Keys of a dictionary may be of any plain type."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[key, _flatten(item, tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return {"list": [_flatten(item, tensors) for item in value]}
    if isinstance(value, PLAIN):
        return value
    raise TypeError(f"`checkpoint` must hold tensors and plain values, got {type(value).__name__}")


def _rebuild(value: Any, get_tensor: Callable[[str], torch.Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, held),) = value.items()
    if kind == "tensor":
        return get_tensor(held)
    if kind == "dict":
        return {key: _rebuild(item, get_tensor) for key, item in held}
    return [_rebuild(item, get_tensor) for item in held]
