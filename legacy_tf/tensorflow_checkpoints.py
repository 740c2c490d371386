"""Read TensorFlow checkpoints and the variables of SavedModels by the names of the weights.

Variables have names there, but under a `MirroredStrategy` these are empty. Then a tensor is named by its place: the layers with
weights are counted in the order of the model, a model that is a layer of another has its own count, and a layer calls its
tensors by their names. What is not below the model, the state of an optimizer for example, is left alone.
"""

from __future__ import annotations

import glob
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf
from keras.protobuf.saved_metadata_pb2 import SavedMetadata
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

from .contents import Contents, refuse_dtype
from .errors import CheckpointError
from .network_checks import FileLayer, parse_model

WEIGHTED = "layer_with_weights-"


def find_prefix(folder: Path) -> Path:
    """The latest checkpoint of a folder; the only one where its record of the latest is missing or stale.

    Raises:
        CheckpointError: It does not say which is meant.
    """
    state = tf.train.get_checkpoint_state(str(folder))
    if state is not None:
        latest = folder / Path(state.model_checkpoint_path).name  # the folder may have been moved since
        if latest.with_name(latest.name + ".index").is_file():
            return latest
    found = sorted(folder.glob("*.index"))
    if len(found) != 1:
        raise CheckpointError(
            f"checkpoint folder `{folder}` must be a SavedModel or hold one TensorFlow checkpoint, "
            f"got {len(found)} *.index files; name the checkpoint's prefix"
        )
    return found[0].with_suffix("")


def data_files(prefix: Path) -> list[Path]:
    """The files beside a checkpoint's index."""
    return sorted(prefix.parent.glob(f"{glob.escape(prefix.name)}.data-*"))


