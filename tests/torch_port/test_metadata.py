from __future__ import annotations

from pathlib import Path

import pytest

from tests import tables
from torch_port.errors import DataError
from torch_port.metadata import get_classes_labels, get_dataframe, read_split_file


def test_paths_and_resolution(data_set, rows):
    df = get_dataframe(data_set / "data.csv", "20x")
    assert df["image_path"].iloc[[0, 2]].tolist() == [
        "data/images/aca_bd/aca_bd_20x_1.jpg",
        "data/images/nor/nor_20x_3.jpg",
    ]
    df = get_dataframe(data_set / "data.csv", root_directory=data_set / "images")
    assert len(df) == len(rows)
    assert all(Path(path).is_file() for path in df["image_path"])
    assert get_dataframe(data_set / "data.csv", "40x").empty


def test_identifiers_are_text(tmp_path, write_metadata):
    write_metadata(tmp_path, (("aca", "bd", "20x", "007", "P 1"), ("nor", "", "20x", "NA", "P 2")))
    df = get_dataframe(tmp_path / "data.csv")
    assert df["image_path"].tolist() == ["data/images/aca_bd/aca_bd_20x_007.jpg", "data/images/nor/nor_20x_NA.jpg"]


def test_the_real_metadata(shared_data):
    df = get_dataframe(shared_data / "lunghist700" / "data.csv")
    assert len(df) == 691
    assert df["patient_id"].nunique() == 45
    assert df["resolution"].value_counts().to_dict() == {"20x": 359, "40x": 332}


@pytest.fixture
def class_folders(tmp_path):
    for name in ("scc_bd", "nor", "aca_md", "aca_bd", ".cache"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_classes_are_sorted_prefixes_of_folders(class_folders):
    paths = [str(class_folders / folder / "x.jpg") for folder in ("nor", "scc_bd", "aca_md")]
    assert get_classes_labels(class_folders, paths) == (["aca", "nor", "scc"], [1, 2, 0])


def test_a_class_without_a_folder_is_named(tmp_path):
    (tmp_path / "nor").mkdir()
    with pytest.raises(DataError, match=r"`images` must hold folders of the classes aca, nor, scc .*, got no aca, no scc in"):
        get_classes_labels(tmp_path, [])


@pytest.mark.parametrize(("name", "is_folder", "is_foreign"), tables.ENTRIES)
def test_what_is_no_folder_of_a_class_is_named(class_folders, name, is_folder, is_foreign):
    entry = class_folders / name
    entry.mkdir(exist_ok=True) if is_folder else entry.touch()
    if not is_foreign:
        assert get_classes_labels(class_folders, []) == (["aca", "nor", "scc"], [])
        return
    with pytest.raises(DataError, match=r"and nothing else, got '") as caught:
        get_classes_labels(class_folders, [])
    assert f"got {name!r} in {class_folders}; add what is missing, move what is foreign" in str(caught.value)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"`images` must be a folder, got No such file or directory in .*none; check --data"):
        get_classes_labels(tmp_path / "none", [])


def test_all_faults_of_the_metadata_are_said_at_once(tmp_path, write_metadata):
    rows = (
        ("aca", "bd", "20x", "1", "1"),
        ("adeno", "bd", "20x", "1", "1"),
        ("aca", "xx", "10x", "2", "1"),
        ("aca", "bd", "20x", "1", "2"),
        ("aca", "bd", "20x", "", ""),
        ("aca", "bd", "20x", "../1", "3"),
    )
    with pytest.raises(DataError) as caught:
        get_dataframe(write_metadata(tmp_path, rows))
    lines = caught.value.text().splitlines()
    assert lines[0].startswith("`data.csv` must describe each image once, got 7 faults in ")
    assert lines[1:] == [
        "  - line 3: superclass must be one of aca, nor, scc, got 'adeno'",
        "  - line 4: subclass must be one of bd, md, pd, got 'xx'",
        "  - line 4: resolution must be one of 20x, 40x, got '10x'",
        "  - line 5: aca_bd/aca_bd_20x_1.jpg is in line 2 already",
        "  - line 6: image_id must be a part of a file name, got ''",
        "  - line 6: patient_id must not be empty",
        "  - line 7: image_id must be a part of a file name, got '../1'",
    ]


def test_an_empty_table_is_refused(tmp_path, write_metadata):
    with pytest.raises(DataError, match="no line but the first"):
        get_dataframe(write_metadata(tmp_path, ()))


def test_missing_columns_are_named(tmp_path):
    (tmp_path / "data.csv").write_text("superclass,subclass,image_id\n")
    with pytest.raises(DataError, match=r"`data.csv` must have the columns .*, got none named resolution, patient_id in"):
        get_dataframe(tmp_path / "data.csv")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'a,b\n"1'], ids=["empty", "not utf-8", "open quote"])
def test_a_file_that_is_no_csv_is_refused(tmp_path, content):
    (tmp_path / "data.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"`data.csv` must be a CSV file in UTF-8, got"):
        get_dataframe(tmp_path / "data.csv")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"got .*No such file or directory.*check the path"):
        get_dataframe(tmp_path / "data.csv")


def test_an_unknown_resolution_is_refused(data_set):
    with pytest.raises(DataError, match="`resolution` must be 20x or 40x, got '10x' in --resolution"):
        get_dataframe(data_set / "data.csv", "10x")


def test_a_split_file_may_put_a_patient_in_two_splits(tmp_path):
    (tmp_path / "split.csv").write_text("patient_id,split\n1,train\n2,val\n1,val\n3,test\n")
    found = read_split_file(tmp_path / "split.csv", [1, 2, 3, 4])
    assert found == {"train": ["1"], "val": ["2", "1"], "test": ["3"]}


def test_all_faults_of_a_split_file_are_said_at_once(tmp_path):
    (tmp_path / "split.csv").write_text("patient_id,split\n1,training\n99,val\n")
    with pytest.raises(DataError) as caught:
        read_split_file(tmp_path / "split.csv", [1, 2])
    assert caught.value.text().splitlines()[1:] == [
        "  - line 2: split must be one of train, val, test, got 'training'",
        "  - line 3: patient_id must be a patient of data.csv, got '99'",
    ]
    assert "`split` must give each line a patient and a split, got 2 faults in" in caught.value.text()


def test_a_split_file_needs_its_columns(tmp_path):
    (tmp_path / "split.csv").write_text("patient,split\n1,train\n")
    with pytest.raises(DataError, match=r"`split.csv` must have the columns patient_id, split, got none named patient_id"):
        read_split_file(tmp_path / "split.csv", [1])
