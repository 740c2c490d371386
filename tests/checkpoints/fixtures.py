"""Files of real releases, unpacked for a test, and damaged as a reader must notice: for the tests of both sides."""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from tests.checkpoints.known import known_tensor

FILES = Path(__file__).with_name("files")
ANOTHER_FUNCTION = "rescaling: no layer of the legacy network"
# What both sides read.
READ = (
    "tf2.13-flat-model.keras",
    "tf2.13-both-nested-x.weights.h5",
    "tf2.15-nested-model.keras",
    "tf2.15-both-nested-x.weights.h5",
    "tf2.15-sequential-model.h5",
    "keras3.0.5-flat-model.h5",
    "keras3.12-flat-x.weights.h5",
)
# Of each layout one: in these a tensor is lost, added, or two layers change places.
DAMAGED = (
    "tf2.13-both-nested-x.weights.h5",
    "tf2.15-nested-model.keras",
    "keras3.0.5-flat-model.h5",
    "keras3.12-flat-x.weights.h5",
)
# What `legacy_tf export` reads, and the port sends there.
EXPORTED = ("tf2.8-mirrored-tf-weights", "tf2.10-flat-train-checkpoint")
# What both sides refuse -> the reason that both give.
REFUSED = {
    "keras3.12-bfloat16-x.weights.h5": "bfloat16.*, which is not read; save the model in float32",
    "tf2.15-rescaled-model.keras": ANOTHER_FUNCTION,
    "tf2.15-rescaled-x.weights.h5": ANOTHER_FUNCTION,
    "tf2.15-rescaled-weights.h5": ANOTHER_FUNCTION,
}
SWAPPED = ("conv2_block1_2_conv/kernel", "conv2_block2_2_conv/kernel")  # of one shape, the third and the seventh convolution


def unpack(name: str, folder: Path) -> Path:
    """Unpack a file into a new folder, whose name is one that some take for a pattern; the test deletes it."""
    inside = folder / "a [new] folder"
    with tarfile.open(FILES / f"{name}.tar.xz") as archive:
        archive.extractall(inside, filter="data")
        (top,) = {member.name.partition("/")[0] for member in archive.getmembers()}
    return inside / top


def expected(name: str, shape: tuple[int, ...], *, swapped: bool = False) -> np.ndarray:
    """Return what a tensor of every fixture is; two tensors are the other one in a file in which they are swapped."""
    if swapped and name in SWAPPED:
        name = SWAPPED[1 - SWAPPED.index(name)]
    return known_tensor(name, shape)


def change(path: Path, edit: Callable[[h5py.Group], None]) -> None:
    """Edit the weights of an .h5 or .keras file in its place."""
    if not zipfile.is_zipfile(path):
        with h5py.File(path, "r+") as file:
            edit(file)
        return
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    content = io.BytesIO(members["model.weights.h5"])
    with h5py.File(content, "r+") as file:
        edit(file)
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in (members | {"model.weights.h5": content.getvalue()}).items():
            archive.writestr(name, member)


def _kernel(file: h5py.Group, layer: str, number: int) -> str:
    """Return the place of a convolution's kernel: by its layer's name, or by its number among the convolutions."""
    places: list[str] = []
    file.visit(places.append)
    named = re.compile(rf"(?!optimizer).*\b{layer}/kernel(:0)?")
    matches = filter(None, (re.fullmatch(r"(?!optimizer).*conv2d(?:_(\d+))?/vars/0", place) for place in places))
    counted = {int(found[1] or 0): found[0] for found in matches}
    if not counted:
        return next(place for place in places if named.fullmatch(place))
    return [counted[key] for key in sorted(counted)][number]


def lose_a_tensor(file: h5py.Group) -> None:
    """Remove a kernel of two that have one shape."""
    del file[_kernel(file, "conv2_block2_2_conv", 6)]


def add_a_tensor(file: h5py.Group) -> None:
    """Put a second kernel beside one."""
    place = _kernel(file, "conv2_block2_2_conv", 6)
    beside = f"{place.rpartition('/')[0]}/{'1' if place.endswith('/0') else 'kernel_1:0'}"
    file[beside] = file[place][()]


def swap_two_layers(file: h5py.Group) -> None:
    """Let two layers of one shape change places, with all that is said of them."""
    two = (("conv2_block1_2_conv", 2), ("conv2_block2_2_conv", 6))
    groups = [_kernel(file, layer, number).rpartition("/")[0] for layer, number in two]
    file.move(groups[0], "away")
    file.move(groups[1], groups[0])
    file.move("away", groups[1])
