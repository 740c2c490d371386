"""Checks of a data set's metadata, split files and images, with every fault of a file in one message."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from PIL import Image, UnidentifiedImageError

from . import generator, utils
from .errors import DatasetError, list_faults

COLUMNS = ("superclass", "subclass", "resolution", "image_id", "patient_id")
SUBCLASSES = {"aca": ("bd", "md", "pd"), "nor": (), "scc": ("bd", "md", "pd")}
RESOLUTIONS = ("20x", "40x")
SPLITS = ("train", "val", "test")


def read_metadata(data_dir: Path, resolution: str) -> pd.DataFrame:
    """Check the layout of the folder, the class folders and every row of `data.csv`.

    Returns:
        The rows of this resolution, every cell as text; a missing subclass is NaN.

    Raises:
        DatasetError: Something is missing, unknown or there twice, or no image has this resolution.
    """
    csv = data_dir / "data.csv"
    for path, kind in ((data_dir, "a folder"), (csv, "a CSV file"), (data_dir / "images", "a folder")):
        if not (path.is_file() if kind == "a CSV file" else path.is_dir()):
            raise DatasetError(
                f"`{path}` must be {kind}, got nothing of that kind there; give --data a folder that holds data.csv and images/"
            )
    class_names, _ = utils.get_classes_labels(str(data_dir / "images"), [])
    if class_names != sorted(SUBCLASSES):
        raise DatasetError(
            f"`{data_dir / 'images'}` must hold folders of the classes {', '.join(sorted(SUBCLASSES))} "
            f"(an empty one for a class without images), got {', '.join(class_names) or 'none'}; "
            f"add what is missing, move what is foreign"
        )
    df = _read_text(csv, COLUMNS)
    faults = [
        fault for number, row in enumerate(df.to_dict("records"), start=2) for fault in _row_faults(row, f"line {number}")
    ]
    keys = ["superclass", "subclass", "resolution", "image_id"]
    for number in df.index[df.duplicated(keys)]:
        faults.append(f"line {number + 2} must be a new image, got {_image_name(df.loc[number])!r} again")
    if faults:
        raise DatasetError(list_faults(f"`{csv}` must describe one image of known kind a line", faults))
    chosen = df[df["resolution"] == resolution]
    if chosen.empty:
        raise DatasetError(f"`{csv}` must have images at resolution {resolution!r}, got none; choose another --resolution")
    return chosen.assign(subclass=chosen["subclass"].where(chosen["subclass"] != ""))


def read_numbers(patients: pd.Series, csv: Path) -> pd.Series:
    """Patients as the numbers that the published and the random split go by.

    Raises:
        DatasetError: Some are no whole numbers, or not written as such (001 and 1.0 are not 1).
    """
    others = [patient for patient in patients.unique() if str(_whole_number(patient)) != patient]
    if others:
        number = next((found for patient in others if (found := _whole_number(patient)) is not None), 1)
        raise DatasetError(
            f"`patient_id` must be whole numbers for --split published and --split random, written like {number}, "
            f"got {', '.join(map(repr, others[:10]))}{f' and {len(others) - 10} more' if len(others) > 10 else ''} in {csv}; "
            f"write them so, or use --split FILE.csv with the columns patient_id and split"
        )
    return patients.astype(int)


def _whole_number(text: str) -> int | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number.is_integer() else None


def check_published_patients(df: pd.DataFrame, resolution: str, csv: Path) -> None:
    """Check that every patient with images at this resolution is in the published split.

    Raises:
        DatasetError: Some are not.
    """
    published = {patient for part in generator.PUBLISHED_PATIENTS[resolution] for patient in part}
    present = df["patient_id"].unique()
    outside = [str(patient) for patient in present if patient not in published]
    if outside:
        raise DatasetError(
            f"`patient_id` must be in the published {resolution} split, got {', '.join(outside[:10])}"
            f"{f' and {len(outside) - 10} more' if len(outside) > 10 else ''} in {csv}; "
            f"use --split random, or --split FILE.csv with the columns patient_id and split"
        )


def read_split_file(path: Path, csv: Path) -> dict[str, set[str]]:
    """Read which patients belong to which split.

    Args:
        path: CSV with the columns patient_id and split.
        csv: The data set's metadata, which has to know every patient.

    Returns:
        The patients of train, val and test, as text.

    Raises:
        DatasetError: No such file, a missing column, an unknown split or patient.
    """
    if not path.is_file():
        raise DatasetError(f"`--split` must be published, random or a CSV file, got {str(path)!r}")
    df = _read_text(path, ("patient_id", "split"))
    known = set(_read_text(csv, COLUMNS)["patient_id"])
    faults = []
    for number, (patient, split) in enumerate(zip(df["patient_id"], df["split"], strict=True), start=2):
        if split not in SPLITS:
            faults.append(f"line {number}: `split` must be one of {', '.join(SPLITS)}, got {split!r}")
        if patient not in known:
            faults.append(f"line {number}: `patient_id` must be in {csv}, got {patient!r}")
    if faults:
        raise DatasetError(list_faults(f"`{path}` must assign known patients to splits", faults))
    return {name: set(df.loc[df["split"] == name, "patient_id"]) for name in SPLITS}


def check_images(paths: list[str]) -> None:
    """Check that every file is there and its header is that of a 1200x1600 RGB JPEG.

    Raises:
        DatasetError: Some are not; all of them are named.
    """
    faults = [f"{os.path.basename(path)!r}: {fault}" for path in paths if (fault := _header_fault(path))]
    if faults:
        folder = os.path.commonpath([os.path.dirname(path) for path in paths])
        raise DatasetError(list_faults(f"images in {folder} must be 1200x1600 RGB JPEG files", faults))


@contextmanager
def naming_undecodable(paths: list[str]) -> Iterator[None]:
    """Run something that reads these images; when it fails because of some of them, say which.

    Raises:
        DatasetError: It failed, and some of the files cannot be decoded.
    """
    try:
        yield
    except Exception as error:
        faults = find_undecodable(paths)
        if faults:
            raise DatasetError(list_faults("images must be whole JPEG files", faults)) from error
        raise


def find_undecodable(paths: list[str]) -> list[str]:
    """Decode the files one by one; one fault for each that cannot be decoded whole."""
    faults = []
    for path in paths:
        try:
            with Image.open(path) as image:
                image.load()
        except (OSError, SyntaxError) as error:
            faults.append(f"{os.path.basename(path)!r} must decode whole, got: {error}")
    return faults


def _read_text(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    try:
        df = pd.read_csv(path, dtype=str, keep_default_na=False).fillna("")  # short lines have missing values
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError) as error:
        raise DatasetError(f"`{path}` must be a CSV file in UTF-8 with a header line, got: {error}") from error
    missing = [column for column in columns if column not in df.columns]
    if missing:
        raise DatasetError(
            f"`{path}` must have the columns {', '.join(columns)}, "
            f"got no {', '.join(missing)} in its header; add what is missing"
        )
    return df


def _row_faults(row: dict[str, str], place: str) -> list[str]:
    faults = []
    if row["superclass"] not in SUBCLASSES:
        faults.append(f"{place}: `superclass` must be aca, nor or scc, got {row['superclass']!r}")
    elif row["subclass"] not in ("", *SUBCLASSES[row["superclass"]]):
        faults.append(f"{place}: `subclass` of {row['superclass']} is unknown, got {row['subclass']!r}")
    if row["resolution"] not in RESOLUTIONS:
        faults.append(f"{place}: `resolution` must be 20x or 40x, got {row['resolution']!r}")
    if not row["image_id"] or "/" in row["image_id"] or "\0" in row["image_id"]:
        faults.append(f"{place}: `image_id` must be part of a file name, got {row['image_id']!r}")
    if not row["patient_id"]:
        faults.append(f"{place}: `patient_id` must not be empty, got ''")
    return faults


def _image_name(row: pd.Series) -> str:
    folder = f"{row['superclass']}_{row['subclass']}" if row["subclass"] else row["superclass"]
    return f"{folder}_{row['resolution']}_{row['image_id']}.jpg"


def _header_fault(path: str) -> str | None:
    if not os.path.isfile(path):
        return "file must be there, got nothing"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # its size is refused below
            with Image.open(path) as image:
                kind, mode, (width, height) = image.format, image.mode, image.size
    except UnidentifiedImageError:
        return "must be a JPEG file, got something that is no image"
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        return f"must be readable, got: {error}"
    if kind != "JPEG":
        return f"must be a JPEG file, got {kind}"
    if mode != "RGB":
        return f"must be RGB, got mode {mode!r}{' (grey)' if mode == 'L' else ''}"
    if (height, width) != (generator.IMAGE_HEIGHT, generator.IMAGE_WIDTH):
        return f"must be 1200x1600, got {height}x{width}"
    return None
