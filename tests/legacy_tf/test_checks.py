"""Every reader of the wrappers on one set of tables and images, whose other readers are tested in the same way."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import tensorflow as tf

from legacy_tf import checks, datasets, generator
from legacy_tf.errors import DatasetError
from tests import pictures, tables

SPLITS = {"train": {"2"}, "val": {"3"}, "test": {"4"}}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Metadata and folders of the classes; there are no images."""
    for name in ("aca_bd", "nor", "scc_pd"):
        (tmp_path / "data" / "images" / name).mkdir(parents=True)
    write(tmp_path / "data" / "data.csv", tables.write(tables.DATA))
    return tmp_path / "data"


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("case", tables.READ)
def test_a_table_is_read_as_the_lines_it_was_made_of(data_dir, case):
    (data_dir / "data.csv").write_bytes(tables.READ[case](tables.DATA))
    (data_dir / "own.csv").write_bytes(tables.READ[case](tables.SPLIT))
    df, _ = datasets.read_images(data_dir, "20x")
    assert df[list(tables.DATA[0])].fillna("").to_numpy().tolist() == [list(line) for line in tables.DATA[1:]]
    assert [Path(path).name for path in df["image_path"]] == [line[0] for line in tables.PREDICTIONS[1:]]
    assert checks.read_split_file(data_dir / "own.csv", data_dir / "data.csv") == SPLITS


@pytest.mark.parametrize("case", tables.REFUSED)
def test_a_table_that_another_reader_could_take_for_something_else_is_refused(data_dir, case):
    (data_dir / "own.csv").write_bytes(tables.REFUSED[case][0](tables.SPLIT))
    with pytest.raises(DatasetError) as split:
        checks.read_split_file(data_dir / "own.csv", data_dir / "data.csv")
    (data_dir / "data.csv").write_bytes(tables.REFUSED[case][0](tables.DATA))
    with pytest.raises(DatasetError) as metadata:
        checks.read_metadata(data_dir, "20x")
    for raised, lines in ((metadata, tables.DATA), (split, tables.SPLIT)):
        for word in tables.words_of(case, lines):
            assert word in str(raised.value)


@pytest.mark.parametrize("case", tables.REFUSED_ROWS)
def test_a_row_that_no_side_may_read_is_named(data_dir, case):
    row, word = tables.REFUSED_ROWS[case]
    (data_dir / "data.csv").write_bytes(tables.with_rows(tables.DATA, row))
    with pytest.raises(DatasetError, match="line 5") as caught:
        checks.read_metadata(data_dir, "20x")
    if case != "an image twice":  # the image is named, not the line of the first
        assert word in str(caught.value)


@pytest.mark.parametrize("patient", tables.PATIENTS)
def test_patients_are_text_which_two_splits_want_to_be_numbers(data_dir, patient):
    number = tables.PATIENTS[patient]
    (data_dir / "data.csv").write_bytes(tables.with_rows(tables.DATA, f'nor,,20x,9,"{patient}"', "nor,,40x,9,P9"))
    write(data_dir / "own.csv", f'patient_id,split\n"{patient}",val\nP9,val\n')
    df, _ = datasets.read_images(data_dir, "20x")
    assert df["patient_id"].tolist() == ["2", "3", "4", patient]
    _, val, _ = datasets.split_images(df, "20x", str(data_dir / "own.csv"), data_dir)
    assert "nor_20x_9.jpg" in [Path(path).name for path in val["image_path"]]
    if number is None:
        assert checks.read_numbers(df["patient_id"], data_dir / "data.csv").tolist() == [2, 3, 4, int(patient)]
        return
    for split in ("published", "random"):
        with pytest.raises(
            DatasetError, match=rf"whole numbers for --split published .*, written like {number}, got"
        ) as caught:
            datasets.split_images(df, "20x", split, data_dir)
        assert f"got {patient!r} in" in str(caught.value)


def test_a_split_file_names_patients_as_data_csv_does(data_dir):
    write(data_dir / "own.csv", "patient_id,split\n02,train\n2.0,val\n")
    with pytest.raises(DatasetError, match="2 faults") as caught:
        checks.read_split_file(data_dir / "own.csv", data_dir / "data.csv")
    assert "line 2: `patient_id` must be in" in str(caught.value)
    assert "got '2.0'" in str(caught.value)


@pytest.mark.parametrize(("name", "is_folder", "is_foreign"), tables.ENTRIES)
def test_what_is_no_folder_of_a_class_is_named(data_dir, name, is_folder, is_foreign):
    entry = data_dir / "images" / name
    entry.mkdir() if is_folder else entry.touch()
    if not is_foreign:
        assert datasets.read_images(data_dir, "20x")[1] == ["aca", "nor", "scc"]
        return
    with pytest.raises(DatasetError, match="and nothing else, got '") as caught:
        datasets.read_images(data_dir, "20x")
    assert f"got {name!r}; add what is missing, move what is foreign" in str(caught.value)


def test_images_beside_the_folders_are_counted(data_dir):
    for number in range(12):
        (data_dir / "images" / f"image{number:02d}.jpg").touch()
    with pytest.raises(DatasetError, match=r"got 'image00.jpg', .*'image09.jpg', 2 more; add"):
        checks.read_metadata(data_dir, "20x")


@pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO file")
@pytest.mark.parametrize("case", pictures.READ)
def test_an_image_that_is_accepted_is_read_by_both_frozen_readers_as_the_plain_one(tmp_path, case):
    path, plain = tmp_path / "x.jpg", tmp_path / "plain.jpg"
    pictures.READ[case](path)
    checks.check_images([str(path)])
    pictures.READ["JPEG"](plain)
    expected = imageio.imread(str(plain))
    assert expected.shape == (generator.IMAGE_HEIGHT, generator.IMAGE_WIDTH, 3)
    assert np.array_equal(imageio.imread(str(path)), expected)
    assert np.array_equal(tf.keras.utils.img_to_array(tf.keras.utils.load_img(str(path))), expected)
    assert checks.find_undecodable([str(path)]) == []


@pytest.mark.parametrize("case", pictures.REFUSED)
def test_an_image_that_another_check_refuses_is_refused_by_its_header(tmp_path, case):
    if case == "no permission" and not pictures.can_be_closed():
        pytest.skip("nothing is closed to root")
    make, word = pictures.REFUSED[case]
    make(tmp_path / "x.jpg")
    with pytest.raises(DatasetError, match=r"must be 1200x1600 RGB JPEG files: 'x.jpg': ") as caught:
        checks.check_images([str(tmp_path / "x.jpg")])
    assert word in str(caught.value)


@pytest.mark.parametrize("case", pictures.UNDECODABLE)
def test_an_image_that_cannot_be_decoded_is_named_when_it_is_read(tmp_path, case):
    pictures.UNDECODABLE[case](tmp_path / "x.jpg")
    checks.check_images([str(tmp_path / "x.jpg")])
    with (
        pytest.raises(DatasetError, match=r"'x.jpg' must decode whole, got: image file is truncated"),
        checks.naming_undecodable([str(tmp_path / "x.jpg")]),
    ):
        imageio.imread(str(tmp_path / "x.jpg"))
