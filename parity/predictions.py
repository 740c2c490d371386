"""Predictions as a table: ``image`` (a file name) and one probability for each class."""

from __future__ import annotations

import math
import re
from pathlib import Path

from parity.contract import CLASSES
from parity.errors import bad_input
from parity.tables import read_table

Predictions = dict[str, tuple[float, ...]]
HEADER = ("image", *CLASSES)
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")  # `float` also reads 0_1 and digits of other scripts


def read_predictions(path: Path) -> Predictions:
    """Read a file of predictions; a folder in front of the file name is ignored, with slashes or backslashes.

    Raises:
        BadInputError: The file is missing, has other columns, or a row is not an image with probabilities.
    """
    rows, faults = read_table(path, HEADER, "predictions")
    if not rows and not faults:
        remedy = "write one for each image"
        raise bad_input("predictions", f"have the columns {','.join(HEADER)} and rows", "no row", str(path), remedy)
    found: Predictions = {}
    for number, row in rows.items():
        name = re.split(r"[/\\]", row["image"])[-1]
        probabilities = tuple(float(row[column]) if NUMBER.fullmatch(row[column]) else math.nan for column in CLASSES)
        if not name or not all(0.0 <= value <= 1.0 for value in probabilities):
            faults.append(f"line {number}: {','.join(row.values())[:80]}")
        elif found.setdefault(name, probabilities) != probabilities:
            faults.append(f"line {number}: {name} a second time, with other probabilities")
    if faults:
        shown = "; ".join(faults[:5]) + (f"; {len(faults) - 5} more" if len(faults) > 5 else "")
        raise bad_input(
            "predictions",
            "hold a file name and probabilities from 0 to 1 in each row",
            shown,
            str(path),
            f"write a header {','.join(HEADER)} and one row for each image",
        )
    return found
