"""A file of predictions that grows row by row and can be taken up again: rows in a CSV file, settings beside it."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch_port import evaluate
from torch_port.errors import InputError, count_of
from torch_port.names import CLASSES
from torch_port.whole_files import made_folder, whole_file, writing

HEADER = ["image", *CLASSES]
LONGEST_NAME = 255  # bytes of a file name on Linux


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
    with writing(out):
        if not os.path.lexists(out):
            text = json.dumps(settings, indent=2) + "\n"
            if os.path.lexists(beside) and not _holds(beside, text):
                raise refuse_table(beside, "a file that is not of these settings")
            with whole_file(out) as table, whole_file(beside) as settings_file:
                settings_file.write_text(text, encoding="utf-8")
                table.write_text(",".join(HEADER) + "\n", encoding="utf-8")
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
        InputError: The file has another header, or a row that predict does not write and that no interruption leaves.
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
                if len(row) == 1 and "\n" in row[0] and len(row[0]) <= LONGEST_NAME:
                    break  # not written to its end: in a name with a line end
                if len(row) != len(HEADER) or not all(map(_is_probability, row[1:])):
                    raise refuse_table(out, f"the row {row}")
                names.add(row[0])
                end = file.tell()
        except (ValueError, csv.Error) as error:
            raise refuse_table(out, str(error)) from error
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


def _is_probability(cell: str) -> bool:
    """Return whether a cell is as `evaluate.write_rows` writes a probability."""
    return 0 <= float(cell) <= 1 and f"{float(cell):.9g}" == cell


def _holds(path: Path, text: str) -> bool:
    """Return whether a file has this text, as one has that is left by a command killed between its two files."""
    try:
        return not path.is_symlink() and path.read_text(encoding="utf-8") == text
    except (OSError, ValueError):
        return False


@contextmanager
def open_table(out: Path, settings: Mapping[str, Any], images: Collection[str]) -> Iterator[set[str]]:
    """Begin or take up a table for the block, as `begin_table`; a new one goes again if the block fails before its first row.

    Raises:
        InputError: As `begin_table`.
    """
    is_new = not os.path.lexists(out)
    with made_folder(out.parent):
        present = begin_table(out, settings, images)
        try:
            yield present
        except BaseException:
            if is_new and out.stat().st_size <= len(",".join(HEADER)) + 1:
                out.unlink()
                Path(f"{out}.json").unlink()
            raise


def append_rows(out: Path, rows: Sequence[tuple[Path, Sequence[float]]]) -> None:
    """Add whole rows to a table, or none.

    Raises:
        PlaceError: They cannot be written.
    """
    size = out.stat().st_size
    with writing(out):
        try:
            with out.open("a", newline="", encoding="utf-8") as file:
                evaluate.write_rows(file, rows)
        except OSError:
            os.truncate(out, size)
            raise
