"""Read the tensors of every checkpoint format of Keras, by the names of the weights.

Only tensors, and what a file says of its layers, are read. Nothing in a file is unpickled, deserialised or run: a
configuration is data that layers are compared with, and no layer is made from it.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np
import tensorflow as tf

from . import tensorflow_checkpoints
from .contents import Arrays, Contents, refuse_dtype, weight_name
from .errors import CheckpointError
from .network_checks import FileLayer, parse_model
from .numbered_weights import NUMBERED_ROOTS, list_kinds, load_numbered, name_groups, normalise

LFS_START = b"version https://git-lfs"
SHARDED = "weights in several files (shards); save them in one, without max_shard_size"

Reader = Callable[[tf.keras.Model], Contents]


def find_reader(path: Path) -> Reader:
    """Choose the reader by what is there, not by the file name's end.

    Returns:
        A function of the model, whose layers say what numbered tensors are called, to the contents.

    Raises:
        CheckpointError: Nothing is there, or nothing that can be read without risk.
    """
    if path.is_dir():
        saved = path / "variables" / "variables"
        prefix = saved if (path / "saved_model.pb").is_file() else tensorflow_checkpoints.find_prefix(path)
        return _tensorflow_reader(prefix, path)
    prefix = path.with_suffix("") if path.suffix == ".index" or ".data-" in path.suffix else path
    if prefix.with_name(prefix.name + ".index").is_file():
        if prefix == path and path.is_file():
            raise _refusal(path, "a file and a TensorFlow checkpoint of one name; name its .index file, or move one of them")
        return _tensorflow_reader(prefix, path)
    if not path.is_file():
        raise CheckpointError(f"checkpoint `{path}` must be a file or a folder, got nothing there")
    start = _read_start(path)
    if start[:8] == b"\x89HDF\r\n\x1a\n":
        if re.search(r"_\d{5}\.weights\.h5$", path.name) and list(path.parent.glob("*.weights.json")):
            raise _refusal(path, SHARDED)
        return lambda model: _read_h5(path, model)
    if start[:2] == b"PK":
        return lambda model: _read_zip(path, model)
    if start[:1] == b"\x80":
        raise _pickle_error(path)
    raise _refusal(path, SHARDED if path.name.endswith(".weights.json") else f"a file that starts with {start[:8]!r}")


def _tensorflow_reader(prefix: Path, path: Path) -> Reader:
    files = [prefix.with_name(prefix.name + ".index"), *tensorflow_checkpoints.data_files(prefix)]
    for file in files:
        if file.is_file():
            _read_start(file)
    return lambda model: tensorflow_checkpoints.read(prefix, path, model)


def _read_start(path: Path) -> bytes:
    """The first bytes of a file, by which its format is known.

    Raises:
        CheckpointError: It is not here.
    """
    with open(path, "rb") as file:
        start = file.read(len(LFS_START))
    if start == LFS_START:
        raise _refusal(path, "a Git LFS pointer instead of the file; run `git lfs pull`")
    return start


def _read_h5(source: Path | io.BytesIO, model: tf.keras.Model, layers: Sequence[FileLayer] | None = None) -> Contents:
    with h5py.File(source, "r") as file:
        for root in NUMBERED_ROOTS:
            if root in file:
                return _read_numbered(file[root], model, layers)
        root = file.get("model_weights", file)
        if "model_config" in file.attrs:
            layers = parse_model(file.attrs["model_config"])
        else:
            names = map(_text, root.attrs.get("layer_names", ()))
            layers = [FileLayer("", name) for name in names if name in root and not _read_datasets(root[name])[1]]
        arrays: Arrays = {}
        # <layer>/<weight name>:0, where the weight name begins with the layer's name once more, but in Keras 3.0; a nested
        # model has its own name in front.
        for path, array in _read_datasets(root)[1].items():
            name = "/".join(path.split("/")[-2:]).removesuffix(":0")
            if name in arrays:
                raise CheckpointError(f"`checkpoint` must hold each tensor once, got {name} twice, the second time as {path}")
            arrays[name] = array
        return Contents(arrays, [leaf for layer in layers for leaf in layer.leaves()])


def _read_numbered(root: h5py.Group, model: tf.keras.Model, layers: Sequence[FileLayer] | None) -> Contents:
    """Read the layout that numbers layers by class: `conv2d_7/vars/0`."""
    places, datasets = _read_datasets(root)
    groups = sorted({place.rpartition("/vars")[0] for place in map(normalise, places) if "/vars" in place})
    named = name_groups(groups, layers, parse_model(model.to_json()))
    weights = {layer.name: layer.weights for layer in model.layers}
    own_names = {normalise(place): _text(root[place].attrs["name"]) for place in places if "name" in root[place].attrs}
    arrays: Arrays = {}
    stored = {}
    for place, array in datasets.items():
        group, _, index = normalise(place).rpartition("/vars/")
        if group.endswith("/seed_generator"):  # of random numbers, no weights
            continue
        meant = weights.get(named.get(group, ""), [])
        known = index.isdecimal() and int(index) < len(meant)
        name = weight_name(meant[int(index)]) if known else f"{root.name.strip('/')}/{place}"
        said = own_names.get(f"{group}/vars", "")
        if known and said not in ("", named[group]):
            raise CheckpointError(
                f"`checkpoint` must name its layers as they are ordered, got {said} in the place of {named[group]}; "
                f"save it again with Keras"
            )
        arrays[name] = array
        stored[group, index] = array
    described = list_kinds(groups) if layers is None else [leaf for layer in layers for leaf in layer.leaves()]
    return Contents(arrays, described, lambda filled: load_numbered(filled, groups, stored, named))


def _read_datasets(group: h5py.Group) -> tuple[list[str], Arrays]:
    """Every place below a group, and the arrays among them; links to other places or files are not followed."""
    places: list[str] = []
    group.visit(places.append)
    datasets = {place: group[place] for place in places if isinstance(group[place], h5py.Dataset)}
    refuse_dtype("bfloat16", [place for place, found in datasets.items() if _is_bfloat16(found)])
    return places, {place: found[()] for place, found in datasets.items()}


def _is_bfloat16(dataset: h5py.Dataset) -> bool:
    return dataset.dtype.str == "|V2" or _text(dataset.attrs.get("dtype", "")) == "bfloat16"


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _read_zip(path: Path, model: tf.keras.Model) -> Contents:
    with zipfile.ZipFile(path) as archive:
        members = archive.namelist()
        if "model.weights.h5" in members:
            layers = parse_model(archive.read("config.json"))
            return _read_h5(io.BytesIO(archive.read("model.weights.h5")), model, layers)
    if any(member.endswith(".pkl") for member in members):
        raise _pickle_error(path)
    if any(member.endswith(".weights.json") for member in members):
        raise _refusal(path, SHARDED)
    if not all(member.endswith(".npy") for member in members):
        raise _refusal(path, f"an archive of other files ({members[0]}); unpack it, and name the checkpoint in it")
    try:
        with np.load(path, allow_pickle=False) as file:
            return Contents({name: file[name] for name in file.files})
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise _pickle_error(path) from error
        raise


def _refusal(path: Path, got: str) -> CheckpointError:
    return CheckpointError(
        f"checkpoint `{path}` must be in a format of Keras (TensorFlow checkpoint, .h5, .keras, SavedModel) "
        f"or an npz of `export`, got {got}"
    )


def _pickle_error(path: Path) -> CheckpointError:
    return CheckpointError(
        f"checkpoint `{path}` must hold plain tensors in a format of Keras, got pickled content, which is "
        f"never opened because it can run code; save the weights with Keras as .h5"
    )
