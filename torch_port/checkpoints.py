"""Read a legacy checkpoint without tensorflow: npz, and HDF5 and ``.keras`` files of Keras 2 and 3.

A file is recognised by its content. Only arrays, and what it says of its layers, are read from it: nothing is unpickled,
and no function, layer or optimizer that it describes is built.
"""

from __future__ import annotations

import io
import json
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from torch_port.errors import WeightsError, count_of
from torch_port.network_checks import NUMBERED_TENSORS, FileLayer, parse_layer
from torch_port.numbered_weights import NUMBERED_ROOTS, find_kind, list_kinds, name_groups, normalise

ZIP_MAGIC = b"PK\x03\x04"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
PICKLE_MAGIC = b"\x80"
LFS_MAGIC = b"version https://git-lfs"
READABLE = "be an .npz of `python -m legacy_tf export`, a Keras .h5 file or a .keras file"
PICKLED = "pickled content, which is never loaded,"
EXPORT = "export it with `python -m legacy_tf export`"
SHARDED = ("weights in several files (shards)", "save them in one, without max_shard_size")
DAMAGE = (
    OSError, ValueError, KeyError, TypeError, RuntimeError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error,
    lzma.LZMAError,
)  # fmt: skip

Arrays = dict[str, np.ndarray]
Refused = dict[str, str]  # name of a tensor -> why it was not read


def read_legacy_weights(path: str | Path) -> Arrays:
    """Read the arrays of a legacy checkpoint by Keras weight name without ``:0``.

    Raises:
        WeightsError: As ``read_checkpoint``, or a tensor was refused.
    """
    read = read_checkpoint(path)
    if read.refused:
        raise WeightsError.about(
            "checkpoint",
            must="hold plain arrays",
            got=count_of(len(read.refused), "other tensor"),
            place=path,
            remedy=EXPORT,
            faults=list(read.refused.values()),
        )
    return read.arrays


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a file holds.

    Attributes:
        arrays: Arrays by Keras weight name without ``:0``.
        refused: The tensors that were not read.
        layers: What the file says of the layers of the model; nothing, if it says nothing.
    """

    arrays: Arrays
    refused: Refused = field(default_factory=dict)
    layers: Sequence[FileLayer] = ()


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read what can be read of a checkpoint.

    Raises:
        WeightsError: The file is not a checkpoint that can be read here, or is damaged.
    """
    path = Path(path)
    magic = _read_magic(path)
    if path.with_name(f"{path.name}.index").is_file():
        raise _refusal(path, "a file and a TensorFlow checkpoint of one name", "move one of them to another folder")
    if re.search(r"_\d{5}\.weights\.h5$", path.name) and list(path.parent.glob("*.weights.json")):
        raise _refusal(path, *SHARDED)
    try:
        if magic.startswith(ZIP_MAGIC):
            return _read_zip(path)
        if magic.startswith(HDF5_MAGIC):
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
    raise _refusal(path, *_describe(path, magic))


def refuse_pointer(path: Path) -> None:
    """Refuse what Git LFS has left in a file's place.

    Raises:
        WeightsError: It is that.
    """
    if path.is_file() and (magic := _read_magic(path)) == LFS_MAGIC:
        raise _refusal(path, *_describe(path, magic))


def _describe(path: Path, magic: bytes) -> tuple[str, str]:
    """Return what a file is that cannot be read, and what to do."""
    if magic.startswith(LFS_MAGIC):
        return "a Git LFS pointer instead of the file", "run `git lfs pull`"
    if magic.startswith(PICKLE_MAGIC):
        return PICKLED, EXPORT
    if path.name.endswith(".weights.json"):
        return SHARDED
    if path.suffix == ".index" or ".data-" in path.suffix:
        return "a file of a TensorFlow checkpoint", EXPORT
    return f"a file that starts with {magic[: len(HDF5_MAGIC)]!r}", EXPORT


def _refusal(path: Path, got: str, remedy: str) -> WeightsError:
    return WeightsError.about("checkpoint", must=READABLE, got=got, place=path, remedy=remedy)


def _read_magic(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(LFS_MAGIC))
    except OSError as error:
        is_tensorflow = path.is_dir() or path.with_name(path.name + ".index").is_file()
        got = "a TensorFlow checkpoint or folder" if is_tensorflow else str(error.strerror)
        raise _refusal(path, got, EXPORT if is_tensorflow else "check the path") from error


