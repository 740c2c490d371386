"""Read a legacy checkpoint without tensorflow: npz, HDF5 files of Keras 2, ``.keras`` files of Keras 2.15.

A file is recognised by its content. Only arrays are read from it: nothing is unpickled, and no function,
layer or optimizer that it describes is built.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from torch_port.errors import WeightsError, count_of
from torch_port.weight_table import BATCH_NORM, CONV, DENSE, LAYERS

ZIP_MAGIC = b"PK\x03\x04"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
PICKLE_MAGIC = b"\x80"
READABLE = "be an .npz of `python -m legacy_tf export`, a Keras .h5 file or a .keras file"
PICKLED = "pickled content, which is never loaded,"
EXPORT = "export it with `python -m legacy_tf export`"
DAMAGE = (OSError, ValueError, KeyError, TypeError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error)

# Class of a Keras layer, as file groups spell it -> its tensors in the order in which the file numbers them.
NUMBERED_TENSORS = {kind.keras: tuple(kind.tensors) for kind in (CONV, DENSE, BATCH_NORM)}
# Group that holds the numbered layers: Keras 2.13 and later, and before.
NUMBERED_ROOTS = ("layers", "_layer_checkpoint_dependencies")

Arrays = dict[str, np.ndarray]
Refused = dict[str, str]  # name of a tensor -> why it was not read


def read_legacy_weights(path: str | Path) -> Arrays:
    """Read the arrays of a legacy checkpoint by Keras weight name without ``:0``.

    Raises:
        WeightsError: As ``read_tensors``, or a tensor was refused.
    """
    arrays, refused = read_tensors(path)
    if refused:
        raise WeightsError.about(
            "checkpoint",
            must="hold plain arrays",
            got=count_of(len(refused), "other tensor"),
            place=path,
            remedy=EXPORT,
            faults=list(refused.values()),
        )
    return arrays


def read_tensors(path: str | Path) -> tuple[Arrays, Refused]:
    """Read what can be read of a checkpoint.

    Args:
        path: The file.

    Returns:
        Arrays by Keras weight name without ``:0``, and the tensors that were refused.

    Raises:
        WeightsError: The file is not a checkpoint that can be read here, or is damaged.
    """
    path = Path(path)
    magic = _read_magic(path)
    try:
        if magic.startswith(ZIP_MAGIC):
            return _read_zip(path)
        if magic == HDF5_MAGIC:
            with h5py.File(path, "r") as file:
                return _read_hdf5(file)
    except DAMAGE as error:
        raise WeightsError.about(
            "checkpoint",
            must="be a whole file",
            got=f"one that cannot be read ({error})",
            place=path,
            remedy="copy it again from its source",
        ) from error
    found = PICKLED if magic.startswith(PICKLE_MAGIC) else f"a file that starts with {magic!r}"
    raise WeightsError.about("checkpoint", must=READABLE, got=found, place=path, remedy=EXPORT)


def _read_magic(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(HDF5_MAGIC))
    except OSError as error:
        is_tensorflow = path.is_dir() or path.with_name(path.name + ".index").is_file()
        raise WeightsError.about(
            "checkpoint",
            must=READABLE,
            got="a TensorFlow checkpoint or folder" if is_tensorflow else str(error.strerror),
            place=path,
            remedy=EXPORT if is_tensorflow else "check the path",
        ) from error


def _read_zip(path: Path) -> tuple[Arrays, Refused]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if "model.weights.h5" in names:
            config = json.loads(archive.read("config.json"))["config"]
            with h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r") as file:
                return _read_numbered(file, dict(_configured_layers(config)))
    if any(name.endswith(".pkl") for name in names):
        raise WeightsError.about("checkpoint", must=READABLE, got=PICKLED, place=path, remedy=EXPORT)
    return _read_npz(path)


def _read_npz(path: Path) -> tuple[Arrays, Refused]:
    arrays: Arrays = {}
    refused: Refused = {}
    with np.load(path, allow_pickle=False) as file:
        for name in file.files:
            try:
                arrays[name] = file[name]
            except ValueError as error:
                if "allow_pickle" not in str(error):
                    raise
                refused[name] = f"{name}: pickled objects, which are never loaded"
    return arrays, refused


def _read_hdf5(file: h5py.File) -> tuple[Arrays, Refused]:
    if any(root in file for root in NUMBERED_ROOTS):
        return _read_numbered(file, dict(_known_layers()))
    arrays: Arrays = {}
    refused: Refused = {}
    # A tensor is LAYER/WEIGHT:0, where WEIGHT is itself LAYER/TENSOR; a nested model adds groups in front.
    for place, dataset in _datasets(file.get("model_weights", file)):
        name = "/".join(place.split("/")[-2:]).removesuffix(":0")
        if name in arrays:
            refused[name] = f"{name}: there twice, the second time as {place}"
        elif dataset.dtype.kind != "f":
            refused[name] = f"{name}: {dataset.dtype} instead of floating-point numbers"
        else:
            arrays[name] = dataset[()]
    return arrays, refused


def _read_numbered(file: h5py.File, layer_names: Mapping[str, str]) -> tuple[Arrays, Refused]:
    """Read the layout that numbers layers by class: ROOT/CLASS_NUMBER/vars/0, 1, ..."""
    arrays: Arrays = {}
    refused: Refused = {}
    root = next(root for root in NUMBERED_ROOTS if root in file)
    for place, dataset in _datasets(file[root]):
        group, _, index = place.rpartition("/vars/")
        tensors = NUMBERED_TENSORS.get(re.sub(r"_\d+$", "", group.rpartition("/")[2]), ())
        known = group in layer_names and int(index) < len(tensors)
        name = f"{layer_names[group]}/{tensors[int(index)]}" if known else f"{root}/{place}"
        if dataset.dtype.kind != "f":
            refused[name] = f"{name}: {dataset.dtype} instead of floating-point numbers"
        else:
            arrays[name] = dataset[()]
    return arrays, refused


def _configured_layers(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the file group and the layer name of each layer that a ``config.json`` lists."""
    counts: Counter[str] = Counter()
    for layer in config["layers"]:
        group = prefix + _number(_snake_case(layer["class_name"]), counts)
        if "layers" in layer["config"]:
            yield from _configured_layers(layer["config"], f"{group}/layers/")
        else:
            yield group, layer["config"]["name"]


def _known_layers() -> Iterator[tuple[str, str]]:
    """Yield the same for a ``.weights.h5`` file, which names no layer: the table is in the order of Keras."""
    counts: Counter[str] = Counter()
    for layer, _, kind in LAYERS:
        yield _number(kind.keras, counts), layer


def _number(kind: str, counts: Counter[str]) -> str:
    number = counts[kind]
    counts[kind] += 1
    return f"{kind}_{number}" if number else kind


def _snake_case(class_name: str) -> str:
    """Spell a class as Keras does in file groups: ``BatchNormalization`` becomes ``batch_normalization``."""
    words = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", class_name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def _datasets(group: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield every array under a group; links to other places or files are not followed."""
    places: list[str] = []
    group.visit(places.append)
    for place in places:
        if isinstance(group[place], h5py.Dataset):
            yield place, group[place]
