"""The users' data set, checked before anything is recorded: every fault in one message."""

from __future__ import annotations

import hashlib
import os
import stat
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from parity.artefact import hash_file
from parity.contract import CLASSES, IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX, RESOLUTIONS
from parity.errors import BadInputError, bad_input
from parity.tables import read_table

COLUMNS = ("superclass", "subclass", "resolution", "image_id", "patient_id")
SUBCLASSES = {"aca": ("", "bd", "md", "pd"), "nor": ("",), "scc": ("", "bd", "md", "pd")}
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
    rows = read_rows(table)
    _check_class_folders(folder / "images")
    paths = list(_image_paths(folder, rows, resolution))
    if not paths:
        raise bad_input("--resolution", "occur in the data set", resolution, str(table), "choose the other resolution")
    # Pillow warns of a size that is refused, and of a preview that is not read. Threads share what is ignored.
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")
        raise_faults([fault for fault in pool.map(_image_fault, paths) if fault], folder)
        hashes = list(pool.map(hash_file, paths))
    digest = hashlib.sha256(hash_file(table).encode())
    for path, value in sorted(zip(paths, hashes, strict=True)):
        digest.update(f"{path.relative_to(folder)}\0{value}\0".encode())
    return DatasetFacts(images=len(paths), sha256=digest.hexdigest())


def read_rows(table: Path) -> list[dict[str, str]]:
    """Return the rows of ``data.csv``: every cell is text as it stands.

    Raises:
        BadInputError: The file is not there or is no table of images; lists every fault found.
    """
    if not table.is_file():
        raise bad_input("--data", "be a folder with data.csv and images/", str(table.parent), "the command line", LAYOUT)
    rows, faults = read_table(table, COLUMNS, "data.csv")
    seen: dict[tuple[str, ...], int] = {}
    for number, row in rows.items():
        faults += [f"line {number}: {fault}" for fault in _row_faults(row)]
        first = seen.setdefault(tuple(row[name] for name in COLUMNS[:4]), number)
        if first != number:
            faults.append(f"line {number}: the same image as line {first}")
    raise_faults(faults, table)
    return list(rows.values())


def _check_class_folders(images: Path) -> None:
    """Refuse what the legacy would take for a class: whatever lies there and is visible, files too."""
    try:
        visible = sorted(path.name for path in images.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise bad_input("--data", "be a folder with data.csv and images/", str(error), str(images), LAYOUT) from error
    foreign = [name for name in visible if name.partition("_")[0] not in CLASSES]
    faults = [f"{name!r} is no folder of a class: move it out of images/" for name in foreign]
    present = {name.partition("_")[0] for name in visible}
    faults += [f"no {name}: a class without images has an empty folder" for name in CLASSES if name not in present]
    raise_faults(faults, images)


def _row_faults(row: dict[str, str]) -> Iterator[str]:
    subclasses = SUBCLASSES.get(row["superclass"], SUBCLASSES["aca"])
    for name, known in (("superclass", CLASSES), ("subclass", subclasses), ("resolution", RESOLUTIONS)):
        if row[name] not in known:
            yield f"{name} {row[name]!r} is not one of {', '.join(filter(None, known)) or 'none'}"
    if not row["image_id"] or set(row["image_id"]) & set("/\\\r\n"):
        yield f"image_id {row['image_id']!r} cannot be part of a file name"
    if not row["patient_id"] or set(row["patient_id"]) & set("\r\n"):
        yield f"patient_id {row['patient_id']!r} is not one line" if row["patient_id"] else "patient_id is empty"


def _image_paths(folder: Path, rows: list[dict[str, str]], resolution: str) -> Iterator[Path]:
    for row in rows:
        if row["resolution"] == resolution:
            name = "_".join(filter(None, (row["superclass"], row["subclass"])))
            yield folder / "images" / name / f"{name}_{resolution}_{row['image_id']}.jpg"


def _image_fault(path: Path) -> str:
    """Return what is wrong with an image, or nothing; the size is checked before any pixel is decoded."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            return f"{path.name} is no file but a folder or a device"
        # An MPO is a JPEG with a preview behind it, which nobody here reads.
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
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        return f"{path.name} cannot be decoded: {error}"
    return ""


def raise_faults(faults: list[str], place: Path) -> None:
    """Raise the error that lists these faults, if there are any.

    Raises:
        BadInputError: There are.
    """
    if faults:
        more = f"\n  and {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
        shown = "\n  ".join(faults[:FAULTS_SHOWN])
        raise BadInputError(f"{len(faults)} faults in {place}; mend or remove these rows or files:\n  {shown}{more}")
