"""A file of predictions that grows row by row and can be taken up again: rows in a CSV file, settings beside it."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch_port import evaluate
from torch_port.errors import InputError, count_of
from torch_port.names import CLASSES
from torch_port.whole_files import write_whole

HEADER = ["image", *CLASSES]


def begin_table(out: Path, settings: Mapping[str, Any], images: Collection[str]) -> set[str]:
    """Make the file with its header, and one with its settings beside it; or take up a file that was begun.

    A last row that was not written to its end is cut off.

    Args:
        out: The CSV file.
        settings: What all its rows have in common, as JSON values.
        images: Names of the images that may have a row.

    Returns:
        The names of the images that have a row.

    Raises:
        InputError: The file cannot be written, is another one, has rows of other images, or was begun with other settings. It
            stays as it is.
    """
    beside = Path(f"{out}.json")
    evaluate.make_folder(out.parent)
    with writing("out", out):
        if not out.exists():
            write_whole(beside, json.dumps(settings, indent=2) + "\n")
            write_whole(out, ",".join(HEADER) + "\n")
            return set()
        check_settings(out, beside, settings)
        names, end = read_names(out)
        refuse_other_rows(out, names.difference(images))
        os.truncate(out, end)
        return names


def check_settings(out: Path, beside: Path, settings: Mapping[str, Any]) -> None:
    """Compare the settings with those that the file was begun with.

    Raises:
        InputError: They differ, or are not to be found.
    """
    try:
        begun = dict(json.loads(beside.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise refuse_table(out, f"no settings in {beside.name} ({error})") from error
    for name, value in settings.items():
        if begun.get(name) != value:
            raise InputError.about(
                name,
                must=f"be {begun.get(name)!r} as when {out.name} was begun",
                got=repr(value),
                place=beside,
                remedy="give the same options again, or choose another --out",
            )


def read_names(out: Path) -> tuple[set[str], int]:
    """Return the images that have a whole row, and the position in bytes at which the last of these rows ends.

    Raises:
        InputError: The file has another header, or a row before its last is not whole.
    """
    names: set[str] = set()
    with out.open("rb") as file:
        rows = csv.reader(line.decode() for line in file if line.endswith(b"\n"))
        try:
            header = next(rows, None)
            if header != HEADER:
                raise refuse_table(out, f"the header {header}")
            end = file.tell()
            for row in rows:
                if len(row) != len(HEADER):
                    break  # in a name with a line end
                names.add(row[0])
                end = file.tell()
        except (ValueError, csv.Error) as error:
            raise refuse_table(out, str(error)) from error
        if file.read(1):
            raise refuse_table(out, f"the row {row}")
    return names, end


def refuse_other_rows(out: Path, names: set[str]) -> None:
    """Refuse a file with rows of images that are not in the folder, or no longer.

    Raises:
        InputError: There are such rows.
    """
    if names:
        raise InputError.about(
            "out",
            must="have rows of the folder's images alone",
            got=count_of(len(names), "other"),
            place=out,
            remedy="choose another --out",
            faults=sorted(names),
        )


def refuse_table(out: Path, got: str) -> InputError:
    """Return the error of a file that cannot be gone on with."""
    return InputError.about(
        "out",
        must=f"be a new file, or one that predict began, with the header {','.join(HEADER)}",
        got=got,
        place=out,
        remedy="choose another --out",
    )


@contextmanager
def writing(option: str, place: Path) -> Iterator[None]:
    """Make bad input of what cannot be written.

    Args:
        option: The option that says where to write.
        place: What is written.

    Raises:
        InputError: The system refuses it.
    """
    try:
        yield
    except OSError as error:
        raise InputError.about(
            option,
            must="be a place that can be written",
            got=error.strerror or str(error),
            place=place,
            remedy=f"make room, or choose another --{option}",
        ) from error
