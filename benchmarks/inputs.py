"""The batches that every contestant computes on, as bytes, and what is said of images in evidence. Numpy only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np


def write_batch(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Write a batch (N, H, W, 3) float32 with one-hot labels (N, K) under its size."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"images{len(images)}.npy", images)
    np.save(folder / f"labels{len(labels)}.npy", labels)


def write_batches(folder: Path, images: np.ndarray, labels: np.ndarray, sizes: Iterable[int]) -> None:
    """Write a batch of each size; images come again where there are too few."""
    for size in sizes:
        rows = np.arange(size) % len(images)
        write_batch(folder, images[rows], labels[rows])


def read_batch(folder: Path, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the batch of `write_batch` that has this many images."""
    images = np.load(folder / f"images{size}.npy", allow_pickle=False)
    return images, np.load(folder / f"labels{size}.npy", allow_pickle=False)


def describe_batch(images: np.ndarray) -> dict[str, Any]:
    """Return the evidence of a resident batch (N, H, W, 3): where it is, and the hash of its bytes."""
    return {"kind": "resident", "sha256": hashlib.sha256(np.ascontiguousarray(images).tobytes()).hexdigest()}


def transform_names(pipeline: Any) -> list[str]:
    """Return the names of the transforms of an albumentations pipeline, in order."""
    return [type(transform).__name__ for transform in pipeline.transforms]


def describe_files(paths: Iterable[str | Path], transforms: Iterable[str], images: np.ndarray) -> dict[str, Any]:
    """Return the evidence of images that are read from files.

    Args:
        paths: The files, in any order.
        transforms: Names of the transforms, in order.
        images: A batch as it was handed over, of any layout: natural images are smooth and bright, random numbers are not.
    """
    names = sorted(Path(path).name for path in paths)
    return {
        "kind": "files",
        "files": len(names),
        "sha256": hashlib.sha256("\n".join(names).encode()).hexdigest(),
        "transforms": list(transforms),
        "images": len(images),
        "mean": float(images.mean()),
        "deviation": float(images.std()),
    }
