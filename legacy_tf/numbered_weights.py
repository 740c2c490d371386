"""The layout of `.keras` and `.weights.h5` files, which number the layers of a class: `layers/conv2d_7/vars/0`.

A tensor is named by its place: the numbers count through the layers of a class in their order. Keras 2.13 counts every other
number. A model that is a layer of another is a group with layers of its own: `layers/functional/layers/conv2d_7/vars/0`.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import tensorflow as tf
from keras.src.saving import saving_lib

from .errors import CheckpointError
from .network_checks import WEIGHTED, FileLayer

# Group that holds the numbered layers: Keras 2.13 and later, and before.
NUMBERED_ROOTS = ("layers", "_layer_checkpoint_dependencies")
_BELOW = re.compile(rf"/(?:{'|'.join(NUMBERED_ROOTS)})/")


def normalise(place: str) -> str:
    """Return a place as all releases but those before 2.13 would write it."""
    return _BELOW.sub("/layers/", place)


def name_groups(groups: Sequence[str], layers: Sequence[FileLayer] | None, known: Sequence[FileLayer]) -> dict[str, str]:
    """Return the layer name of each numbered group.

    Args:
        groups: Every group of layers in the file, below the root and normalised.
        layers: The layers of the model, if the file has its configuration.
        known: The layers of the network, which it is taken to be if there is no configuration.

    Raises:
        CheckpointError: The numbers or the nesting leave open which layer is meant.
    """
    return dict(_pair_configured("", groups, layers) if layers is not None else _pair_known(groups, known))


def list_kinds(groups: Sequence[str]) -> list[FileLayer]:
    """Return the layers that groups stand for, by their class alone."""
    return [FileLayer(find_kind(group)) for group in groups if not _is_container(group, groups)]


def find_kind(group: str) -> str:
    """Return the class that a group is of."""
    return _split(group)[0]


def _split(group: str) -> tuple[str, int]:
    kind, number = re.fullmatch(r"(.*?)(?:_(\d+))?", group.rpartition("/")[2]).groups()
    return kind, int(number or 0)


def _is_container(group: str, groups: Sequence[str]) -> bool:
    return any(other.startswith(f"{group}/layers/") for other in groups)


def _rank(prefix: str, groups: Sequence[str]) -> dict[str, list[str]]:
    """Return the groups directly below a prefix by class, in the order of their numbers."""
    numbered: dict[str, list[tuple[int, str]]] = {}
    for group in groups:
        if group.startswith(prefix) and "/" not in group.removeprefix(prefix):
            kind, number = _split(group)
            numbered.setdefault(kind, []).append((number, group))
    for kind, found in numbered.items():
        numbers = sorted(number for number, _ in found)
        if numbers not in ([*range(len(numbers))], [*range(0, 2 * len(numbers), 2)]):
            gap = next(place for place, number in enumerate(numbers) if number != place)
            raise CheckpointError(
                f"`checkpoint` must number the layers of a class without a gap, got no "
                f"{kind}{f'_{gap}' if gap else ''} in {prefix or 'its layers'}; save it again with Keras"
            )
    return {kind: [group for _, group in sorted(found)] for kind, found in numbered.items()}


def _pair_configured(prefix: str, groups: Sequence[str], layers: Sequence[FileLayer]) -> Iterator[tuple[str, str]]:
    ranks = {kind: iter(found) for kind, found in _rank(prefix, groups).items()}
    for layer in layers:
        group = next(ranks.get(layer.kind, iter(())), None)
        if group is not None and layer.layers is not None:
            yield from _pair_configured(f"{group}/layers/", groups, layer.layers)
        elif group is not None and layer.kind in WEIGHTED:
            yield group, layer.name


def _pair_known(groups: Sequence[str], known: Sequence[FileLayer]) -> Iterator[tuple[str, str]]:
    for kind in WEIGHTED:
        homes = {group.rpartition("/")[0] for group in groups if find_kind(group) == kind}
        if len(homes) > 1:
            places = ", ".join(sorted(home or "the outer model" for home in homes))
            raise CheckpointError(
                f"`checkpoint` must hold all {kind} layers in one model, or the configuration that says their order, "
                f"got {len(homes)} models with such layers in {places}; save the whole model as .keras"
            )
        names = [layer.name for layer in known if layer.kind == kind]
        for home in homes:
            yield from zip(_rank(f"{home}/" if home else "", groups).get(kind, []), names, strict=False)


def load_numbered(
    model: tf.keras.Model, groups: Sequence[str], stored: Mapping[tuple[str, str], np.ndarray], names: Mapping[str, str]
) -> None:
    """Let Keras load tensors by their places into a model's layers, which stand in models of the file's structure.

    Args:
        model: The model whose layers are loaded, those of a class in its own order.
        groups: Every group of layers in the file.
        stored: Tensors by group and number in the group.
        names: Layer name of each group.
    """
    spelled = dict(_renumber("", "", groups))
    order = {layer.name: place for place, layer in enumerate(model.layers)}

    def stand_in(prefix: str, kind: str) -> tf.keras.layers.Layer:
        made = type(kind.title().replace("_", ""), (tf.keras.layers.Layer,), {})()
        here = [group for found in _rank(prefix, groups).values() for group in found]
        leaves = sorted((names[group] for group in here if group in names), key=order.__getitem__)
        models = [stand_in(f"{group}/layers/", find_kind(group)) for group in here if _is_container(group, groups)]
        made.layers = [*map(model.get_layer, leaves), *models]
        return made

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stored.weights.h5")
        with h5py.File(path, "w") as file:
            file.create_group("vars")  # of the model itself
            for (group, index), array in stored.items():
                file[f"layers/{spelled[group]}/vars/{index}"] = array
        saving_lib.load_weights_only(stand_in("", "model"), str(path))


def _renumber(prefix: str, target: str, groups: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each group and how Keras 2.15 spells it, which counts every number."""
    for kind, found in _rank(prefix, groups).items():
        for place, group in enumerate(found):
            spelled = f"{target}{kind}_{place}" if place else f"{target}{kind}"
            yield group, spelled
            yield from _renumber(f"{group}/layers/", f"{spelled}/layers/", groups)
