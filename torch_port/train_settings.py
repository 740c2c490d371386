"""The settings of a training, in ``training.json``: with them it can be resumed, and with its seed repeated."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only
from torch.utils.data import DataLoader

from torch_port import evaluate
from torch_port.errors import InputError
from torch_port.image_cache import FOLDER
from torch_port.results import Results
from torch_port.training import BEST_WEIGHTS, CSV_LOGS, HISTORY, LAST_CHECKPOINT, TENSORBOARD_LOGS
from torch_port.whole_files import write_whole

SETTINGS = "training.json"
# What a training that is resumed must have in common with its beginning.
FIXED_SETTINGS = (
    "data", "arch", "resolution", "split", "image_scale", "images", "batch_size", "epoch_order", "weights", "class_weights",
    "learning_rate", "patience", "patience_lr", "precision", "augment_on", "seed",
)  # fmt: skip
SEED_LIMIT = 1 << 31
# What a training writes while it lasts, and at its end.
BEGUN = (BEST_WEIGHTS, HISTORY, LAST_CHECKPOINT, SETTINGS, CSV_LOGS, TENSORBOARD_LOGS, FOLDER)
OUTCOME = ("curves.png", *evaluate.FILES, "confusion_matrix.png", "classification_report.txt")


def settle_seed(folder: Path, options: argparse.Namespace) -> int:
    """Return the training's seed: the given one, that of the training to resume, or a new one; fill it into ``options``.

    Raises:
        InputError: The folder holds a training that is not to be resumed, one with other settings, or none to resume.
    """
    path = folder / SETTINGS
    options.data = str(Path(options.data).resolve())
    begun = _read_settings(path) if path.is_file() or (folder / LAST_CHECKPOINT).is_file() else None
    if options.seed is None:
        if begun is None and (options.num_nodes > 1 or not is_first_process()):
            raise refuse("seed", "be given where processes are not started from here", "none", "--seed", "choose a number")
        options.seed = secrets.randbelow(SEED_LIMIT) if begun is None else begun["seed"]
    if begun is None:
        if options.resume and is_first_process():
            remedy = "leave --resume out to begin one, or give the folder of the training"
            raise refuse("--out", "be the folder of a training, to go on with it", "no training", folder, remedy)
        return options.seed
    # Lightning starts the command again for each further process: those find the settings of the first.
    if not options.resume and is_first_process():
        raise refuse("--out", "be a folder without a training", "one", path, "use --resume to go on, or choose another --out")
    different = next((name for name in FIXED_SETTINGS if begun.get(name) != getattr(options, name)), None)
    if different is not None:
        option = "--" + different.replace("_", "-")
        got, expected = getattr(options, different), begun.get(different)
        raise refuse(
            option, f"be {expected!r} as when this training was begun", repr(got), path,
            "give the same options again, or choose another --out",
        )  # fmt: skip
    return options.seed


def hash_images(loaders: Mapping[str, DataLoader]) -> str:
    """Return a hash of what the splits hold: file, size in bytes and label of each image, in order."""
    lines = [
        f"{split}\t{path}\t{Path(path).stat().st_size}\t{label}"
        for split, loader in loaders.items()
        for path, label in zip(loader.dataset.images, loader.dataset.labels, strict=True)
    ]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


@contextmanager
def recorded_settings(folder: Path, options: argparse.Namespace, images_sha256: str) -> Iterator[None]:
    """Keep what a resumed training must have in common with its beginning, unless it is refused before its first epoch ends.

    Raises:
        InputError: The splits no longer hold what they held when the training was begun.
    """
    path = folder / SETTINGS
    is_new = not path.is_file()
    if not is_new:
        begun = _read_settings(path).get("images_sha256", images_sha256)
        if begun != images_sha256:
            raise refuse(
                "images", "be those with which this training was begun, in the same splits", "others", path,
                "restore data.csv, images and --split, or choose another --out",
            )  # fmt: skip
    elif is_first_process():
        settings = {name: getattr(options, name) for name in FIXED_SETTINGS} | {"images_sha256": images_sha256}
        write_whole(path, json.dumps(settings, indent=2) + "\n")
    try:
        yield
    except InputError:
        if is_first_process() and not (folder / LAST_CHECKPOINT).is_file():
            path.unlink()
            if is_new:
                _remove_begun(folder)
        raise


def refuse_others(results: Results, *, resume: bool) -> None:
    """Refuse a folder with files of the names that a training writes, unless it has made them. Nothing is changed.

    Raises:
        InputError: It is such a folder, or cannot be written.
    """
    results.refuse_others(OUTCOME)
    if not resume:  # the settings and the state of a training say that what else there is is of that training
        results.refuse_others(BEGUN)


def _remove_begun(folder: Path) -> None:
    """Remove what a new training has left that is refused in its first epoch: none of it was there before."""
    for name in BEGUN:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def is_first_process() -> bool:
    """Whether this process is the one that writes, also before Lightning has started the others."""
    return rank_zero_only.rank == 0 and os.environ.get("NODE_RANK", "0") == "0"


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        settings["seed"].bit_length()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise refuse("settings", "be a file that a training wrote", error, path, "choose another --out") from error
    return settings


def refuse(subject: str, must: str, got: object, place: object, remedy: str) -> InputError:
    """Return the error that says so."""
    return InputError.about(subject, must=must, got=str(got), place=place, remedy=remedy)
