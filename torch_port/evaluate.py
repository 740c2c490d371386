"""Predict the images of a data set and report the legacy's test figures."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from torch_port.errors import InputError, count_of
from torch_port.model import Classifier
from torch_port.precision import TF32, check_precision, set_tf32
from torch_port.quirks import DEFAULT, Quirks
from torch_port.results import Results

FILES = PREDICTIONS, METRICS = "predictions.csv", "metrics.json"
RAW_MAPS = "raw_maps.npz"


def select_device(name: str | None) -> torch.device:
    """Return the device of that name; None takes the GPU if there is one.

    Raises:
        InputError: A GPU is asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError.about(
            "device",
            must="be one that this machine has",
            got="'cuda' without a usable GPU",
            place="--device",
            remedy="use cpu",
        )
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def prepare_model(model: Classifier, device: torch.device, *, precision: str = "32-true") -> Classifier:
    """Put a model into its shipped settings: evaluation mode, channels last in memory, full float32 products.

    Channels last is faster and changes results by no more than a change of batch size or threads does. TF32,
    which is the default of convolutions on NVIDIA GPUs, would change them a thousand times more: it is asked for
    with ``tf32``.

    Raises:
        InputError: TF32 is asked for on a device that has none.
    """
    check_precision(precision, device)
    set_tf32(precision == TF32)
    return model.to(device=device, memory_format=torch.channels_last).eval()


def predict_batches(model: Classifier, loader: DataLoader, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield probabilities (N, K) and one-hot labels (N, K) of each batch, on the CPU."""
    for images, labels in loader:
        with torch.inference_mode():
            images = images.to(device=device, memory_format=torch.channels_last)
            yield model.probabilities(images).cpu(), labels


def evaluate(
    model: Classifier,
    loaders: Mapping[str, DataLoader],
    device: torch.device,
    *,
    quirks: Quirks = DEFAULT,
) -> tuple[dict[str, Tensor], dict[str, dict[str, Any]]]:
    """Predict every split and compute its figures.

    Args:
        model: A classifier of ``prepare_model``.
        loaders: Loaders by split; their order is kept.
        device: Where the model is.
        quirks: Switches.

    Returns:
        Probabilities (images of the split, K) by split, and by split the figures as ``metrics.json`` has
        them.

    Raises:
        InputError: A probability is no number: figures would count it as an answer.
    """
    from torch_port.metrics import make_test_metrics  # importing torchmetrics costs seconds

    probabilities, figures = {}, {}
    for split, loader in loaders.items():
        metrics = make_test_metrics(loader.dataset.num_classes, quirks)
        batches = tqdm(predict_batches(model, loader, device), total=len(loader), desc=f"predict {split}", unit="batch")
        predicted = []
        for batch, labels in batches:
            metrics.update(batch, labels)
            predicted.append(batch)
        probabilities[split] = torch.cat(predicted)
        refuse_no_numbers(probabilities[split], loader.dataset.images, split)
        figures[split] = {
            "n": len(loader.dataset),
            **{name: to_json(value) for name, value in metrics.compute().items()},
        }
    return probabilities, figures


def refuse_no_numbers(probabilities: Tensor, images: Sequence[str | Path], split: str) -> None:
    """Refuse probabilities (N, K) that are not all finite, and name their images.

    Raises:
        InputError: Some are not.
    """
    whole = probabilities.isfinite().all(dim=1).tolist()
    faults = [str(image) for image, is_whole in zip(images, whole, strict=True) if not is_whole]
    if faults:
        raise InputError.about(
            "probabilities",
            must="be numbers",
            got=f"others for {count_of(len(faults), 'image')}",
            place=f"split {split}",
            remedy="the checkpoint's weights overflow: take another one",
            faults=faults,
        )


def to_json(value: Tensor) -> Any:
    """Return a number, or a list of rows; what is undefined becomes None."""
    if value.ndim:
        return value.tolist()
    return None if math.isnan(value) else float(value)


def write_results(
    results: Results,
    loaders: Mapping[str, DataLoader],
    class_names: list[str],
    probabilities: Mapping[str, Tensor],
    figures: Mapping[str, Any],
) -> None:
    """Write `FILES`: file name and one probability for each class, and the figures. Both appear when both are whole."""
    with results.file(PREDICTIONS) as predictions, results.file(METRICS) as metrics:
        with predictions.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(["image", *class_names])
            for split, loader in loaders.items():
                write_rows(file, zip(loader.dataset.images, probabilities[split].tolist(), strict=True))
        metrics.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def write_rows(file: TextIO, rows: Iterable[tuple[str | Path, Sequence[float]]]) -> None:
    """Write a CSV row for each image: its file name and its probabilities, so that float32 can be read back exactly."""
    writer = csv.writer(file, lineterminator="\n")
    for path, probabilities in rows:
        writer.writerow([Path(path).name, *(f"{value:.9g}" for value in probabilities)])


def write_explanations(results: Results, explanations: list[Any]) -> None:
    """Write an overlay PNG for each explanation, and all raw maps to `RAW_MAPS`; all appear when all are whole.

    The npz holds ``image`` (N,) file names, ``raw`` (N, h, w) and ``predicted`` (N,) class indices.
    """
    with ExitStack() as files:
        for name, explanation in zip(
            list_overlays([explanation.path for explanation in explanations]), explanations, strict=True
        ):
            write_overlay(files.enter_context(results.file(name)), explanation.overlay)
        write_arrays(
            files.enter_context(results.file(RAW_MAPS)),
            image=np.array([Path(explanation.path).name for explanation in explanations]),
            raw=np.stack([explanation.raw for explanation in explanations]),
            predicted=np.array([explanation.predicted for explanation in explanations]),
        )


def list_overlays(images: Sequence[str | Path]) -> list[str]:
    """Return the names of the overlays of images that are explained in this order."""
    return [f"{number:03d}_{Path(path).stem}.png" for number, path in enumerate(images)]


def write_overlay(path: Path, overlay: np.ndarray) -> None:
    """Write an overlay (H, W, 3) in [0, 1] as a PNG, whatever the file is called."""
    from PIL import Image

    Image.fromarray(np.uint8(np.round(255 * np.clip(overlay, 0, 1)))).save(path, format="PNG")


def write_arrays(path: Path, **arrays: np.ndarray | int) -> None:
    """Write arrays as an npz, whatever the file is called.

    First in memory: numpy leaves an archive on a full disk open, which says so again when it is collected.
    """
    archive = io.BytesIO()
    np.savez(archive, **arrays)
    path.write_bytes(archive.getbuffer())