def _read_zip(path: Path) -> Checkpoint:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if "model.weights.h5" in names:
            layers = parse_model(archive.read("config.json"))
            with h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r") as file:
                return _read_numbered(file, layers)
    if any(name.endswith(".pkl") for name in names):
        raise _refusal(path, PICKLED, EXPORT)
    if any(name.endswith(".weights.json") for name in names):
        raise _refusal(path, *SHARDED)
    if not all(name.endswith(".npy") for name in names):
        raise _refusal(path, f"an archive of other files ({names[0]})", "unpack it, and name the checkpoint in it")
    return _read_npz(path)


def _read_npz(path: Path) -> Checkpoint:
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
    return Checkpoint(arrays=arrays, refused=refused)


def _read_hdf5(file: h5py.File) -> Checkpoint:
    if any(root in file for root in NUMBERED_ROOTS):
        return _read_numbered(file, None)
    root = file.get("model_weights", file)
    if "model_config" in file.attrs:
        layers = parse_model(file.attrs["model_config"])
    else:
        names = map(_text, root.attrs.get("layer_names", ()))
        layers = [FileLayer(kind="", name=name) for name in names if name in root and not list(_datasets(root[name]))]
    arrays: Arrays = {}
    refused: Refused = {}
    # A tensor is LAYER/WEIGHT:0, where WEIGHT is itself LAYER/TENSOR, or LAYER/TENSOR; a nested model adds groups in front.
    for place, dataset in _datasets(root):
        name = "/".join(place.split("/")[-2:]).removesuffix(":0")
        _add(name, dataset, arrays, refused, place)
    return Checkpoint(arrays=arrays, refused=refused, layers=[leaf for layer in layers for leaf in layer.leaves()])


def _read_numbered(file: h5py.File, layers: Sequence[FileLayer] | None) -> Checkpoint:
    """Read the layout that numbers layers by class: ROOT/CLASS_NUMBER/vars/0, 1, ..."""
    root = next(root for root in NUMBERED_ROOTS if root in file)
    found = {normalise(place): dataset for place, dataset in _datasets(file[root])}
    groups = sorted({place.rpartition("/vars")[0] for place in map(normalise, _groups(file[root])) if "/vars" in place})
    names = name_groups(groups, layers)
    arrays: Arrays = {}
    refused: Refused = {}
    for place, dataset in found.items():
        group, _, index = place.rpartition("/vars/")
        tensors = NUMBERED_TENSORS.get(find_kind(group), ())
        if group.endswith("/seed_generator"):  # of random numbers, no weights
            continue
        known = group in names and index.isdecimal() and int(index) < len(tensors)
        name = f"{names[group]}/{tensors[int(index)]}" if known else f"{root}/{place}"
        said = _text(file[root].get(f"{group}/vars", dataset).attrs.get("name", ""))
        if known and said not in ("", names[group]):
            refused[name] = f"{name}: in the place of {names[group]}, and named {said}"
        _add(name, dataset, arrays, refused, place)
    described = list_kinds(groups) if layers is None else [leaf for layer in layers for leaf in layer.leaves()]
    return Checkpoint(arrays=arrays, refused=refused, layers=described)


def parse_model(text: str | bytes) -> list[FileLayer]:
    """Return the layers that a model's configuration lists.

    Raises:
        WeightsError: It lists none.
    """
    described = json.loads(text)
    layers = parse_layer(described).layers
    if layers is None:
        raise WeightsError.about(
            "checkpoint",
            must="describe a model of layers (Functional or Sequential)",
            got=f"one of class {described['class_name']}",
            place="its configuration",
            remedy="save its weights alone, from the legacy network",
        )
    return list(layers)


def _add(name: str, dataset: h5py.Dataset, arrays: Arrays, refused: Refused, place: str) -> None:
    kind = dataset.dtype.kind
    if name in refused:
        return
    if name in arrays:
        refused[name] = f"{name}: there twice, the second time as {place}"
    elif dataset.dtype.str == "|V2" or _text(dataset.attrs.get("dtype", "")) == "bfloat16":
        refused[name] = f"{name}: bfloat16, which is not read; save the model in float32"
    elif kind != "f":
        refused[name] = f"{name}: {dataset.dtype} instead of floating-point numbers"
    else:
        arrays[name] = dataset[()]


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _groups(group: h5py.Group) -> list[str]:
    """Return every place under a group; links to other places or files are not followed."""
    places: list[str] = []
    group.visit(places.append)
    return places


def _datasets(group: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield every array under a group."""
    for place in _groups(group):
        if isinstance(group[place], h5py.Dataset):
            yield place, group[place]
