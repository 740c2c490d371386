"""The data set's metadata: ``data.csv``, class names and labels (`legacy_tf.utils`), and split files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from torch_port.errors import DataError, count_of
from torch_port.names import CLASSES, RESOLUTIONS, SPLITS, SUBCLASSES
from torch_port.tables import Rows, read_table

COLUMNS = ("superclass", "subclass", "resolution", "image_id", "patient_id")
SPLIT_COLUMNS = ("patient_id", "split")


def get_dataframe(
    dataset_csv: str | Path, resolution: str | None = None, root_directory: str | Path = "data/images/"
) -> pd.DataFrame:
    """Read the metadata and add the column ``image_path``: `legacy_tf.utils.get_dataframe`.

    Deliberate difference: every row is checked, and every cell is text as it stands; an empty subclass is a missing value.

    Args:
        dataset_csv: The file.
        resolution: Keep only the images of this resolution; None keeps all.
        root_directory: Folder of the image folders.

    Raises:
        DataError: The file cannot be read; a column is missing; a class, subclass or resolution is unknown; a
            row is there twice or has no image or patient; or the resolution asked for is unknown. All faults
            are listed.
    """
    if resolution is not None and resolution not in RESOLUTIONS:
        raise DataError.about(
            "resolution",
            must="be 20x or 40x",
            got=repr(resolution),
            place="--resolution",
            remedy="choose one of the two",
        )
    rows, faults = read_table(Path(dataset_csv), COLUMNS)
    faults += _metadata_faults(rows)
    if faults:
        raise DataError.about(
            "data.csv",
            must="describe each image once",
            got=count_of(len(faults), "fault"),
            place=dataset_csv,
            remedy="correct these lines",
            faults=faults,
        )
    df = pd.DataFrame(list(rows.values()), columns=list(COLUMNS), dtype=str)
    df["subclass"] = df["subclass"].where(df["subclass"] != "")
    df["image_path"] = [str(Path(root_directory) / _relative_path(row)) for row in rows.values()]
    return df if resolution is None else df[df["resolution"] == resolution].copy()


def get_classes_labels(root_directory: str | Path, image_paths: Iterable[str]) -> tuple[list[str], list[int]]:
    """Return class names and labels: `legacy_tf.utils.get_classes_labels`.

    Args:
        root_directory: Folder whose folders are named by class, or by class and subclass with an underscore
            between. What begins with a point is not looked at.
        image_paths: Paths of images in these folders.

    Returns:
        The sorted class names, and the index of each image's class in them.

    Raises:
        DataError: There is no such folder, it lacks a class, or something else that is visible is in it.
    """
    try:
        visible = sorted(path.name for path in Path(root_directory).iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError.about(
            "images", must="be a folder", got=str(error.strerror), place=root_directory, remedy="check --data"
        ) from error
    class_names = sorted({name.partition("_")[0] for name in visible})
    if tuple(class_names) != CLASSES:
        foreign = [repr(name) for name in visible if name.partition("_")[0] not in CLASSES]
        more = [f"{len(foreign) - 10} more"] if len(foreign) > 10 else []
        missing = [f"no {name}" for name in CLASSES if name not in class_names]
        raise DataError.about(
            "images",
            must=f"hold folders of the classes {', '.join(CLASSES)} (an empty one for a class without images) and nothing else",
            got=", ".join([*foreign[:10], *more, *missing]),
            place=root_directory,
            remedy="add what is missing, move what is foreign",
        )
    indices = {name: index for index, name in enumerate(class_names)}
    names = [Path(path).parent.name.partition("_")[0] for path in image_paths]
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
    rows, faults = read_table(Path(path), SPLIT_COLUMNS)
    known = {str(patient) for patient in known_patients}
    if not rows:
        faults.append("no line but the first that can be used")
    for line, row in rows.items():
        if row["split"] not in SPLITS:
            faults.append(f"line {line}: split must be one of {', '.join(SPLITS)}, got {row['split']!r}")
        if row["patient_id"] not in known:
            faults.append(f"line {line}: patient_id must be a patient of data.csv, got {row['patient_id']!r}")
    if faults:
        raise DataError.about(
            "split",
            must="give each line a patient and a split",
            got=count_of(len(faults), "fault"),
            place=path,
            remedy="correct these lines",
            faults=faults,
        )
    return {split: [row["patient_id"] for row in rows.values() if row["split"] == split] for split in SPLITS}


def _metadata_faults(rows: Rows) -> Iterator[str]:
    if not rows:
        yield "no line but the first that can be used"
    first_lines: dict[str, int] = {}
    for line, row in rows.items():
        subclasses = ("",) if row["superclass"] == "nor" else ("", *SUBCLASSES)
        for column, values in (("superclass", CLASSES), ("subclass", subclasses), ("resolution", RESOLUTIONS)):
            if row[column] not in values:
                yield f"line {line}: {column} must be one of {', '.join(filter(None, values)) or 'none'}, got {row[column]!r}"
        if not row["image_id"] or set(row["image_id"]) & set("/\\\r\n"):
            yield f"line {line}: image_id must be a part of a file name, got {row['image_id']!r}"
        if not row["patient_id"]:
            yield f"line {line}: patient_id must not be empty"
        elif set(row["patient_id"]) & set("\r\n"):
            yield f"line {line}: patient_id must be one line, got {row['patient_id']!r}"
        path = _relative_path(row)
        if first_lines.setdefault(path, line) != line:
            yield f"line {line}: {path} is in line {first_lines[path]} already"


def _relative_path(row: dict[str, str]) -> str:
    folder = "_".join(filter(None, (row["superclass"], row["subclass"])))
    return f"{folder}/{folder}_{row['resolution']}_{row['image_id']}.jpg"
