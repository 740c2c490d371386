"""Load the weights of any Keras checkpoint into a built model, and export them as one npz."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import tensorflow as tf

from . import models
from .contents import Arrays, Contents, weight_name
from .errors import CheckpointError
from .network_checks import list_network_faults
from .readers import find_reader
from .results import whole_file, write_arrays

__all__ = ["CheckpointError", "export_checkpoint", "load_checkpoint", "weight_name"]


def load_checkpoint(model: tf.keras.Model, path: str | os.PathLike) -> None:
    """Fill every weight of a built model from a checkpoint.

    Args:
        model: The model; its variables are assigned only after every check has passed.
        path: A TensorFlow checkpoint (prefix, one of its files, or folder), weights `.h5` or `.weights.h5`,
            a whole model as `.h5`, `.keras` or SavedModel folder, or the npz of `export_checkpoint`.

    Raises:
        CheckpointError: It cannot be read, does not hold exactly the model's weights, finite, describes a network that
            computes something else, or Keras reads it otherwise than `readers`.
    """
    read = find_reader(Path(path))
    try:
        contents = read(model)
    except CheckpointError as error:
        raise CheckpointError(str(error).replace("`checkpoint`", f"checkpoint `{path}`", 1)) from error
    # What the libraries raise on damaged files has no common type; whatever it is, this file cannot be read.
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"checkpoint `{path}` must be whole and readable, got: {reason}; copy or save it again"
        ) from error
    _check_contents(model, contents, path)
    if contents.load is not None:
        _ask_keras(model, contents, path)
    for variable in model.weights:
        variable.assign(contents.arrays[weight_name(variable)].astype(variable.dtype.as_numpy_dtype))


def export_checkpoint(path: str | os.PathLike, out_npz: str | os.PathLike, num_classes: int = 3) -> int:
    """Write the weights of a checkpoint of `resnet_model` as float32 arrays, each under its weight name.

    Args:
        path: What `load_checkpoint` reads.
        out_npz: File to write; it appears only when it is whole.
        num_classes: Classes the checkpoint was trained for.

    Returns:
        The number of tensors.

    Raises:
        CheckpointError: As `load_checkpoint`.
        PlaceError: The file cannot be written.
    """
    # No weight depends on the size of the images.
    model, _ = models.resnet_model(num_classes, (64, 64, 3), weights=None)
    load_checkpoint(model, path)
    arrays = {weight_name(variable): variable.numpy().astype(np.float32) for variable in model.weights}
    with whole_file(Path(out_npz)) as unfinished:
        write_arrays(unfinished, **arrays)
    return len(arrays)


def _ask_keras(model: tf.keras.Model, contents: Contents, path: str | os.PathLike) -> None:
    """Raise an error unless Keras, which goes by places alone, fills a model of NaN with the bits that were read."""
    before = [variable.numpy() for variable in model.weights]
    try:
        for variable in model.weights:
            variable.assign(tf.fill(variable.shape, tf.constant(float("nan"), variable.dtype)))
        contents.load(model)
        loaded = {weight_name(variable): variable.numpy() for variable in model.weights}
    except Exception as error:  # Keras has no common type for what it refuses
        raise CheckpointError(f"checkpoint `{path}` must be one that Keras loads, got: {error}; save it again") from error
    finally:
        for variable, array in zip(model.weights, before, strict=True):
            variable.assign(array)
    other = [name for name, array in loaded.items() if not np.array_equal(array, contents.arrays[name].astype(array.dtype))]
    if other:
        raise CheckpointError(
            f"checkpoint `{path}` must name its tensors as Keras orders them, got {len(other)} that Keras loads otherwise or "
            f"not at all: {_shorten(other)}; save the weights with Keras as .weights.h5"
        )


def _check_contents(model: tf.keras.Model, contents: Contents, path: str | os.PathLike) -> None:
    """Raise one error with everything in which the contents are not exactly the model's weights, or of another function."""
    arrays: Arrays = contents.arrays
    shapes = {weight_name(variable): tuple(variable.shape) for variable in model.weights}
    shared = [name for name in shapes if name in arrays]
    numeric = [name for name in shared if arrays[name].dtype.kind == "f"]
    faults = {
        "missing": [name for name in shapes if name not in arrays],
        "left over": [name for name in arrays if name not in shapes],
        "of another shape": [
            f"{name} with {arrays[name].shape} instead of {shapes[name]}"
            for name in shared
            if arrays[name].shape != shapes[name]
        ],
        "of a type that is no float": [name for name in shared if name not in numeric],
        "with NaN or infinity": [name for name in numeric if not _is_finite(arrays[name])],
        "negative, which no variance is": [
            name for name in numeric if name.endswith("/moving_variance") and (arrays[name] < 0).any()
        ],
    }
    found = "; ".join(f"{len(names)} {what}: {_shorten(names)}" for what, names in faults.items() if names)
    functions = list_network_faults(contents.layers, model)
    if not found and functions:
        raise CheckpointError(f"checkpoint `{path}` must be of the legacy network, got {'; '.join(functions[:4])}")
    if found:
        raise CheckpointError(
            f"checkpoint `{path}` must hold exactly the {len(shapes)} weights of the legacy ResNet50V2 model "
            f"with {model.output_shape[-1]} classes, got {found}"
        )


def _is_finite(array: np.ndarray) -> bool:
    """As float32, which the network is of."""
    with np.errstate(over="ignore"):
        return bool(np.isfinite(array.astype(np.float32)).all())


def _shorten(names: list[str], shown: int = 4) -> str:
    rest = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {rest} more" if rest > 0 else "")
