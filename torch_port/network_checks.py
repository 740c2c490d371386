"""Which layers a legacy checkpoint describes, and whether they compute what the legacy network computes.

Weights alone do not say it: a ``Rescaling`` in front of the network has none, and makes it another function. What a file says
of its layers (a configuration in JSON, or their names or classes) is read as data; no layer is built from it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch_port.weight_table import BATCH_NORM, BLOCKS_OF_STAGE, CONV, DENSE, LAYERS

# Class of a Keras layer, as file groups spell it -> its tensors in the order in which the file numbers them.
NUMBERED_TENSORS = {kind.keras: tuple(kind.tensors) for kind in (CONV, DENSE, BATCH_NORM)}
FREE = ("input_layer", "dropout")  # without effect on what the trained network computes

_PLAIN = {"strides": [1, 1], "padding": "valid", "dilation_rate": [1, 1], "groups": 1, "activation": "linear"}
_SETTINGS: dict[str, dict[str, Any]] = {
    "conv2d": {**_PLAIN, "data_format": "channels_last"},
    "dense": {"activation": "relu"},
    "batch_normalization": {"epsilon": 1.001e-5, "axis": 3},
    "activation": {"activation": "relu"},
    "add": {},
    "zero_padding2d": {"padding": [[1, 1], [1, 1]], "data_format": "channels_last"},
    "max_pooling2d": {"pool_size": [1, 1], "strides": [2, 2], "padding": "valid", "data_format": "channels_last"},
    "global_average_pooling2d": {"keepdims": False, "data_format": "channels_last"},
}
_HALVING = tuple(f"{stage}_block{BLOCKS_OF_STAGE[stage]}" for stage in ("conv2", "conv3", "conv4"))
# Layers whose settings are not those of their class.
_SPECIAL = {
    "conv1_pad": {"padding": [[3, 3], [3, 3]]},
    "conv1_conv": {"strides": [2, 2]},
    "pool1_pool": {"pool_size": [3, 3]},
    "last_dense": {"activation": "softmax"},
    **{f"{block}_2_conv": {"strides": [2, 2]} for block in _HALVING},
}


@dataclass(frozen=True, kw_only=True)
class FileLayer:
    """A layer that a file describes.

    Attributes:
        kind: Its class as file groups spell it; empty if only its name is known.
        name: Its name; empty if only its class is known.
        settings: Its configuration, as far as the file has it.
        layers: The layers of a container.
    """

    kind: str
    name: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    layers: tuple[FileLayer, ...] | None = None

    def leaves(self) -> Iterator[FileLayer]:
        """Yield the layers that are no containers, in their order."""
        if self.layers is None:
            yield self
        for layer in self.layers or ():
            yield from layer.leaves()


def snake_case(class_name: str) -> str:
    """Spell a class as Keras does in file groups: ``BatchNormalization`` becomes ``batch_normalization``."""
    words = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", class_name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def parse_layer(described: Mapping[str, Any]) -> FileLayer:
    """Return a layer, with all layers below it, of a configuration in JSON."""
    config = described["config"]
    below = tuple(parse_layer(layer) for layer in config["layers"]) if "layers" in config else None
    return FileLayer(kind=snake_case(described["class_name"]), name=config.get("name", ""), settings=config, layers=below)


def list_network_faults(layers: Sequence[FileLayer]) -> list[str]:
    """Return a line for each way in which a file's layers compute something else than the legacy network.

    Args:
        layers: What the file says, from nothing at all to whole configurations.
    """
    faults = []
    weighted = {name: kind.keras for name, _, kind in LAYERS}
    counts: Counter[str] = Counter()
    expected = _weightless()
    configured = bool(layers) and all(layer.settings for layer in layers)
    for layer in layers:
        kind = layer.kind or _kind_of_name(layer.name, expected)
        shown = layer.name or kind
        if kind in FREE or (not layer.kind and layer.name in weighted):
            continue
        if kind not in _SETTINGS:
            faults.append(f"{shown}: no layer of the legacy network, which would compute something else without it")
            continue
        faults += _setting_faults(layer, kind, shown)
        counts[kind] += 1
    if configured:
        names = Counter(expected.values()) + Counter(weighted.values())
        faults += [
            f"{kind}: {counts[kind]} layers instead of {number}" for kind, number in names.items() if counts[kind] != number
        ]
        order = [layer.name for layer in layers if layer.kind in NUMBERED_TENSORS]
        if sorted(order) == sorted(weighted) and order != list(weighted):
            faults.append("layers: in another order than in the legacy network")
    else:
        faults += [
            f"{kind}: {counts[kind]} layers instead of at most {number}"
            for kind, number in Counter(expected.values()).items()
            if counts[kind] > number
        ]
    return faults


def _setting_faults(layer: FileLayer, kind: str, shown: str) -> Iterator[str]:
    expected = {**_SETTINGS[kind], **_SPECIAL.get(layer.name, {})}
    for key, value in expected.items():
        if key in layer.settings and (found := _plain(key, layer.settings[key])) != value:
            yield f"{shown}: {key} {found!r} instead of {value!r}"


def _plain(key: str, value: Any) -> Any:
    """Return a setting as all releases would write it."""
    if key == "axis":
        axis = value[0] if isinstance(value, list) and len(value) == 1 else value
        return 3 if axis == -1 else axis
    if key in ("strides", "dilation_rate", "pool_size") and isinstance(value, int):
        return [value, value]
    return value


def _weightless() -> dict[str, str]:
    """Return the layers without weights that the network cannot do without: name -> kind."""
    found = {"conv1_pad": "zero_padding2d", "pool1_pad": "zero_padding2d", "pool1_pool": "max_pooling2d"}
    for stage, blocks in BLOCKS_OF_STAGE.items():
        for number in range(1, blocks + 1):
            block = f"{stage}_block{number}"
            found |= {f"{block}_{part}_relu": "activation" for part in ("preact", "1", "2")}
            found |= {f"{block}_2_pad": "zero_padding2d", f"{block}_out": "add"}
            if block in _HALVING:
                found[f"max_pooling2d{block}"] = "max_pooling2d"
    return {**found, "post_relu": "activation", "avg_pool": "global_average_pooling2d"}


def _kind_of_name(name: str, weightless: Mapping[str, str]) -> str:
    """Return the class of a layer of which only the name is known: the legacy's own, or a name that Keras makes of a class."""
    if name in weightless:
        return weightless[name]
    made = re.sub(r"_\d+$", "", name)
    return {"input": "input_layer", "dpout": "dropout"}.get(made, made)
