"""The users' data set, checked before anything is recorded: every fault in one message."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from parity.artefact import hash_file
from parity.contract import CLASSES, IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX, RESOLUTIONS
from parity.errors import BadInputError, bad_input

COLUMNS = ("superclass", "subclass", "resolution", "image_id", "patient_id")
SUBCLASSES = ("", "bd", "md", "pd")
FAULTS_SHOWN = 10
LAYOUT = "expected DIR/data.csv and DIR/images/<class>_<subclass>/<class>_<subclass>_<resolution>_<image_id>.jpg"


@dataclass(frozen=True)
class DatasetFacts:
    """What a run needs to know of a data set.

    Attributes:
        images: Number of images of the resolution.
        sha256: One hash over the metadata and every image of the resolution.
    """

    images: int
    sha256: str


def read_dataset(folder: Path, resolution: str) -> DatasetFacts:
    """Check the data set in `folder` and return its facts.

    Raises:
        BadInputError: The folder, its table or one of its images cannot be used; lists every fault found.
    """
    table = folder / "data.csv"
    if not table.is_file():
        raise bad_input("--data", "be a folder with data.csv and images/", str(folder), "the command line", LAYOUT)
    paths = list(_image_paths(folder, _read_rows(table), resolution))
    if not paths:
        raise bad_input("--resolution", "occur in the data set", resolution, str(table), "choose the other resolution")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        _raise_faults([fault for fault in pool.map(_image_fault, paths) if fault], folder)
        hashes = list(pool.map(hash_file, paths))
    digest = hashlib.sha256(hash_file(table).encode())
    for path, value in sorted(zip(paths, hashes, strict=True)):
        digest.update(f"{path.relative_to(folder)}\0{value}\0".encode())
    return DatasetFacts(images=len(paths), sha256=digest.hexdigest())


def _read_rows(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise bad_input(
                    "data.csv", f"have the columns {', '.join(COLUMNS)}", list(reader.fieldnames or ()), str(table),
                    f"add {', '.join(missing)}",
                )  # fmt: skip
            rows = [{name: (row[name] or "").strip() for name in COLUMNS} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise bad_input("data.csv", "be a CSV file in UTF-8", str(error), str(table), "save it again") from error
    faults = [f"line {number}: {fault}" for number, row in enumerate(rows, start=2) for fault in _row_faults(row)]
    seen: dict[tuple[str, ...], int] = {}
    for number, row in enumerate(rows, start=2):
        key = tuple(row[name] for name in COLUMNS[:4])
        if key in seen:
            faults.append(f"line {number}: the same image as line {seen[key]}")
        seen.setdefault(key, number)
    _raise_faults(faults, table)
    return rows


def _row_faults(row: dict[str, str]) -> Iterator[str]:
    for name, known in (("superclass", CLASSES), ("subclass", SUBCLASSES), ("resolution", RESOLUTIONS)):
        if row[name] not in known:
            yield f"{name} {row[name]!r} is not one of {', '.join(filter(None, known))}"
    if not row["image_id"] or any(letter in row["image_id"] for letter in "/\\\0\n\r"):
        yield f"image_id {row['image_id']!r} cannot be part of a file name"
    if not row["patient_id"]:
        yield "patient_id is empty"


def _image_paths(folder: Path, rows: list[dict[str, str]], resolution: str) -> Iterator[Path]:
    for row in rows:
        if row["resolution"] == resolution:
            name = "_".join(filter(None, (row["superclass"], row["subclass"])))
            yield folder / "images" / name / f"{name}_{resolution}_{row['image_id']}.jpg"


def _image_fault(path: Path) -> str:
    """Return what is wrong with an image, or nothing; the size is checked before any pixel is decoded."""
    try:
        with Image.open(path, formats=("JPEG",)) as image:
            if image.size != (IMAGE_WIDTH_PX, IMAGE_HEIGHT_PX):
                return f"{path.name} has {image.size[0]} x {image.size[1]} pixels instead of 1600 x 1200"
            if image.mode != "RGB":
                return f"{path.name} has colour mode {image.mode} instead of RGB"
            image.load()
    except FileNotFoundError:
        return f"{path.name} is missing from {path.parent}"
    except UnidentifiedImageError:
        return f"{path.name} is not a JPEG file"
    except (OSError, Image.DecompressionBombError) as error:
        return f"{path.name} cannot be decoded: {error}"
    return ""


def _raise_faults(faults: list[str], place: Path) -> None:
    if faults:
        more = f"\n  and {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
        shown = "\n  ".join(faults[:FAULTS_SHOWN])
        raise BadInputError(f"{len(faults)} faults in {place}; mend or remove these rows or files:\n  {shown}{more}")
