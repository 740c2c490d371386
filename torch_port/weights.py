"""Fill the port with legacy weights: checked as a whole, then copied, tensor by tensor of `weight_table`."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from torch_port import __version__
from torch_port.checkpoints import read_checkpoint, read_legacy_weights, refuse_pointer
from torch_port.errors import WeightsError
from torch_port.model import Classifier, ResNet50V2, make_model
from torch_port.names import CLASSES
from torch_port.network_checks import list_network_faults
from torch_port.port_files import read_safetensors, write_safetensors
from torch_port.weight_checks import fill_model, list_class_faults, list_tensor_faults, refuse_faults
from torch_port.weight_table import TABLE, Row

__all__ = [
    "convert",
    "hash_file",
    "load_backbone",
    "load_checkpoint",
    "load_legacy_file",
    "load_legacy_weights",
    "read_legacy_weights",
    "read_safetensors",
    "write_safetensors",
]

HEAD_LAYERS = ("prev_dense/", "last_dense/")
REMEDY = "give a checkpoint of this architecture and class count"


def load_legacy_weights(model: Classifier, arrays: Mapping[str, np.ndarray], source: object = "the arrays") -> None:
    """Copy legacy arrays into the model, every one of them into its place.

    Args:
        model: A `ResNet50V2`, of any floating dtype.
        arrays: Legacy arrays by Keras weight name without ``:0``.
        source: Where they come from, for the message.

    Raises:
        WeightsError: An array is missing, extra, of another shape, not of floating point or not finite, or a
            moving variance is negative (all faults are listed); or the model has no legacy counterpart.
            Nothing is copied.
    """
    _require_counterpart(model)
    tensors, faults = _place_arrays(model, arrays)
    refuse_faults(model, faults, place=source, remedy=REMEDY)
    fill_model(model, tensors)


def load_legacy_file(model: Classifier, path: str | Path) -> None:
    """Copy a legacy checkpoint file into the model.

    Raises:
        WeightsError: As ``read_checkpoint`` and ``load_legacy_weights``, or the file describes a network that computes
            something else; all faults are in one list.
    """
    _require_counterpart(model)
    read = read_checkpoint(path)
    tensors, faults = _place_arrays(model, read.arrays, read.refused)
    faults = [*read.refused.values(), *list_network_faults(read.layers), *faults]
    refuse_faults(model, faults, place=path, remedy=REMEDY)
    fill_model(model, tensors)


def load_backbone(model: Classifier, path: str | Path) -> None:
    """Copy start weights into everything but the head: a Keras weights file of the headless ResNet50V2.

    Counterpart of ``weights=FILE`` of `legacy_tf.models.resnet_model`.

    Raises:
        WeightsError: As ``load_legacy_file``; the head must not be in the file.
    """
    _require_counterpart(model)
    read = read_checkpoint(path)
    rows = [row for row in TABLE if not row.legacy.startswith(HEAD_LAYERS)]
    tensors, faults = _place_arrays(model, read.arrays, read.refused, rows)
    refuse_faults(model, [*read.refused.values(), *faults], place=path, remedy="give a weights file of the headless ResNet50V2")
    fill_model(model, {**model.state_dict(), **tensors})


def load_checkpoint(
    path: str | Path,
    arch: str = "resnet50v2",
    num_classes: int = 3,
    *,
    classes: Sequence[str] | None = None,
    image_scale: float | None = None,
) -> Classifier:
    """Build a model from a safetensors file of the port, or directly from a legacy checkpoint.

    Args:
        path: The file.
        arch: Architecture that the caller expects.
        num_classes: Class count that the caller expects.
        classes: Class names in the order that the caller expects; a legacy checkpoint does not know them.
        image_scale: Size of the images that the caller will give it; a legacy checkpoint does not know it.

    Returns:
        The model, float32, in evaluation mode.

    Raises:
        WeightsError: As ``read_safetensors`` or ``load_legacy_file``.
    """
    refuse_pointer(Path(path))
    if Path(path).suffix == ".safetensors":
        return read_safetensors(path, arch, num_classes, classes=classes, image_scale=image_scale)
    model = make_model(arch, num_classes)
    load_legacy_file(model, path)
    return model.eval()


def convert(source: str | Path, target: str | Path, num_classes: int = 3, *, classes: Sequence[str] = CLASSES) -> None:
    """Turn a legacy checkpoint into a safetensors file with its provenance.

    Args:
        source: An .npz of ``python -m legacy_tf export``, a Keras .h5 file or a .keras file.
        target: The file to write.
        num_classes: Class count that the checkpoint must have.
        classes: Class names in the order of the last layer's columns.

    Raises:
        WeightsError: As ``load_legacy_file`` and ``write_safetensors``, or the names are not as many as the
            classes.
    """
    if len(classes) != num_classes:
        raise WeightsError.about(
            "classes",
            must=f"be {num_classes} names",
            got=repr(",".join(classes)),
            place="--classes",
            remedy="name every class",
        )
    model = ResNet50V2(num_classes)
    load_legacy_file(model, source)
    provenance = {
        "source": Path(source).name,
        "source_sha256": hash_file(source),
        "converter": f"torch_port {__version__}",
        "arch": "resnet50v2",
        "classes": ",".join(classes),
    }
    write_safetensors(model, target, provenance)


def _require_counterpart(model: Classifier) -> None:
    if not isinstance(model, ResNet50V2):
        raise WeightsError.about(
            "arch",
            must="be resnet50v2 to take legacy weights",
            got=f"{type(model).__name__}, which has no tensor-by-tensor counterpart of the legacy network,",
            place="--arch",
            remedy="train that network, or build it with new weights",
        )


def _place_arrays(
    model: Classifier, arrays: Mapping[str, np.ndarray], refused: Collection[str] = (), rows: Sequence[Row] = TABLE
) -> tuple[dict[str, Tensor], list[str]]:
    """Return tensors by port key, and a line for each fault; the refused names have theirs already."""
    state = model.state_dict()
    tensors: dict[str, Tensor] = {}
    faults = list_class_faults(model, arrays.get("last_dense/bias"))
    for row in rows:
        target = state[row.port]
        if row.legacy not in arrays:
            faults += [] if row.legacy in refused else [f"{row.legacy}: missing"]
        elif arrays[row.legacy].dtype.kind != "f" or arrays[row.legacy].dtype.itemsize > 8:
            faults.append(f"{row.legacy}: dtype {arrays[row.legacy].dtype} instead of float32")
        else:
            array = arrays[row.legacy].astype(arrays[row.legacy].dtype.newbyteorder("="))
            tensor = torch.from_numpy(array).to(target.dtype)
            wrong = list_tensor_faults(row.legacy, tensor, row.legacy_shape(tuple(target.shape)))
            faults += wrong
            if not wrong:
                tensors[row.port] = tensor.permute(row.axes)
    known = {row.legacy for row in rows}
    return tensors, faults + [f"{name}: extra" for name in arrays if name not in known]


def hash_file(path: str | Path) -> str:
    """Return the SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
