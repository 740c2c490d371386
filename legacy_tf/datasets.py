"""Data sets and splits as the command lines ask for them, checked, on top of the frozen functions."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from . import checks, generator, utils
from .checks import SPLITS
from .errors import DatasetError
from .generator import CustomDataGenerator

MINIMUM_HEIGHT = 32  # of the input of Keras ResNet50V2


def make_generators(
    data_dir: str | os.PathLike,
    resolution: str,
    split: str,
    image_scale: float = 0.25,
    batch_size: int = 8,
    images: int | None = None,
    splits: Iterable[str] | None = None,
) -> tuple[dict[str, CustomDataGenerator], list[str]]:
    """Make the generators of a data set, after checking all that is read from it but the pixels.

    Args:
        data_dir: Folder with `data.csv` and `images/`.
        resolution: "20x" or "40x".
        split: "published", "random", or a CSV file with the columns patient_id and split.
        image_scale: Size of a batch's images as a fraction of 1200x1600.
        batch_size: Images per batch.
        images: Take the first N images of each split, balanced over classes; None takes all.
        splits: Which of train, val, test; None makes all three.

    Returns:
        The generators by split name, in the order train, val, test, and the class names.

    Raises:
        DatasetError: The data set or the split cannot be used; all faults of a file in one message.
    """
    _check_options(image_scale, batch_size, images, splits)
    folder = Path(data_dir)
    wanted = [name for name in SPLITS if splits is None or name in set(splits)]
    df, class_names = read_images(folder, resolution)
    frames = split_images(df, resolution, split, folder)
    made = dict(zip(SPLITS, generator.build_generators(frames, len(class_names), batch_size, image_scale), strict=True))
    for name in wanted:
        if not len(made[name].images):
            raise DatasetError(
                f"split `{name}` of {folder} must have images at {resolution}, got none with "
                f"--split {split}; choose another --split, or leave `{name}` out of --splits"
            )
        if images is not None:
            _keep(made[name], take_balanced(made[name].labels, images))
    checks.check_images([path for name in wanted for path in made[name].images])
    return {name: made[name] for name in wanted}, class_names


def read_images(data_dir: str | os.PathLike, resolution: str) -> tuple[pd.DataFrame, list[str]]:
    """Rows of the images of a resolution, whose ids and patients are text, with image_path and targetclass; class names.

    Only the frozen `utils.get_dataframe` lets pandas guess which ids are numbers: here 007 is not 7.

    Raises:
        DatasetError: The data set's folder or a row of `data.csv` cannot be used.
    """
    folder = Path(data_dir)
    df = checks.read_metadata(folder, resolution)
    root = str(folder / "images")
    df["image_path"] = utils.make_image_paths(df, root)
    class_names, df["targetclass"] = utils.get_classes_labels(root, df["image_path"])
    return df, class_names


def evaluation_generator(source: CustomDataGenerator, image_scale: float) -> CustomDataGenerator:
    """The images of a generator in their present order, neither augmented nor shuffled."""
    return CustomDataGenerator(
        source.images,
        source.labels,
        source.num_classes,
        generator.test_augmentations(image_scale),
        source.batch_size,
        shuffle_epoch=False,
    )


def take_balanced(labels: np.ndarray, count: int) -> list[int]:
    """Positions of the first `count` images, balanced over classes, in ascending order.

    Goes round the classes in class order and each time takes the class's next image, until `count` are taken.
    """
    turn = pd.Series(labels).groupby(labels).cumcount().to_numpy()
    order = np.lexsort((labels, turn))
    return sorted(order[:count].tolist())


def _check_options(image_scale: float, batch_size: int, images: int | None, splits: Iterable[str] | None) -> None:
    if not (image_scale <= 1 and int(generator.IMAGE_HEIGHT * image_scale) >= MINIMUM_HEIGHT):
        raise DatasetError(f"`--image-scale` must be at most 1 and give at least {MINIMUM_HEIGHT} rows, got {image_scale!r}")
    if batch_size < 1:
        raise DatasetError(f"`--batch-size` must be at least 1, got {batch_size!r}")
    if images is not None and images < 1:
        raise DatasetError(f"`--images` must be at least 1, got {images!r}")
    unknown = [name for name in splits or () if name not in SPLITS]
    if unknown:
        raise DatasetError(f"`--splits` must be some of {', '.join(SPLITS)}, got {', '.join(unknown)}")


def _keep(source: CustomDataGenerator, positions: list[int]) -> None:
    source.images = source.images[positions]
    source.labels = source.labels[positions]


def split_images(df: pd.DataFrame, resolution: str, split: str, folder: Path) -> generator.Frames:
    """The rows of `read_images` for train, validation and test.

    A patient in two splits of a file lands in both: that is judged later.
    """
    csv = folder / "data.csv"
    if split not in ("published", "random"):
        patients = checks.read_split_file(Path(split), csv)
        return tuple(df[df["patient_id"].isin(patients[name])] for name in SPLITS)
    df = df.assign(patient_id=checks.read_numbers(df["patient_id"], csv))
    if split == "published":
        checks.check_published_patients(df, resolution, csv)
        return generator.get_reproducible_ids(df, resolution)
    try:
        return generator.split_randomly(df)
    except ValueError as error:  # scikit-learn cannot split the patients of a class
        raise DatasetError(
            f"`{csv}` must have enough patients of every class at {resolution} for --split random "
            f"(80 % train, 10 % val, 10 % test), got too few ({error}); "
            f"use --split published or --split FILE.csv"
        ) from error