def read(prefix: Path, path: Path, model: tf.keras.Model) -> Contents:
    """Read a checkpoint.

    Args:
        prefix: Of its files.
        path: What the user has named; a SavedModel's folder says more of the layers.
        model: The network, whose layers say what the layers of the file are called.

    Raises:
        CheckpointError: It is no checkpoint of one model of Keras 2.
    """
    with _plain_prefix(prefix) as plain:
        reader = tf.train.load_checkpoint(plain)
        if not reader.has_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"):
            raise CheckpointError(f"checkpoint `{prefix}` must be written by Keras 2, got a TensorFlow 1 checkpoint")
        graph = TrackableObjectGraph()
        graph.ParseFromString(reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"))
        tree = _Tree(graph, path)
        keys = tree.name_keys(model)
        types = reader.get_variable_to_dtype_map()
        for dtype in (tf.bfloat16, tf.float16):  # which Keras loads into networks of that dtype alone
            refuse_dtype(dtype.name, [name for name, key in keys.items() if types[key] == dtype])
        arrays = {name: reader.get_tensor(key) for name, key in keys.items()}
    layers = _configured_layers(path)
    if not layers:
        tree.refuse_more_layers(model)

    def load(filled: tf.keras.Model) -> None:
        with _plain_prefix(prefix) as plain:
            tree.stand_in(filled).read(plain).expect_partial()

    return Contents(arrays, layers, load)


@contextmanager
def _plain_prefix(prefix: Path) -> Iterator[str]:
    """Yield a path to a checkpoint without [ ] * and ?, which TensorFlow takes for a pattern."""
    if glob.escape(str(prefix)) == str(prefix):
        yield str(prefix)
        return
    with tempfile.TemporaryDirectory() as folder:
        for file in (prefix.with_name(prefix.name + ".index"), *data_files(prefix)):
            Path(folder, "checkpoint" + file.name.removeprefix(prefix.name)).symlink_to(file.absolute())
        yield str(Path(folder, "checkpoint"))


def _configured_layers(path: Path) -> list[FileLayer]:
    """The layers that the metadata of a SavedModel describes; none for another checkpoint."""
    file = path / "keras_metadata.pb"
    if not file.is_file():
        return []
    metadata = SavedMetadata.FromString(file.read_bytes())
    roots = [node.metadata for node in metadata.nodes if node.node_path == "root"]
    return [leaf for root in roots for layer in parse_model(root) for leaf in layer.leaves()]


class _Tree:
    """The objects of a checkpoint, as far as they belong to its model."""

    def __init__(self, graph: TrackableObjectGraph, path: Path) -> None:
        self.graph = graph
        self.root = self._find_model(path)
        self.leaves = list(self._weighted_leaves(self.root))

    def name_keys(self, model: tf.keras.Model) -> dict[str, str]:
        """Return the key of each tensor by weight name: the variable's own, or by its place if that is empty."""
        names: dict[int, str] = {}
        for node, layer in zip(self.leaves, _weighted_layers(model), strict=False):
            names |= {child: f"{layer.name}/{local}" for local, child in self._children(node).items()}
        waiting = [child for name, child in self._children(self.root).items() if name.startswith("layer")]
        seen: set[int] = set()
        keys: dict[str, str] = {}
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            for entry in self.graph.nodes[node].attributes:
                name = entry.full_name or names.get(node, entry.checkpoint_key)
                keys[entry.checkpoint_key if name in keys else name] = entry.checkpoint_key  # a second one is left over
            waiting += self._children(node).values()
        return keys

    def stand_in(self, model: tf.keras.Model) -> tf.train.Checkpoint:
        """Return the objects that TensorFlow loads this checkpoint into: the model's layers at their places in the file."""
        layers = iter(_weighted_layers(model))

        def build(node: int) -> tf.train.Checkpoint | tf.keras.layers.Layer:
            below = self._weighted(node)
            if not below:
                return next(layers)
            return tf.train.Checkpoint(**{f"{WEIGHTED}{number}": build(child) for number, child in enumerate(below)})

        made = build(self.root)
        for name in reversed(self.way):
            made = tf.train.Checkpoint(**{name: made})
        return made

    def refuse_more_layers(self, model: tf.keras.Model) -> None:
        """Refuse a model with other layers among those with weights; what such a layer does is not in the file.

        Raises:
            CheckpointError: It has, or may have: in front of an inner model there is a layer without weights. It is the input
                layer or one such as Rescaling, which the file does not say. (The backbone itself, whose layers branch, is a
                functional model and begins with its input layer.)
        """
        for node in self._models(self.root):
            first = self._numbered(node)[0]
            if first not in self.leaves and not self._weighted(first) and self.leaves[0] not in self._weighted(node):
                raise CheckpointError(
                    "`checkpoint` must say that it is of the legacy network, got an inner model behind a layer without "
                    "weights: a TensorFlow checkpoint does not say whether that is an input layer or one such as Rescaling; "
                    "save the whole model with Keras as .keras or SavedModel"
                )
        weighted = _weighted_layers(model)
        known = _count_between(model.layers, weighted)
        found = _count_between(list(self._layers(self.root)), self.leaves)
        for layer, expected, number in zip([*weighted, model], known, found, strict=False):
            if number > expected:
                raise CheckpointError(
                    f"`checkpoint` must be of the legacy network, got {number} layers instead of {expected} between "
                    f"{layer.name} and what is before it: one such as Rescaling has no weights and computes something else"
                )

    def _find_model(self, path: Path) -> int:
        """The first object with counted layers on each way from the root, past optimizers; there must be one."""
        waiting: list[tuple[int, tuple[str, ...]]] = [(0, ())]
        seen: set[int] = set()
        found: dict[int, tuple[str, ...]] = {}
        while waiting:
            node, way = waiting.pop(0)
            if node in seen:
                continue
            seen.add(node)
            if self._weighted(node):
                found[node] = way
            else:
                waiting += [(child, (*way, name)) for name, child in self._children(node).items() if name != "optimizer"]
        if len(found) != 1:
            models = ", ".join("/".join(way) for way in found.values())
            got = f"{len(found)} models: {models}" if found else "one without layers at their places, as Keras 3 writes it"
            raise CheckpointError(
                f"checkpoint `{path}` must be a TensorFlow checkpoint or SavedModel of one model of Keras 2, got {got}; "
                f"save the model's weights with Keras as .weights.h5"
            )
        ((node, self.way),) = found.items()
        return node

    def _children(self, node: int) -> dict[str, int]:
        return {child.local_name: child.node_id for child in self.graph.nodes[node].children}

    def _weighted(self, node: int) -> list[int]:
        """The layers with weights of a model, in their order."""
        numbered = {name: child for name, child in self._children(node).items() if re.fullmatch(rf"{WEIGHTED}\d+", name)}
        return [numbered[name] for name in sorted(numbered, key=lambda name: int(name.removeprefix(WEIGHTED)))]

    def _weighted_leaves(self, node: int) -> Iterator[int]:
        for child in self._weighted(node):
            yield from self._weighted_leaves(child) if self._weighted(child) else [child]

    def _layers(self, node: int) -> Iterator[int]:
        """The layers of a model in their order, those of an inner model in its place, without its input layer."""
        for child in self._numbered(node):
            if self._weighted(child):
                below = list(self._layers(child))
                yield from below if below[0] in self.leaves else below[1:]
            else:
                yield child

    def _models(self, node: int) -> Iterator[int]:
        """A model and its inner models."""
        yield node
        for child in self._weighted(node):
            if self._weighted(child):
                yield from self._models(child)

    def _numbered(self, node: int) -> list[int]:
        children = self._children(node)
        names = sorted((name for name in children if re.fullmatch(r"layer-\d+", name)), key=lambda name: int(name[6:]))
        return [children[name] for name in names]


def _count_between(layers: Sequence[Any], weighted: Sequence[Any]) -> list[int]:
    """The number of layers without weights before each layer with weights, and after the last."""
    counts = [0]
    for layer in layers:
        if layer in weighted:
            counts.append(0)
        else:
            counts[-1] += 1
    return counts


def _weighted_layers(model: tf.keras.Model) -> list[tf.keras.layers.Layer]:
    return [layer for layer in model.layers if layer.weights]
