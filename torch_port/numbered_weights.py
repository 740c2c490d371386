"""The layout of ``.keras`` and ``.weights.h5`` files, which number the layers of a class: ``layers/conv2d_7/vars/0``.

A tensor is named by its place: the numbers count through the layers of a class in their order. Keras 2.13 counts every other
number. A model that is a layer of another is a group with layers of its own: ``layers/functional/layers/conv2d_7/vars/0``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from torch_port.errors import WeightsError
from torch_port.network_checks import NUMBERED_TENSORS, FileLayer
from torch_port.weight_table import LAYERS

# Group that holds the numbered layers: Keras 2.13 and later, and before.
NUMBERED_ROOTS = ("layers", "_layer_checkpoint_dependencies")
_BELOW = re.compile(rf"/(?:{'|'.join(NUMBERED_ROOTS)})/")


def normalise(place: str) -> str:
    """Return a place as all releases but those before 2.13 would write it."""
    return _BELOW.sub("/layers/", place)


def name_groups(groups: Sequence[str], layers: Sequence[FileLayer] | None) -> dict[str, str]:
    """Return the layer name of each numbered group.

    Args:
        groups: Every group of layers in the file, below the root and normalised.
        layers: The layers of the model, if the file has its configuration; else they are taken to be the legacy's.

    Raises:
        WeightsError: The numbers or the nesting leave open which layer is meant.
    """
    return dict(_pair_configured("", groups, layers) if layers is not None else _pair_known(groups))


def list_kinds(groups: Sequence[str]) -> list[FileLayer]:
    """Return the layers that groups stand for, by their class alone."""
    return [FileLayer(kind=find_kind(group)) for group in groups if not _is_container(group, groups)]


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
            raise WeightsError.about(
                "checkpoint",
                must="number the layers of a class without a gap",
                got=f"no {kind}_{gap}" if gap else f"no {kind}",
                place=prefix or "its layers",
                remedy="save it again with Keras",
            )
    return {kind: [group for _, group in sorted(found)] for kind, found in numbered.items()}


def _pair_configured(prefix: str, groups: Sequence[str], layers: Sequence[FileLayer]) -> Iterator[tuple[str, str]]:
    ranks = {kind: iter(found) for kind, found in _rank(prefix, groups).items()}
    for layer in layers:
        group = next(ranks.get(layer.kind, iter(())), None)
        if group is not None and layer.layers is not None:
            yield from _pair_configured(f"{group}/layers/", groups, layer.layers)
        elif group is not None and layer.kind in NUMBERED_TENSORS:
            yield group, layer.name


def _pair_known(groups: Sequence[str]) -> Iterator[tuple[str, str]]:
    for kind in NUMBERED_TENSORS:
        homes = {group.rpartition("/")[0] for group in groups if find_kind(group) == kind}
        if len(homes) > 1:
            raise WeightsError.about(
                "checkpoint",
                must=f"hold all {kind} layers in one model, or the configuration that says their order",
                got=f"{len(homes)} models with such layers",
                place=", ".join(sorted(home or "the outer model" for home in homes)),
                remedy="save the whole model as .keras",
            )
        names = [name for name, _, known in LAYERS if known.keras == kind]
        for home in homes:
            yield from zip(_rank(f"{home}/" if home else "", groups).get(kind, []), names, strict=False)
