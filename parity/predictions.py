"""Predictions as a table: ``image`` (a file name) and one probability for each class."""

from __future__ import annotations

import csv
import math
from pathlib import Path, PurePosixPath

from parity.contract import CLASSES
from parity.errors import bad_input

Predictions = dict[str, tuple[float, ...]]
HEADER = ("image", *CLASSES)


def read_predictions(path: Path) -> Predictions:
    """Read a file of predictions; a folder in front of the file name is ignored.

    Raises:
        BadInputError: The file is missing, has other columns, or a row is not an image with probabilities.
    """
    remedy = f"write a header {','.join(HEADER)} and one row for each image"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise bad_input("predictions", "be a CSV file", str(error), str(path), remedy) from error
    if not rows or tuple(cell.strip() for cell in rows[0]) != HEADER:
        raise bad_input("predictions", f"have the columns {','.join(HEADER)}", rows[:1], str(path), remedy)
    found: Predictions = {}
    faults: list[str] = []
    for number, row in enumerate(rows[1:], start=2):
        probabilities = _probabilities(row)
        name = PurePosixPath(row[0]).name if row else ""
        if probabilities is None or not name:
            faults.append(f"line {number}: {','.join(row)[:80]}")
        elif found.get(name, probabilities) != probabilities:
            faults.append(f"line {number}: {name} a second time, with other probabilities")
        else:
            found[name] = probabilities
    if faults:
        shown = "; ".join(faults[:5]) + (f"; {len(faults) - 5} more" if len(faults) > 5 else "")
        raise bad_input("predictions", "hold an image and its probabilities in each row", shown, str(path), remedy)
    return found


def _probabilities(row: list[str]) -> tuple[float, ...] | None:
    try:
        values = tuple(float(cell) for cell in row[1:])
    except ValueError:
        return None
    whole = len(values) == len(CLASSES) and all(math.isfinite(value) and 0.0 <= value <= 1.0 for value in values)
    return values if whole else None
