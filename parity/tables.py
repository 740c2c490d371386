"""Tables of the user, read as docs/data.md says. Each package has a copy of `parse_table` and `pick_cells`."""

from __future__ import annotations

import csv
import io
import stat
from collections.abc import Sequence
from pathlib import Path

from parity.errors import bad_input

RULE = "write it as docs/data.md says"
Rows = dict[int, dict[str, str]]  # by number of the line and name of the column


def read_table(path: Path, columns: Sequence[str], subject: str) -> tuple[Rows, list[str]]:
    """Read the columns of a CSV file.

    Args:
        path: The file.
        columns: Names of the columns that it must have; others are ignored.
        subject: What messages call the file.

    Returns:
        The cells by line and column, and one fault for each line that cannot be used.

    Raises:
        BadInputError: The file cannot be read, is no CSV file, or has not each of these columns once.
    """
    must = f"have the columns {','.join(columns)} in a CSV file in UTF-8"
    try:
        lines = parse_table(_read_bytes(path))
    except OSError as error:
        raise bad_input(subject, "be a CSV file in UTF-8", str(error), str(path), "check the path") from error
    except ValueError as error:
        raise bad_input(subject, must, str(error), str(path), RULE) from error
    header = lines[0][1] if lines else []
    if twice := [name for name in columns if header.count(name) > 1]:
        raise bad_input(subject, must, f"{', '.join(twice)} twice", str(path), "name each column once in the first line")
    if missing := [name for name in columns if name not in header]:
        raise bad_input(subject, must, header, str(path), f"add {', '.join(missing)} to the first line, written exactly so")
    return pick_cells(lines, columns)


def parse_table(data: bytes) -> list[tuple[int, list[str]]]:
    """Return number and cells of each line that is not blank, the header first; cells are text as it stands.

    Raises:
        ValueError: It is no UTF-8 text, or its cells are not separated by commas and quoted as CSV quotes them.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("text in UTF-16")
    if b"\0" in data:
        raise ValueError(f"a NUL byte in line {_line_of(data, data.index(0))}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"bytes that are not UTF-8 in line {_line_of(error.object, error.start)}") from error
    first = next((line for line in text.splitlines() if line.strip()), "")
    for mark, name in ((";", "semicolons (;)"), ("\t", "tabs"), ("|", "bars (|)")):
        if mark in first and "," not in first:
            raise ValueError(f"cells separated by {name} instead of commas")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines, number = [], 1  # of the line in which a row begins: quotes may hold line breaks
    try:
        for cells in reader:
            if len(cells) > 1 or "".join(cells).strip():
                lines.append((number, cells))
            number = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"quotes that do not match in the row of line {number} ({error})") from error
    return lines


def pick_cells(lines: list[tuple[int, list[str]]], columns: Sequence[str]) -> tuple[dict[int, dict[str, str]], list[str]]:
    """Return the cells of these columns by line number and column, and what is wrong with other lines."""
    (_, header), *others = lines
    rows, faults = {}, []
    for number, cells in others:
        if len(cells) != len(header):
            shown = repr(",".join(cells)[:60])[1:-1]
            faults.append(f"line {number}: {shown} has {len(cells)} cells, and the header {len(header)}")
            continue
        row = {column: cells[header.index(column)] for column in columns}
        odd = [f"{column} must have no blank at its ends, got {cell!r}" for column, cell in row.items() if cell != cell.strip()]
        faults += [f"line {number}: {fault}" for fault in odd]
        if not odd:
            rows[number] = row
    return rows, faults


def _line_of(data: bytes, position: int) -> int:
    return len(data[: position + 1].splitlines())


def _read_bytes(path: Path) -> bytes:
    if not stat.S_ISREG(path.stat().st_mode):  # a pipe can be read but once, and waits for somebody to write
        raise ValueError("something that is no file")
    return path.read_bytes()
