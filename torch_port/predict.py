"""``python -m torch_port predict``: probabilities, and maps if asked for, of all images in a folder."""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate
from tqdm import tqdm

from torch_port import evaluate
from torch_port.data import check_options
from torch_port.errors import DataError, InputError, count_of
from torch_port.image_loader import ImageLoader
from torch_port.images import read_image
from torch_port.inference import Predictor, make_predictor
from torch_port.model import Classifier
from torch_port.names import CLASSES
from torch_port.precision import check_precision
from torch_port.prediction_table import append_rows, open_table
from torch_port.results import Results
from torch_port.transforms import input_size, test_augmentations
from torch_port.weights import hash_file, load_checkpoint

SUFFIXES = (".jpg", ".jpeg")
# A row would end at a carriage return, and UTF-8 has no lone surrogates, which stand for bytes that are not UTF-8.
UNWRITABLE = re.compile("[\r\ud800-\udfff]")

NO_ANSWER = "the network's probabilities are no numbers"

Row = tuple[Path, list[float]]  # an image and its probabilities
Faults = dict[Path, str]  # an image and why it cannot be read


def run_predict(options: argparse.Namespace) -> int:
    """Predict the images of a folder that have no row yet, batch by batch; a row is written after its map.

    Returns:
        The exit code: 0, or 1 if images were skipped because they could not be read or predicted.

    Raises:
        InputError: The images, the checkpoint or an option cannot be used, or the rows that are there were made with others.
    """
    device = evaluate.select_device(options.device)
    check_precision(options.precision, device)
    check_options(options.image_scale, options.batch_size, splits=None, seed=0)
    images = find_images(Path(options.folder), with_maps=options.gradcam is not None)
    loaded = load_checkpoint(
        options.checkpoint, options.arch, len(CLASSES), classes=CLASSES, image_scale=options.image_scale
    )  # fmt: skip
    model = evaluate.prepare_model(loaded, device, precision=options.precision)
    out, maps = Path(options.out), None if options.gradcam is None else Results(options.gradcam, "predict", "gradcam")
    with ExitStack() as made:
        present = made.enter_context(open_table(out, collect_settings(options), [path.name for path in images]))
        missing = [path for path in images if path.name not in present]
        if maps is not None:
            maps.refuse_others(name for path in missing for name in name_maps(path))
            made.enter_context(maps.made())
        skipped = predict_missing(options, model, device, missing, maps, len(images))
    beside = f" beside {len(present)} that were there" if present else ""
    wrote = f"wrote {count_of(len(missing) - skipped, 'prediction')} to {out}{beside}"
    print(f"{wrote}; skipped {count_of(skipped, 'image')} that could not be read or predicted")
    return 1 if skipped else 0


def predict_missing(
    options: argparse.Namespace,
    model: Classifier,
    device: torch.device,
    missing: Sequence[Path],
    maps: Results | None,
    total: int,
) -> int:
    """Predict images and add their rows, batch by batch; return how many were skipped.

    Args:
        options: Of the command line.
        model: The network.
        device: Where it is.
        missing: The images.
        maps: Where their maps go; None makes none.
        total: How many images there are, with those that have a row.

    Raises:
        InputError: A row or a map cannot be written.
    """
    files = ImageFiles(missing, options.image_scale)
    loader = ImageLoader(files, batch_size=options.batch_size, num_workers=options.workers, collate_fn=collate)
    skipped = 0
    with tqdm(total=total, initial=total - len(missing), desc="predict", unit="image") as bar:
        for rows, faults in predict_files(make_predictor(model, precision=options.precision), loader, device):
            if maps is not None:
                rows, faults = write_maps(maps, model, rows, faults, input_size(options.image_scale))
            append_rows(Path(options.out), rows)
            for path, fault in faults.items():
                tqdm.write(f"skipped {make_visible(path.name)}: {make_visible(fault)}", file=sys.stderr)
            skipped += len(faults)
            bar.update(len(rows) + len(faults))
    return skipped


