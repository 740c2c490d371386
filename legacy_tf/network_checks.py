"""Which layers a checkpoint describes, and whether they compute what the network of this package computes.

Weights alone do not say it: a `Rescaling` in front of the network has none, and makes it another function. What a file says
of its layers (a configuration in JSON, or their names or classes) is read as data; no layer is built from it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from .errors import CheckpointError

FREE = ("input_layer", "dropout")  # without effect on what the trained network computes
WEIGHTED = ("conv2d", "dense", "batch_normalization")
SETTINGS = (
    "strides",
    "padding",
    "dilation_rate",
    "groups",
    "activation",
    "epsilon",
    "axis",
    "pool_size",
    "keepdims",
    "data_format",
)


@dataclass(frozen=True)
class FileLayer:
    """A layer that a file describes: its class as groups spell it, its name, its configuration; `layers` of a container."""

    kind: str
    name: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    layers: tuple[FileLayer, ...] | None = None

    def leaves(self) -> Iterator[FileLayer]:
        """Yield the layers that are no containers, in their order."""
        if self.layers is None:
            yield self
        for layer in self.layers or ():
            yield from layer.leaves()


def snake_case(class_name: str) -> str:
    """Spell a class as Keras does in file groups: `BatchNormalization` becomes `batch_normalization`."""
    words = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", class_name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def parse_model(text: str | bytes) -> list[FileLayer]:
    """Return the layers that a model's configuration in JSON lists.

    Raises:
        CheckpointError: It lists none.
    """
    described = json.loads(text)
    layers = _parse_layer(described).layers
    if layers is None:
        raise CheckpointError(
            f"`checkpoint` must describe a model of layers (Functional or Sequential), got one of class "
            f"{described['class_name']} in its configuration; save its weights alone, from the legacy network"
        )
    return list(layers)


def _parse_layer(described: dict[str, Any]) -> FileLayer:
    config = described["config"]
    below = tuple(_parse_layer(layer) for layer in config["layers"]) if "layers" in config else None
    return FileLayer(snake_case(described["class_name"]), config.get("name", ""), config, below)


def list_network_faults(layers: Sequence[FileLayer], model: tf.keras.Model) -> list[str]:
    """Return a line for each way in which a file's layers compute something else than the model.

    Args:
        layers: What the file says, from nothing at all to whole configurations.
        model: A `resnet_model`.
    """
    known = parse_model(model.to_json())
    by_name, by_kind = {layer.name: layer for layer in known}, {layer.kind: layer for layer in known}
    expected = Counter(layer.kind for layer in known if layer.kind not in FREE)
    counts: Counter[str] = Counter()
    configured = bool(layers) and all(layer.settings for layer in layers)
    faults = []
    for layer in layers:
        kind = layer.kind or _kind_of_name(layer.name, by_name)
        if kind in FREE or (not layer.kind and kind in WEIGHTED):
            continue
        if kind not in expected:
            faults.append(
                f"{layer.name or kind}: no layer of the legacy network, which would compute something else without it"
            )
            continue
        counts[kind] += 1
        wanted = by_name.get(layer.name, by_kind[kind]).settings
        for key in SETTINGS:
            if key in wanted and key in layer.settings and _plain(key, layer.settings[key]) != _plain(key, wanted[key]):
                faults.append(f"{layer.name}: {key} {layer.settings[key]!r} instead of {wanted[key]!r}")
    if configured:
        wrong = {kind: number for kind, number in expected.items() if counts[kind] != number}
        faults += [f"{kind}: {counts[kind]} layers instead of {number}" for kind, number in wrong.items()]
        order = [[layer.name for layer in some if layer.kind in WEIGHTED] for some in (layers, known)]
        if sorted(order[0]) == sorted(order[1]) and order[0] != order[1]:
            faults.append("layers: in another order than in the legacy network")
    else:
        wrong = {kind: expected[kind] for kind in counts if kind not in WEIGHTED and counts[kind] > expected[kind]}
        faults += [f"{kind}: {counts[kind]} layers instead of at most {number}" for kind, number in wrong.items()]
    return faults


def _plain(key: str, value: Any) -> Any:
    """Return a setting as all releases and formats would write it."""
    if isinstance(value, dict) and value.get("class_name") == "__tuple__":  # in a SavedModel
        value = [_plain("", item) for item in value["items"]]
    if key == "axis":
        axis = value[0] if isinstance(value, list) and len(value) == 1 else value
        return 3 if axis == -1 else axis
    if key in ("strides", "dilation_rate", "pool_size") and isinstance(value, int):
        return [value, value]
    return value


def _kind_of_name(name: str, known: dict[str, FileLayer]) -> str:
    """Return the class of a layer of which only the name is known: the network's own, or a name that Keras makes of a class."""
    made = re.sub(r"_\d+$", "", name)
    return known[name].kind if name in known else {"input": "input_layer", "dpout": "dropout"}.get(made, made)
