"""The data set's metadata: ``data.csv``, class names and labels (`legacy_tf.utils`), and split files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from torch_port.errors import DataError, count_of
from torch_port.names import CLASSES, RESOLUTIONS, SPLITS, SUBCLASSES

COLUMNS = ("superclass", "subclass", "resolution", "image_id", "patient_id")
SPLIT_COLUMNS = ("patient_id", "split")


def get_dataframe(
    dataset_csv: str | Path, resolution: str | None = None, root_directory: str | Path = "data/images/"
) -> pd.DataFrame:
    """Read the metadata and add the column ``image_path``: `legacy_tf.utils.get_dataframe`.

    Deliberate difference: every row is checked.

    Args:
        dataset_csv: The file.
        resolution: Keep only the images of this resolution; None keeps all.
        root_directory: Folder of the image folders.

    Raises:
        DataError: The file cannot be read; a column is missing; a class, subclass or resolution is unknown; a
            row is there twice or has no image or patient number; or the resolution asked for is unknown. All
            faults are listed.
    """
    if resolution is not None and resolution not in RESOLUTIONS:
        raise DataError.about(
            "resolution",
            must="be 20x or 40x",
            got=repr(resolution),
            place="--resolution",
            remedy="choose one of the two",
        )
    # image_id is text (007 stays 007), and only an empty subclass is a missing value (the id "NA" is an id).
    df = _read_csv(dataset_csv, COLUMNS, dtype={"image_id": str}, keep_default_na=False, na_values={"subclass": [""]})
    faults = list(_metadata_faults(df))
    if faults:
        raise DataError.about(
            "data.csv",
            must="describe each image once",
            got=count_of(len(faults), "fault"),
            place=dataset_csv,
            remedy="correct these lines",
            faults=faults,
        )
    df["image_path"] = [str(Path(root_directory) / path) for path in _relative_paths(df)]
    return df if resolution is None else df[df["resolution"] == resolution].copy()


def get_classes_labels(root_directory: str | Path, image_paths: Iterable[str]) -> tuple[list[str], list[int]]:
    """Return class names and labels: `legacy_tf.utils.get_classes_labels`.

    Args:
        root_directory: Folder whose folders are named by class, or by class and subclass with an underscore
            between.
        image_paths: Paths of images in these folders.

    Returns:
        The sorted class names, and the index of each image's class in them.

    Raises:
        DataError: There is no such folder, or an image is in none of its folders.
    """
    try:
        folders = [entry.name for entry in os.scandir(root_directory) if entry.is_dir() and not entry.name.startswith(".")]
    except OSError as error:
        raise DataError.about(
            "images", must="be a folder", got=str(error.strerror), place=root_directory, remedy="check --data"
        ) from error
    class_names = sorted({folder.partition("_")[0] for folder in folders})
    indices = {name: index for index, name in enumerate(class_names)}
    names = [Path(path).parent.name.partition("_")[0] for path in image_paths]
    unknown = sorted(set(names) - set(class_names))
    if unknown:
        raise DataError.about(
            "images",
            must="have a folder for each class of data.csv",
            got=f"none for {', '.join(unknown)}",
            place=root_directory,
            remedy="add the folders or correct data.csv",
        )
    return class_names, [indices[name] for name in names]


def read_split_file(path: str | Path, known_patients: Iterable[object]) -> dict[str, list[str]]:
    """Read a split of one's own: a CSV file with the columns ``patient_id`` and ``split``.

    A patient may be in two splits (the images are then in both): that is for the comparison to report.

    Args:
        path: The file.
        known_patients: The patients of the data set.

    Returns:
        The patients of each split, as text.

    Raises:
        DataError: The file cannot be read, a column is missing, or a split or a patient is unknown. All
            faults are listed.
    """
    df = _read_csv(path, SPLIT_COLUMNS, dtype=str, keep_default_na=False)
    known = {str(patient) for patient in known_patients}
    faults = []
    for line, (patient, split) in enumerate(df[list(SPLIT_COLUMNS)].itertuples(index=False), start=2):
        if split not in SPLITS:
            faults.append(f"line {line}: split must be one of {', '.join(SPLITS)}, got {split!r}")
        if patient not in known:
            faults.append(f"line {line}: patient_id must be a patient of data.csv, got {patient!r}")
    if faults:
        raise DataError.about(
            "split",
            must="give each line a patient and a split",
            got=count_of(len(faults), "fault"),
            place=path,
            remedy="correct these lines",
            faults=faults,
        )
    return {split: df.loc[df["split"] == split, "patient_id"].tolist() for split in SPLITS}


def _read_csv(path: str | Path, columns: Sequence[str], **options: object) -> pd.DataFrame:
    try:
        df = pd.read_csv(path, **options)
    except (OSError, ValueError) as error:  # pandas' parser errors and wrong encodings are ValueErrors
        raise DataError.about(
            Path(path).name,
            must="be a CSV file in UTF-8",
            got=str(error),
            place=path,
            remedy="check the path and the file",
        ) from error
    missing = [column for column in columns if column not in df.columns]
    if missing:
        raise DataError.about(
            Path(path).name,
            must=f"have the columns {', '.join(columns)}",
            got=f"none named {', '.join(missing)}",
            place=path,
            remedy="add what is missing to its first line",
        )
    return df


def _metadata_faults(df: pd.DataFrame) -> Iterator[str]:
    if df.empty:
        yield "no line but the first"
    allowed = {"superclass": CLASSES, "subclass": SUBCLASSES, "resolution": RESOLUTIONS}
    first_lines: dict[str, int] = {}
    for line, (row, path) in enumerate(zip(df.to_dict("records"), _relative_paths(df), strict=True), start=2):
        for column, values in allowed.items():
            if row[column] not in values and not (column == "subclass" and pd.isna(row[column])):
                yield f"line {line}: {column} must be one of {', '.join(values)}, got {row[column]!r}"
        if not row["image_id"] or "/" in row["image_id"] or "\0" in row["image_id"]:
            yield f"line {line}: image_id must be a part of a file name, got {row['image_id']!r}"
        if str(row["patient_id"]).strip() in ("", "nan"):
            yield f"line {line}: patient_id must not be empty"
        if first_lines.setdefault(path, line) != line:
            yield f"line {line}: {path} is in line {first_lines[path]} already"


def _relative_paths(df: pd.DataFrame) -> list[str]:
    subclasses = df["subclass"].astype(object)
    folders = df["superclass"].where(subclasses.isna(), df["superclass"].astype(str) + "_" + subclasses.astype(str))
    names = folders.astype(str) + "_" + df["resolution"].astype(str) + "_" + df["image_id"] + ".jpg"
    return [f"{folder}/{name}" for folder, name in zip(folders.astype(str), names, strict=True)]