def find_images(folder: Path, *, with_maps: bool = False) -> list[Path]:
    """Return the JPEG files of a folder and of the folders in it, sorted; what is hidden is left out.

    Args:
        folder: The folder; symbolic links to other folders are not followed.
        with_maps: Whether there will be files of the images' names with another suffix.

    Raises:
        InputError: A folder cannot be read, there are no images, or rows or maps cannot have their names.
    """
    images = []
    for parent, folders, names in os.walk(folder, onerror=_refuse_folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        images += [Path(parent, name) for name in names if not name.startswith(".") and name.lower().endswith(SUFFIXES)]
    if not images:
        raise InputError.about(
            "images", must=f"be {' or '.join(SUFFIXES)} files", got="none", place=folder, remedy="give another folder"
        )
    images.sort()
    found = defaultdict(list)
    for path in images:
        found[path.stem if with_maps else path.name].append(make_visible(str(path.relative_to(folder))))
    faults = [f"the same name: {', '.join(paths)}" for paths in found.values() if len(paths) > 1]
    faults += [f"not UTF-8, or with a carriage return: {paths[0]}" for name, paths in found.items() if UNWRITABLE.search(name)]
    if faults:
        raise InputError.about(
            "images",
            must=f"have names of their own{', suffix aside, for their maps' if with_maps else ''}, which a CSV file can hold",
            got=count_of(len(faults), "other"),
            place=folder,
            remedy="rename files, or predict the folders one by one",
            faults=faults,
        )
    return images


def collect_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return what all rows of a file have in common."""
    return {
        "images": str(Path(options.folder).resolve()),
        "checkpoint_sha256": hash_file(options.checkpoint),
        "arch": options.arch,
        "image_scale": options.image_scale,
        "precision": options.precision,
        "classes": list(CLASSES),
        "gradcam": options.gradcam and str(Path(options.gradcam).resolve()),
    }


class ImageFiles(Dataset[tuple[Path, "Tensor | str"]]):
    """Files as evaluation reads them: each path with its image (3, H, W), float32, or with why it cannot be read.

    Args:
        paths: The files.
        image_scale: Size of the images as a fraction of 1200 x 1600.
    """

    def __init__(self, paths: Sequence[Path], image_scale: float) -> None:
        self.paths = paths
        self.augment = test_augmentations(image_scale)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Path, Tensor | str]:
        path = self.paths[index]
        try:
            image = self.augment(image=read_image(path))["image"]  # (H, W, 3), float32
        except DataError as error:
            return path, find_reason(error, path)
        return path, torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def collate(items: Sequence[tuple[Path, Tensor | str]]) -> tuple[list[Path], Tensor | None, Faults]:
    """Return the files that can be read, their images (N, 3, H, W) or None, and the other files."""
    images = {path: image for path, image in items if isinstance(image, Tensor)}
    faults = {path: fault for path, fault in items if isinstance(fault, str)}
    return list(images), default_collate(list(images.values())) if images else None, faults


def predict_files(predict: Predictor, loader: DataLoader, device: torch.device) -> Iterator[tuple[list[Row], Faults]]:
    """Yield the rows of each batch, and the files that cannot be read, or that the network has no answer for.

    Args:
        predict: What ``make_predictor`` returns.
        loader: Loads what ``collate`` returns.
        device: Where the model is.
    """
    for paths, images, faults in loader:
        rows = []
        if images is not None:
            probabilities = predict(images.to(device=device, memory_format=torch.channels_last))  # (N, K)
            rows = list(zip(paths, probabilities.tolist(), strict=True))
        unanswered = {path: NO_ANSWER for path, row in rows if not all(map(math.isfinite, row))}
        yield [(path, row) for path, row in rows if path not in unanswered], {**faults, **unanswered}


def write_maps(
    maps: Results, model: Classifier, rows: Sequence[Row], faults: Mapping[Path, str], size: tuple[int, int]
) -> tuple[list[Row], Faults]:
    """Write overlay and raw map of the predicted class of each image, in float32, as ``gradcam`` makes them.

    Returns:
        The rows of images that have a map, and the files that cannot be read: those known, and those gone since.

    Raises:
        InputError: A file cannot be written.
    """
    from torch_port.gradcam import explain_image  # costs what predicting alone need not pay

    mapped, unreadable = [], dict(faults)
    for path, row in rows:
        try:
            explanation = explain_image(model, path, size, pred_index=int(np.argmax(row)))
        except DataError as error:
            unreadable[path] = find_reason(error, path)
            continue
        overlay, arrays = name_maps(path)
        with maps.file(overlay) as overlay_file, maps.file(arrays) as arrays_file:
            evaluate.write_overlay(overlay_file, explanation.overlay)
            evaluate.write_arrays(arrays_file, raw=explanation.raw, predicted=explanation.predicted)
        mapped.append((path, row))
    return mapped, unreadable


def name_maps(path: Path) -> tuple[str, str]:
    """Return the names of an image's overlay and raw map."""
    return f"{path.stem}.png", f"{path.stem}.npz"


def find_reason(error: DataError, path: Path) -> str:
    """Return why an image is refused, without the advice for data sets that the error has."""
    return str(error.__cause__ or str(error).rpartition(f"{path}: ")[2])


def make_visible(text: str) -> str:
    """Return the text with escapes for what cannot be seen: control characters, writing directions, lone surrogates."""
    return "".join(character if character.isprintable() else character.encode("unicode_escape").decode() for character in text)


def _refuse_folder(error: OSError) -> NoReturn:
    raise InputError.about(
        "images", must="be a folder that can be read", got=str(error.strerror), place=make_visible(str(error.filename)),
        remedy="check DIR",
    ) from error  # fmt: skip
