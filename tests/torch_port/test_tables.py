"""Every reader of the port on one set of tables, whose other readers are tested in the same way."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests import tables
from tests.places import contents_of
from torch_port.data import make_loaders
from torch_port.errors import DataError, InputError
from torch_port.metadata import COLUMNS, get_dataframe, read_split_file
from torch_port.prediction_table import begin_table
from torch_port.splits import check_numbers, make_split, train_test_split

KNOWN = ["2", "3", "4"]
SPLITS = {"train": ["2"], "val": ["3"], "test": ["4"]}
ROWS = [list(line) for line in tables.DATA[1:]]
# What `predict` may have written, or a spreadsheet saved without a change.
OWN = {"plain", "CRLF", "every cell in quotes"}
# What a command that was killed may leave, and how many rows are then whole.
CUT = {"no last line end": 2, "an open quote at the end": 3, "end of a DOS file": 3, "an open quote": 1}


def read(path: Path) -> list[list[str]]:
    return get_dataframe(path)[list(COLUMNS)].fillna("").to_numpy().tolist()


@pytest.mark.parametrize("case", tables.READ)
def test_a_table_is_read_as_the_lines_it_was_made_of(tmp_path, case):
    (tmp_path / "data.csv").write_bytes(tables.READ[case](tables.DATA))
    (tmp_path / "own.csv").write_bytes(tables.READ[case](tables.SPLIT))
    assert read(tmp_path / "data.csv") == ROWS
    assert read_split_file(tmp_path / "own.csv", KNOWN) == SPLITS


@pytest.mark.parametrize("case", tables.REFUSED)
def test_a_table_that_another_reader_could_take_for_something_else_is_refused(tmp_path, case):
    (tmp_path / "data.csv").write_bytes(tables.REFUSED[case][0](tables.DATA))
    (tmp_path / "own.csv").write_bytes(tables.REFUSED[case][0](tables.SPLIT))
    with pytest.raises(DataError) as metadata:
        get_dataframe(tmp_path / "data.csv")
    with pytest.raises(DataError) as split:
        read_split_file(tmp_path / "own.csv", KNOWN)
    for raised, lines in ((metadata, tables.DATA), (split, tables.SPLIT)):
        for word in tables.words_of(case, lines):
            assert word in str(raised.value)


@pytest.mark.parametrize("case", tables.REFUSED_ROWS)
def test_a_row_that_no_side_may_read_is_named(tmp_path, case):
    row, word = tables.REFUSED_ROWS[case]
    (tmp_path / "data.csv").write_bytes(tables.with_rows(tables.DATA, row))
    with pytest.raises(DataError, match="line 5") as caught:
        get_dataframe(tmp_path / "data.csv")
    assert word in str(caught.value)


def with_patient(data_set: Path, folder: Path, patient: str) -> Path:
    """Copy the data set; the patient of nor_20x_4.jpg is another one, and there is a further one at 40x."""
    shutil.copytree(data_set, folder)
    text = (folder / "data.csv").read_text(encoding="utf-8")
    text = text.replace("nor,,20x,4,5", f'nor,,20x,4,"{patient}"')
    (folder / "data.csv").write_text(f"{text}nor,,40x,9,P9\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("patient", tables.PATIENTS)
def test_a_split_file_takes_any_text_for_a_patient(data_set, tmp_path, patient):
    data = with_patient(data_set, tmp_path / "data", patient)
    (tmp_path / "own.csv").write_text(f'patient_id,split\n"{patient}",val\nP9,val\n', encoding="utf-8")
    loaders, _ = make_loaders(data, "20x", tmp_path / "own.csv", splits=["val"])
    names = [Path(path).name for path in loaders["val"].dataset.images]
    assert set(names) - {"aca_bd_20x_7.jpg"} == {"nor_20x_4.jpg"}  # patient 1 of the set has that image


@pytest.mark.parametrize("patient", tables.PATIENTS)
@pytest.mark.parametrize("split", ["published", "random"])
def test_two_splits_want_patients_that_are_numbers(data_set, tmp_path, patient, split):
    data, number = with_patient(data_set, tmp_path / "data", patient), tables.PATIENTS[patient]
    table = get_dataframe(data / "data.csv", "20x").assign(targetclass=0)
    if number is None:
        assert len(train_test_split(table, 0.5, 17)) == 2
        check_numbers(table["patient_id"])
        return
    with pytest.raises(DataError, match=rf"whole numbers for --split published .*, written like {number}, got") as caught:
        make_split(table, "20x", split)
    assert f"got {patient!r} in data.csv" in str(caught.value)


def test_numbers_are_split_as_numbers():
    """As text, 10 would come before 9, and a random split would have other patients than the legacy's."""
    numbers = pd.DataFrame({"targetclass": 0, "patient_id": range(5, 45)})
    as_text = train_test_split(numbers.astype({"patient_id": str}), 0.5, 17)
    for part, expected in zip(as_text, train_test_split(numbers, 0.5, 17), strict=True):
        assert part.index.tolist() == expected.index.tolist()
        assert part["patient_id"].tolist() == expected["patient_id"].astype(str).tolist()


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "data.csv")
    with pytest.raises(DataError, match=r"`data.csv` must be a CSV file in UTF-8, got something that is no file"):
        get_dataframe(tmp_path / "data.csv")


def test_a_split_file_may_name_a_patient_of_another_resolution(data_set, tmp_path):
    shutil.copytree(data_set, tmp_path / "data")
    with (tmp_path / "data" / "data.csv").open("a", encoding="utf-8") as file:
        file.write("nor,,40x,9,46\n")
    (tmp_path / "own.csv").write_text("patient_id,split\n46,val\n2,val\n", encoding="utf-8")
    assert len(make_loaders(tmp_path / "data", "20x", tmp_path / "own.csv", splits=["val"])[0]["val"].dataset) == 1


@pytest.mark.parametrize("case", {**tables.READ, **tables.REFUSED})
def test_predict_goes_on_with_its_own_table_alone(tmp_path, case):
    out, names = tmp_path / "p.csv", [line[0] for line in tables.PREDICTIONS[1:]]
    begin_table(out, {}, names)
    out.write_bytes((tables.READ.get(case) or tables.REFUSED[case][0])(tables.PREDICTIONS))
    before = contents_of(tmp_path)
    if case == "a header alone":
        assert begin_table(out, {}, names) == set()
    elif case in OWN:
        assert begin_table(out, {}, names) == set(names)
    elif case in CUT:
        assert begin_table(out, {}, names) == set(names[: CUT[case]])
        assert out.read_text(encoding="utf-8") == tables.write(tables.PREDICTIONS[: CUT[case] + 1])
        return
    else:
        with pytest.raises(InputError, match=r"must be a new file, or one that predict|must have rows of the folder's images"):
            begin_table(out, {}, names)
    assert contents_of(tmp_path) == before
