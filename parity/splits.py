"""The split that is asked for, held against the patients before anything is recorded."""

from __future__ import annotations

import re
from pathlib import Path

from parity.contract import SPLITS
from parity.dataset import raise_faults, read_rows
from parity.errors import bad_input
from parity.tables import read_table

COLUMNS = ("patient_id", "split")
# Numbers as Python writes them, which fit into 64 bits: what else pandas reads as the same number is another patient.
NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")
NEARLY_NUMBER = re.compile(r"\+?0*([0-9]{1,18})(\.0*)?")


def check_split(split: str, table: Path, resolution: str) -> None:
    """Check that the patients of a resolution can be split so.

    Args:
        split: ``published``, ``random``, or the path of a CSV file.
        table: ``data.csv``.
        resolution: 20x or 40x.

    Raises:
        BadInputError: A patient is no number where the split goes by numbers, or the file has a line that cannot be used.
    """
    rows = read_rows(table)
    if split not in ("published", "random"):
        _check_file(Path(split), {row["patient_id"] for row in rows}, table)
        return
    patients = dict.fromkeys(row["patient_id"] for row in rows if row["resolution"] == resolution)
    others = [patient for patient in patients if not NUMBER.fullmatch(patient)]
    if others:
        number = next((found[1] for found in map(NEARLY_NUMBER.fullmatch, others) if found), 1)
        must = f"be whole numbers for --split published and --split random, written like {number}"
        found = others[:10] + ([f"{len(others) - 10} more"] if len(others) > 10 else [])
        remedy = "write them so, or use --split FILE.csv with the columns patient_id and split"
        raise bad_input("patient_id", must, found, str(table), remedy)


def _check_file(path: Path, known: set[str], table: Path) -> None:
    rows, faults = read_table(path, COLUMNS, "--split")
    if not rows:
        faults.append("no line below the header that can be used")
    for number, row in rows.items():
        if row["split"] not in SPLITS:
            faults.append(f"line {number}: split {row['split']!r} is not one of {', '.join(SPLITS)}")
        if row["patient_id"] not in known:
            faults.append(f"line {number}: patient_id {row['patient_id']!r} is not in {table}")
    raise_faults(faults, path)
