"""Checks of a data set's metadata, split files and images, with every fault of a file in one message."""

from __future__ import annotations

import os
import re
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from PIL import Image, UnidentifiedImageError

from . import generator
from .errors import DatasetError, list_faults
from .tables import Rows, read_table
from .utils import RESOLUTIONS, SUBCLASSES

COLUMNS = ("superclass", "subclass", "resolution", "image_id", "patient_id")
SPLITS = ("train", "val", "test")
# Numbers as Python writes them, which fit into 64 bits: what else pandas reads as the same number is another patient.
NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")
NEARLY_NUMBER = re.compile(r"\+?0*([0-9]{1,18})(\.0*)?")


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
    _check_class_folders(data_dir / "images")
    rows = _read_images(csv)
    df = pd.DataFrame(list(rows.values()), columns=list(COLUMNS), dtype=str)
    chosen = df[df["resolution"] == resolution]
    if chosen.empty:
        raise DatasetError(f"`{csv}` must have images at resolution {resolution!r}, got none; choose another --resolution")
    return chosen.assign(subclass=chosen["subclass"].where(chosen["subclass"] != ""))


def read_numbers(patients: pd.Series, csv: Path) -> pd.Series:
    """Patients as the numbers that the published and the random split go by.

    Raises:
        DatasetError: Some are no whole numbers of at most 18 digits, or not written as such (001 and 1.0 are not 1).
    """
    others = [patient for patient in patients.unique() if not NUMBER.fullmatch(patient)]
    if others:
        number = next((found[1] for found in map(NEARLY_NUMBER.fullmatch, others) if found), 1)
        raise DatasetError(
            f"`patient_id` must be whole numbers for --split published and --split random, written like {number}, "
            f"got {', '.join(map(repr, others[:10]))}{f' and {len(others) - 10} more' if len(others) > 10 else ''} in {csv}; "
            f"write them so, or use --split FILE.csv with the columns patient_id and split"
        )
    return patients.astype(int)


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
    rows, faults = read_table(path, ("patient_id", "split"))
    known = {row["patient_id"] for row in _read_images(csv).values()}
    if not rows:
        faults.append("it must have a line below its header, got none that can be used")
    for number, row in rows.items():
        if row["split"] not in SPLITS:
            faults.append(f"line {number}: `split` must be one of {', '.join(SPLITS)}, got {row['split']!r}")
        if row["patient_id"] not in known:
            faults.append(f"line {number}: `patient_id` must be in {csv}, got {row['patient_id']!r}")
    if faults:
        raise DatasetError(list_faults(f"`{path}` must assign known patients to splits", faults))
    return {name: {row["patient_id"] for row in rows.values() if row["split"] == name} for name in SPLITS}


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


def _check_class_folders(images: Path) -> None:
    """What lies there and is visible, files too, is a class to `utils.get_classes_labels`."""
    try:
        visible = sorted(name for name in os.listdir(images) if not name.startswith("."))
    except OSError as error:
        raise DatasetError(f"`{images}` must be a folder that can be read, got: {error}; check --data") from error
    foreign = [repr(name) for name in visible if name.split("_")[0] not in SUBCLASSES]
    missing = sorted(set(SUBCLASSES) - {name.split("_")[0] for name in visible})
    if foreign or missing:
        more = [f"{len(foreign) - 10} more"] if len(foreign) > 10 else []
        found = ", ".join([*foreign[:10], *more, *(f"no {name}" for name in missing)])
        raise DatasetError(
            f"`{images}` must hold folders of the classes {', '.join(SUBCLASSES)} "
            f"(an empty one for a class without images) and nothing else, got {found}; "
            f"add what is missing, move what is foreign"
        )


def _read_images(csv: Path) -> Rows:
    """Read the rows of `data.csv`, by line."""
    rows, faults = read_table(csv, COLUMNS)
    seen: set[str] = set()
    for number, row in rows.items():
        faults += _row_faults(row, f"line {number}")
        if (name := _image_name(row)) in seen:
            faults.append(f"line {number} must be a new image, got {name!r} again")
        seen.add(name)
    if faults:
        raise DatasetError(list_faults(f"`{csv}` must describe one image of known kind a line", faults))
    return rows


def _row_faults(row: dict[str, str], place: str) -> list[str]:
    faults = []
    if row["superclass"] not in SUBCLASSES:
        faults.append(f"{place}: `superclass` must be aca, nor or scc, got {row['superclass']!r}")
    elif row["subclass"] not in ("", *SUBCLASSES[row["superclass"]]):
        faults.append(f"{place}: `subclass` of {row['superclass']} is unknown, got {row['subclass']!r}")
    if row["resolution"] not in RESOLUTIONS:
        faults.append(f"{place}: `resolution` must be 20x or 40x, got {row['resolution']!r}")
    if not row["image_id"] or set(row["image_id"]) & set("/\\\r\n"):
        faults.append(f"{place}: `image_id` must be part of a file name, got {row['image_id']!r}")
    if not row["patient_id"] or set(row["patient_id"]) & set("\r\n"):
        must = "be one line" if row["patient_id"] else "not be empty"
        faults.append(f"{place}: `patient_id` must {must}, got {row['patient_id']!r}")
    return faults


def _image_name(row: dict[str, str]) -> str:
    folder = f"{row['superclass']}_{row['subclass']}" if row["subclass"] else row["superclass"]
    return f"{folder}_{row['resolution']}_{row['image_id']}.jpg"


def _header_fault(path: str) -> str | None:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return "must be a file, got a folder or a device"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a size that is refused below, or of a preview that is not read
            with Image.open(path) as image:
                kind, mode, (width, height) = image.format, image.mode, image.size
    except FileNotFoundError:
        return "file must be there, got nothing"
    except UnidentifiedImageError:
        return "must be a JPEG file, got something that is no image"
    except Exception as error:  # Pillow's readers of other formats raise anything
        return f"must be readable, got: {error or type(error).__name__}"
    if kind not in ("JPEG", "MPO"):  # an MPO is a JPEG with a preview behind it, which nobody here reads
        return f"must be a JPEG file, got {kind}"
    if mode != "RGB":
        return f"must be RGB, got mode {mode!r}{' (grey)' if mode == 'L' else ''}"
    if (height, width) != (generator.IMAGE_HEIGHT, generator.IMAGE_WIDTH):
        return f"must be 1200x1600, got {height}x{width}"
    return None
