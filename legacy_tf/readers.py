"""Read the tensors of every checkpoint format of Keras 2, by the names of the weights.

Only tensors are read. Nothing in a file is unpickled, deserialised or run: no configuration, no Lambda layer.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

from .errors import CheckpointError

Arrays = dict[str, np.ndarray]

# Where `.keras` and `.weights.h5` files keep the layers: Keras 2.13 and later, and before.
NUMBERED_ROOTS = ("layers", "_layer_checkpoint_dependencies")


def weight_name(variable: tf.Variable) -> str:
    """Name of a weight in an export, for example `conv1_conv/kernel`."""
    return variable.name.removesuffix(":0")


def find_reader(path: Path) -> Callable[[tf.keras.Model], Arrays]:
    """Choose the reader by what is there, not by the file name's end.

    Returns:
        A function of the model (the numbered layouts need its layers) to arrays by weight name.

    Raises:
        CheckpointError: Nothing is there, or nothing that can be read without risk.
    """
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return lambda model: _read_tensorflow(path / "variables" / "variables")
        return lambda model: _read_tensorflow(_find_prefix(path))
    if path.suffix == ".index" or ".data-" in path.suffix:
        path = path.with_suffix("")
    if path.with_name(path.name + ".index").is_file():
        return lambda model: _read_tensorflow(path)
    if not path.is_file():
        raise CheckpointError(f"checkpoint `{path}` must be a file or a folder, got nothing there")
    with open(path, "rb") as file:
        start = file.read(8)
    if start == b"\x89HDF\r\n\x1a\n":
        return lambda model: _read_h5(path, model)
    if start[:2] == b"PK":
        return lambda model: _read_zip(path, model)
    if start[:1] == b"\x80":
        raise _pickle_error(path)
    raise CheckpointError(
        f"checkpoint `{path}` must be in a format of Keras (TensorFlow checkpoint, .h5, .keras, SavedModel) "
        f"or an npz of `export`, got a file that starts with {start!r}"
    )


def _find_prefix(folder: Path) -> Path:
    """The latest checkpoint of a folder; the only one where its record of the latest is missing or stale."""
    latest = tf.train.latest_checkpoint(str(folder))
    if latest is not None:
        return Path(latest)
    found = sorted(folder.glob("*.index"))
    if len(found) != 1:
        raise CheckpointError(
            f"checkpoint folder `{folder}` must be a SavedModel or hold one TensorFlow checkpoint, "
            f"got {len(found)} *.index files; name the checkpoint's prefix"
        )
    return found[0].with_suffix("")


def _read_tensorflow(prefix: Path) -> Arrays:
    """Tensors of a TensorFlow checkpoint that hang on layers, as the optimizer's do not, by weight name."""
    reader = tf.train.load_checkpoint(str(prefix))
    if not reader.has_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"):
        raise CheckpointError(f"checkpoint `{prefix}` must be written by Keras 2, got a TensorFlow 1 checkpoint")
    graph = TrackableObjectGraph()
    graph.ParseFromString(reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"))
    waiting = [child.node_id for child in graph.nodes[0].children if child.local_name.startswith("layer")]
    seen: set[int] = set()
    keys: dict[str, str] = {}
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        keys.update({entry.full_name: entry.checkpoint_key for entry in graph.nodes[node].attributes})
        waiting += [child.node_id for child in graph.nodes[node].children]
    return {name: reader.get_tensor(key) for name, key in keys.items()}


def _read_h5(source: Path | io.BytesIO, model: tf.keras.Model) -> Arrays:
    with h5py.File(source, "r") as file:
        for root in NUMBERED_ROOTS:
            if root in file:
                return _name_numbered(_read_datasets(file[root]), model)
        root = file.get("model_weights", file)
        # <layer>/<weight name>:0, where the weight name begins with the layer's name once more.
        return {path.partition("/")[2].removesuffix(":0"): array for path, array in _read_datasets(root).items()}


def _read_datasets(group: h5py.Group) -> Arrays:
    datasets: Arrays = {}

    def visit(path: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            datasets[path] = item[()]

    group.visititems(visit)
    return datasets


def _name_numbered(datasets: Arrays, model: tf.keras.Model) -> Arrays:
    """Name the tensors of the `.keras` layout, which numbers the layers of each class: `conv2d_7/vars/0`.

    The numbers count through the layers of the model, so the order within a class says which layer is meant.
    """
    folders: dict[str, list[tuple[int, str]]] = {}
    for folder in {path.partition("/")[0] for path in datasets}:
        kind, number = re.fullmatch(r"(.*?)(?:_(\d+))?", folder).groups()
        folders.setdefault(kind, []).append((int(number or 0), folder))
    waiting = {kind: [folder for _, folder in sorted(numbered)] for kind, numbered in folders.items()}
    names = {}
    for layer in model.layers:
        kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(layer).__name__).lower()
        if layer.weights and waiting.get(kind):
            folder = waiting[kind].pop(0)
            for position, variable in enumerate(layer.weights):
                names[f"{folder}/vars/{position}"] = weight_name(variable)
    return {names.get(path, path): array for path, array in datasets.items()}


def _read_zip(path: Path, model: tf.keras.Model) -> Arrays:
    with zipfile.ZipFile(path) as archive:
        members = archive.namelist()
        if "model.weights.h5" in members:
            return _read_h5(io.BytesIO(archive.read("model.weights.h5")), model)
    if any(member.endswith(".pkl") for member in members):
        raise _pickle_error(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise _pickle_error(path) from error
        raise


def _pickle_error(path: Path) -> CheckpointError:
    return CheckpointError(
        f"checkpoint `{path}` must hold plain tensors in a format of Keras, got pickled content, which is "
        f"never opened because it can run code; save the weights with Keras as .h5"
    )
