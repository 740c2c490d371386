"""What both `train` commands are given, and what both recorders and the comparison agree on.

The data set is the gate's own, so that every option can be another than its default. Training images are dark, medium and
bright, one level for each class. The validation images show the levels of other classes: the better a network learns, the
worse it validates, and so the best epoch of a training is its first.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity.architecture import tensors
from parity.artefact import hash_array
from parity.command_line import Main, run_command
from parity.contract import CLASSES, IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX, SPLITS
from parity.errors import CommandFailed

GATE = "commands"
FITS = ("train", "val")
TESTED = ("val", "test")
DATA, SPLIT, WEIGHTS = "data", "split.csv", "backbone.h5"
# Options that both commands have; none is at its default.
OPTIONS: Mapping[str, Any] = {
    "resolution": "40x", "images": 10, "image_scale": 0.03, "batch_size": 4,
    "epochs": 2, "patience": 7, "patience_lr": 3, "learning_rate": 1e-3, "seed": 5,
}  # fmt: skip
# What the port writes down of its options, in ``training.json``.
SETTINGS: Mapping[str, str] = {
    **{name: str(value) for name, value in OPTIONS.items() if name != "epochs"},
    **{"data": DATA, "split": SPLIT, "weights": WEIGHTS, "class_weights": "balanced"},
}
DATA_OPTIONS = ("resolution", "images", "image_scale", "batch_size")  # `evaluate` has them, too
OTHER_RESOLUTION = "20x"
COUNTS: Mapping[str, tuple[int, ...]] = {"train": (6, 3, 2), "val": (1, 2, 3), "test": (2, 2, 1)}  # images of each class
LEVELS = (80, 140, 200)
HEAD = ("prev_dense/", "last_dense/")
FILE, MEMORY = "file", "memory"
# What belongs to what: the files of either command. A folder counts as one.
SHARED_FILES = ("history.json", "curves.png", "predictions.csv", "metrics.json")
FILES: Mapping[str, tuple[str, ...]] = {
    "legacy": (
        *SHARED_FILES, "best_weights.index", "best_weights.data-00000-of-00001", "checkpoint", ".legacy_tf-train.sha256",
    ),
    "port": (
        *SHARED_FILES, "best_weights.safetensors", "last.ckpt", "training.json", "csv", "tensorboard", "confusion_matrix.png",
        "classification_report.txt", ".torch_port-train.sha256",
    ),
}  # fmt: skip
CALLBACKS: Mapping[str, tuple[str, ...]] = {
    "early_stopping": ("monitor", "patience"),
    "plateau": ("monitor", "patience", "factor", "min_delta", "min_lr"),
    "best_weights": ("monitor",),
}
# What reaches `fit`, besides images and weights.
FIT = (
    "image", "batches/train", "batches/val", "epochs", "optimizer", "learning_rate",
    *(f"{callback}/{name}" for callback, names in CALLBACKS.items() for name in names),
)  # fmt: skip
TENSORS = {tensor.legacy: tensor for tensor in tensors(len(CLASSES))}
BACKBONE = tuple(name for name in TENSORS if not name.startswith(HEAD))
HEAD_TENSORS = {name: tensor for name, tensor in TENSORS.items() if name.startswith(HEAD)}
TRAINED = tuple(name for name in TENSORS if not name.rpartition("/")[2].startswith("moving_"))


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image of the gate's data set.

    Attributes:
        number: Its place in ``data.csv``, and its id.
        turn: How many images of its class and split come before it in that order.
    """

    split: str
    label: int
    resolution: str
    number: int
    turn: int = 0

    @property
    def folder(self) -> str:
        name = CLASSES[self.label]
        return name if name == "nor" else f"{name}_bd"

    @property
    def name(self) -> str:
        return f"{self.folder}_{self.resolution}_{self.number}.jpg"

    @property
    def patient(self) -> str:
        return f"{self.split}-{CLASSES[self.label]}"

    @property
    def level(self) -> int:
        """Mean level; images of the validation show that of the next class."""
        return LEVELS[(self.label + (self.split == "val")) % len(LEVELS)]


def list_images(resolution: str) -> list[Image]:
    """Return the images of a resolution in the order of ``data.csv``, which mixes splits and classes."""
    of_one = resolution == OPTIONS["resolution"]
    kinds = [(split, label, count if of_one else 1) for split, counts in COUNTS.items() for label, count in enumerate(counts)]
    total = sum(count for *_, count in kinds)
    places = iter(5 * place % total for place in range(total))  # 5 divides neither number
    unordered = [(next(places), split, label) for split, label, count in kinds for _ in range(count)]
    found: list[Image] = []
    for number, split, label in sorted(unordered):
        turn = sum((image.split, image.label) == (split, label) for image in found)
        found.append(Image(split=split, label=label, resolution=resolution, number=number, turn=turn))
    return found


def kept_images(split: str) -> dict[str, int]:
    """Return label by file name of what ``--images`` leaves of a split, in order: it goes round the classes."""
    of_split = [image for image in list_images(OPTIONS["resolution"]) if image.split == split]
    taken = sorted(of_split, key=lambda image: (image.turn, image.label))[: OPTIONS["images"]]
    return {image.name: image.label for image in sorted(taken, key=lambda image: image.number)}


KEPT = {split: kept_images(split) for split in SPLITS}
ANSWERED = tuple(name for split in TESTED for name in KEPT[split])


def command_words(command: str, folder: Path, out: Path, device: str, names: Sequence[str], **more: Any) -> list[str]:
    """Return the words of a command.

    Args:
        command: ``train`` or ``evaluate``.
        folder: Of the gate's fixtures.
        out: Folder for the results.
        device: Where to compute.
        names: Options of `OPTIONS`.
        more: Further ones.
    """
    given = {name: OPTIONS[name] for name in names} | {"split": folder / SPLIT, "device": device, **more}
    words = [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    return [command, "--data", str(folder / DATA), "--out", str(out), *words]


def train_words(folder: Path, out: Path, device: str, **more: Any) -> list[str]:
    """Return the words of `train`."""
    return command_words("train", folder, out, device, tuple(OPTIONS), weights=folder / WEIGHTS, **more)


def call(main: Main, words: list[str]) -> str:
    """Run a command; return nothing, or what it said when it refused.

    Raises:
        BadInputError: The disk is full, or the like: no finding about a side.
        RuntimeError: There was too little memory.
        KeyboardInterrupt: It was interrupted.
    """
    try:
        run_command(main, words)
    except CommandFailed as error:
        return str(error)
    return ""


def digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Return one hash over arrays by name; torch's counters of batches do not count."""
    hashes = {name: hash_array(arrays[name]) for name in sorted(arrays) if not name.endswith("num_batches_tracked")}
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()


def read_outcome(folder: Path) -> dict[str, Any]:
    """Return what a command has left: the sizes of its files, history, predictions and figures; of what is absent nothing."""
    sizes = {path.name: sum(map(_size, (path, *path.rglob("*")))) for path in folder.iterdir()}
    found: dict[str, Any] = {"files": sizes}
    for name in ("history", "metrics"):
        if f"{name}.json" in sizes:
            found[name] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    if "predictions.csv" in sizes:
        with (folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        found["answers"] = {"columns": header, "images": [row[0] for row in rows], "rows": [[*map(float, r[1:])] for r in rows]}
    return found


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


IMAGE_SHAPE = [int(IMAGE_HEIGHT_PX * OPTIONS["image_scale"]), int(OPTIONS["image_scale"] * IMAGE_WIDTH_PX), 3]
