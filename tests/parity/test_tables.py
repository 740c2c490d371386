"""Every reader of the core on one set of tables, whose other readers are tested in the same way."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from parity.dataset import read_rows
from parity.errors import BadInputError
from parity.predictions import read_predictions
from parity.splits import check_split
from parity.tables import read_table
from parity.workspace import PROJECT
from tests import tables

KINDS = {"data.csv": tables.DATA, "split": tables.SPLIT, "predictions": tables.PREDICTIONS}


@pytest.fixture
def readers(tmp_path: Path) -> dict[str, Callable[[Path], object]]:
    """A reader for each kind of table, which checks what it has read."""
    known = tmp_path / "known.csv"
    known.write_text(tables.write(tables.DATA), encoding="utf-8")
    return {
        "data.csv": read_rows,
        "split": lambda path: check_split(str(path), known, "20x"),
        "predictions": read_predictions,
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", tables.READ)
def test_a_table_is_read_as_the_lines_it_was_made_of(
    tmp_path: Path, readers: dict[str, Callable[[Path], object]], kind: str, case: str
):
    header, *lines = KINDS[kind]
    path = tmp_path / "table.csv"
    path.write_bytes(tables.READ[case](KINDS[kind]))
    rows, faults = read_table(path, header, kind)
    assert [tuple(row.values()) for row in rows.values()] == lines
    assert faults == []
    found = readers[kind](path)
    if kind == "data.csv":
        assert found == [dict(zip(header, line, strict=True)) for line in lines]
    if kind == "predictions":
        assert found == {line[0]: tuple(map(float, line[1:])) for line in lines}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", tables.REFUSED)
def test_a_table_that_another_reader_could_take_for_something_else_is_refused(
    tmp_path: Path, readers: dict[str, Callable[[Path], object]], kind: str, case: str
):
    path = tmp_path / "table.csv"
    path.write_bytes(tables.REFUSED[case][0](KINDS[kind]))
    if (kind, case) == ("data.csv", "a header alone"):
        assert readers[kind](path) == []  # the resolution asked for is then missed
        return
    with pytest.raises(BadInputError) as caught:
        readers[kind](path)
    for word in tables.words_of(case, KINDS[kind]):
        assert word in str(caught.value).replace("\\\\", "\\")


@pytest.mark.parametrize("case", tables.REFUSED_ROWS)
def test_a_row_that_no_side_may_read_is_named(tmp_path: Path, case: str):
    row, word = tables.REFUSED_ROWS[case]
    (tmp_path / "data.csv").write_bytes(tables.with_rows(tables.DATA, row))
    with pytest.raises(BadInputError, match="line 5") as caught:
        read_rows(tmp_path / "data.csv")
    assert word in str(caught.value)


@pytest.mark.parametrize("patient", tables.PATIENTS)
def test_patients_are_text_which_two_splits_want_to_be_numbers(tmp_path: Path, patient: str):
    table, own, number = tmp_path / "data.csv", tmp_path / "own.csv", tables.PATIENTS[patient]
    table.write_bytes(tables.with_rows(tables.DATA, f'nor,,20x,9,"{patient}"', "nor,,40x,9,P9"))
    assert read_rows(table)[3]["patient_id"] == patient
    own.write_text(f'patient_id,split\n"{patient}",val\nP9,val\n', encoding="utf-8")
    check_split(str(own), table, "20x")
    for split in ("published", "random"):
        if number is None:
            check_split(split, table, "20x")
            continue
        with pytest.raises(
            BadInputError, match=rf"whole numbers for --split published .*, written like {number}, got"
        ) as caught:
            check_split(split, table, "20x")
        assert repr(patient) in str(caught.value)


def test_a_split_file_names_patients_as_data_csv_does(tmp_path: Path):
    (tmp_path / "data.csv").write_text(tables.write(tables.DATA), encoding="utf-8")
    (tmp_path / "own.csv").write_text("patient_id,split\n02,train\n2.0,val\n2,exam\n", encoding="utf-8")
    with pytest.raises(BadInputError, match="3 faults") as caught:
        check_split(str(tmp_path / "own.csv"), tmp_path / "data.csv", "20x")
    for words in ("line 2: patient_id '02'", "line 3: patient_id '2.0'", "line 4: split 'exam' is not one of train, val, test"):
        assert words in str(caught.value)


@pytest.mark.parametrize("name", tables.IMAGE_NAMES)
def test_a_witness_names_images_as_its_system_does(tmp_path: Path, name: str):
    path, expected = tmp_path / "p.csv", tables.IMAGE_NAMES[name]
    path.write_text(f"image,aca,nor,scc\n{name},1,0,0\n", encoding="utf-8")
    if expected is None:
        with pytest.raises(BadInputError, match="line 2"):
            read_predictions(path)
    else:
        assert read_predictions(path) == {expected: (1.0, 0.0, 0.0)}


@pytest.mark.parametrize("cell", tables.PROBABILITIES)
def test_a_probability_is_a_plain_number_from_0_to_1(tmp_path: Path, cell: str):
    path, expected = tmp_path / "p.csv", tables.PROBABILITIES[cell]
    path.write_text(f'image,aca,nor,scc\ny.jpg,0,"{cell}",0\n', encoding="utf-8")
    if expected is None:
        with pytest.raises(BadInputError, match=r"line 2: y\.jpg"):
            read_predictions(path)
    else:
        assert read_predictions(path) == {"y.jpg": (0.0, expected, 0.0)}


def test_what_is_no_file_is_not_waited_for(tmp_path: Path):
    with pytest.raises(BadInputError, match="something that is no file"):
        read_predictions(Path("/dev/zero"))
    os.mkfifo(tmp_path / "data.csv")
    with pytest.raises(BadInputError, match=r"must be a folder with data\.csv and images/"):
        read_rows(tmp_path / "data.csv")
    (tmp_path / "known.csv").write_text(tables.write(tables.DATA), encoding="utf-8")
    with pytest.raises(BadInputError, match="something that is no file"):
        check_split(str(tmp_path / "data.csv"), tmp_path / "known.csv", "20x")


def test_the_packages_have_the_same_copy_of_the_rule():
    copies = {}
    for path in set(PROJECT.glob("*/tables.py")) - {PROJECT / "tests" / "tables.py"}:
        for part in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(part, ast.FunctionDef) and part.name != "read_table":
                copies.setdefault(part.name, set()).add(ast.unparse(part))
    assert set(copies) == {"parse_table", "pick_cells", "_line_of", "_read_bytes"}
    assert all(len(found) == 1 for found in copies.values())
