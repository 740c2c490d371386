"""Splits and subsets of a data set, and what is refused about one."""

from __future__ import annotations

import shutil
from pathlib import Path

import albumentations
import pytest
from PIL import Image

from legacy_tf import checks, datasets, generator, predictions
from legacy_tf.errors import DatasetError, list_faults
from legacy_tf.generator import CustomDataGenerator

from .conftest import COLUMNS, ROWS, image_name, write_image, write_metadata


def make(folder: Path, split: str = "published", **options):
    return datasets.make_generators(folder, "20x", split, 0.08, **options)


def test_published_generators_come_in_order(dataset):
    made, class_names = make(dataset, batch_size=2, splits=["test", "train"])
    assert list(made) == ["train", "test"]
    assert class_names == ["aca", "nor", "scc"]
    assert [Path(path).name for path in made["test"].images] == [image_name(row) for row in ROWS[6:]]
    assert made["train"][0][0].shape == (2, 96, 128, 3)
    assert made["train"].shuffle_epoch
    assert not made["test"].shuffle_epoch


def test_the_published_function_makes_the_same_generators(numbered_dataset, real_metadata, tmp_path):
    """Where ids are numbers; `make_generators` reads them as text and has the same frozen functions split them."""
    shutil.copy(real_metadata, tmp_path / "data.csv")
    for name in ("aca", "nor", "scc"):
        (tmp_path / "images" / name).mkdir(parents=True)
    for folder, splits in ((numbered_dataset, ("published",)), (tmp_path, ("published", "random"))):
        root, csv = f"{folder / 'images'}/", folder / "data.csv"
        for split in splits:
            *expected, class_names = generator.get_patient_generators(
                "20x", root_directory=root, dataset_csv=str(csv), reproducible=split == "published"
            )
            table, names = datasets.read_images(folder, "20x")
            assert names == class_names
            frames = datasets.split_images(table, "20x", split, folder)
            for made, frame in zip(expected, frames, strict=True):
                assert made.images.tolist() == frame["image_path"].tolist()
                assert made.labels.tolist() == frame["targetclass"].tolist()


@pytest.mark.parametrize("patient", ["001", "1.0", "1e0", "P1"])
def test_the_published_and_the_random_split_want_patients_that_are_numbers(own_dataset, tmp_path, patient):
    write_metadata(own_dataset, (*ROWS[:3], (*ROWS[3][:4], patient), *ROWS[4:]))
    for split in ("published", "random"):
        with pytest.raises(DatasetError, match=r"`patient_id` must be whole numbers .*, written like 1, got ") as raised:
            make(own_dataset, split)
        assert repr(patient) in str(raised.value)
    (tmp_path / "own.csv").write_text(f"patient_id,split\n{patient},val\n")
    made, _ = make(own_dataset, str(tmp_path / "own.csv"), splits=["val"])
    assert [Path(path).name for path in made["val"].images] == [image_name(ROWS[3])]


def test_own_split_may_leave_patients_out_and_put_one_into_two_splits(dataset, tmp_path):
    (tmp_path / "own.csv").write_text("patient_id,split\n2,train\n3,train\n2,val\n9,test\n")
    made, _ = make(dataset, str(tmp_path / "own.csv"))
    images = {name: [Path(path).name for path in part.images] for name, part in made.items()}
    assert images == {
        "train": [image_name(ROWS[0]), image_name(ROWS[1])],
        "val": [image_name(ROWS[0])],
        "test": [image_name(ROWS[6])],
    }


@pytest.mark.parametrize(
    ("count", "taken"),
    [
        (1, [0]),
        (2, [0, 3]),
        (3, [0, 3, 4]),
        (4, [0, 1, 3, 4]),
        (5, [0, 1, 3, 4, 5]),
        (6, [0, 1, 2, 3, 4, 5]),
        (9, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_taking_goes_round_the_classes_in_split_order(count, taken):
    assert datasets.take_balanced([0, 0, 0, 1, 2, 2], count) == taken


def test_images_subsets_every_split(dataset):
    made, _ = make(dataset, images=2)
    assert [(name, part.labels.tolist()) for name, part in made.items()] == [
        ("train", [0, 1]),
        ("val", [0, 1]),
        ("test", [0, 1]),
    ]


def test_evaluation_of_a_training_set_is_neither_augmented_nor_shuffled(dataset):
    made, _ = make(dataset, splits=["train"])
    source = datasets.evaluation_generator(made["train"], 0.08)
    assert source.images.tolist() == made["train"].images.tolist()
    assert (source[0][0] == source[0][0]).all()
    assert source.images.tolist() == made["train"].images.tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": 0}, "`--images` must be at least 1, got 0"),
        ({"batch_size": 0}, "`--batch-size` must be at least 1, got 0"),
        ({"splits": ["val", "dev"]}, "`--splits` must be some of train, val, test, got dev"),
    ],
)
def test_options_out_of_range(dataset, options, message):
    with pytest.raises(DatasetError, match=message):
        make(dataset, **options)


@pytest.mark.parametrize("scale", [0, 0.02, 1.5, float("nan")])
def test_image_scale_out_of_range(dataset, scale):
    with pytest.raises(DatasetError, match="`--image-scale` must be at most 1 and give at least 32 rows"):
        datasets.make_generators(dataset, "20x", "published", scale)


@pytest.mark.parametrize("missing", ["", "data.csv", "images"])
def test_missing_folder_or_csv(own_dataset, missing):
    (own_dataset / missing).rename(own_dataset.with_name("elsewhere"))
    with pytest.raises(DatasetError, match=rf"{missing}` must be a .*; give --data a folder that holds data.csv and images/"):
        make(own_dataset)


def test_missing_columns(own_dataset):
    write_metadata(own_dataset, [row[:4] for row in ROWS], (*COLUMNS[:3], "id"))
    with pytest.raises(DatasetError, match=r"must have the columns .*, got no image_id, patient_id in its header"):
        make(own_dataset)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00a", b'a,b\n"1,2\n3,4,5'])
def test_a_csv_that_is_none(own_dataset, content):
    (own_dataset / "data.csv").write_bytes(content)
    with pytest.raises(DatasetError, match="must be a CSV file in UTF-8 with a header line"):
        make(own_dataset)


def test_every_faulty_line_is_named_at_once(own_dataset):
    faulty = (
        ("sclc", "bd", "20x", "1", 2),
        ("nor", "bd", "20x", "5", 3),
        ("aca", "bd", "10x", "6", 2),
        ("aca", "bd", "20x", "../7", 2),
        ("aca", "bd", "20x", "8", ""),
        ROWS[0],
        ("nor", "", "20x"),
    )
    write_metadata(own_dataset, (*ROWS, *faulty))
    with pytest.raises(DatasetError) as raised:
        make(own_dataset)
    lines = str(raised.value).splitlines()
    assert lines[0].endswith("must describe one image of known kind a line: 7 faults")
    for expected in (
        "line 11: `superclass` must be aca, nor or scc, got 'sclc'",
        "line 12: `subclass` of nor is unknown, got 'bd'",
        "line 13: `resolution` must be 20x or 40x, got '10x'",
        "line 14: `image_id` must be part of a file name, got '../7'",
        "line 15: `patient_id` must not be empty, got ''",
        "line 17: nor,,20x has 3 cells, and the header 5",
        "line 16 must be a new image, got 'aca_bd_20x_007.jpg' again",
    ):
        assert f"  - {expected}" in lines


def test_a_resolution_without_images(dataset):
    with pytest.raises(DatasetError, match="must have images at resolution '40x', got none"):
        datasets.make_generators(dataset, "40x", "published")


def test_a_class_folder_is_missing(own_dataset):
    for folder in (own_dataset / "images").glob("scc*"):
        folder.rename(folder.with_name(folder.name.replace("scc", "other")))
    with pytest.raises(
        DatasetError, match=r"must hold folders of the classes aca, nor, scc .* got 'other_bd', .*, no scc; add"
    ):
        make(own_dataset)


def test_patients_outside_the_published_list(own_dataset):
    write_metadata(own_dataset, (*ROWS, ("aca", "bd", "20x", "1", 77)))
    with pytest.raises(DatasetError, match=r"must be in the published 20x split, got 77 in .*; use --split random"):
        make(own_dataset)


def test_a_random_split_that_is_too_small(dataset):
    with pytest.raises(DatasetError, match="must have enough patients of every class at 20x for --split random"):
        make(dataset, "random")


def test_an_empty_split(own_dataset):
    write_metadata(own_dataset, ROWS[:6])
    assert list(make(own_dataset, splits=["val"])[0]) == ["val"]
    with pytest.raises(DatasetError, match=r"split `test` of .* must have images at 20x, got none with --split published"):
        make(own_dataset)


def test_a_split_file_that_is_not_there(dataset):
    with pytest.raises(DatasetError, match=r"`--split` must be published, random or a CSV file, got 'no.csv'"):
        make(dataset, "no.csv")


def test_a_faulty_split_file(dataset, tmp_path):
    (tmp_path / "own.csv").write_text("patient_id,split\n2,training\n99,val\n")
    with pytest.raises(DatasetError) as raised:
        make(dataset, str(tmp_path / "own.csv"))
    assert "line 2: `split` must be one of train, val, test, got 'training'" in str(raised.value)
    assert "line 3: `patient_id` must be in" in str(raised.value)
    assert "got '99'" in str(raised.value)


def write_bomb(path: Path) -> None:
    """A JPEG whose header claims 65000 x 65000 pixels."""
    write_image(path, 0)
    content = bytearray(path.read_bytes())
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = (65000).to_bytes(2, "big") * 2
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda path: path.unlink(), "file must be there, got nothing"),
        (lambda path: path.write_bytes(b"text"), "must be a JPEG file, got something that is no image"),
        (lambda path: Image.new("RGB", (1600, 1200)).save(path, format="PNG"), "must be a JPEG file, got PNG"),
        (lambda path: write_image(path, 0, mode="L"), r"must be RGB, got mode 'L' \(grey\)"),
        (lambda path: write_image(path, 0, (800, 600)), "must be 1200x1600, got 600x800"),
        (lambda path: write_image(path, 0, (1200, 1600)), "must be 1200x1600, got 1600x1200"),
        (write_bomb, "must be readable, got: Image size .* exceeds limit"),
    ],
)
def test_an_image_that_cannot_be_used(own_dataset, damage, fault):
    damage(own_dataset / "images" / "nor" / "nor_20x_2.jpg")
    with pytest.raises(DatasetError, match=f"'nor_20x_2.jpg': {fault}"):
        make(own_dataset)
    assert list(make(own_dataset, splits=["val"])[0]) == ["val"]


def test_a_truncated_image_is_named_when_it_is_read(own_dataset, model):
    made, _ = make(own_dataset, splits=["test"])
    path = Path(made["test"].images[1])
    path.write_bytes(path.read_bytes()[:-5000])
    shrink = albumentations.Compose([albumentations.Resize(64, 64), albumentations.ToFloat(255)])
    source = CustomDataGenerator(made["test"].images, [0, 1, 2], 3, shrink, batch_size=1, shuffle_epoch=False)
    with pytest.raises(DatasetError, match=r"'nor_20x_2.jpg' must decode whole, got: image file is truncated"):
        predictions.predict(model, source, "test")


def test_another_error_passes_through_the_search_for_bad_images(dataset):
    with pytest.raises(KeyError), checks.naming_undecodable(list(dataset.glob("images/nor/*.jpg"))):
        raise KeyError("something else")


def test_a_long_list_of_faults_is_cut():
    assert list_faults("file", ["one"]) == "file: one"
    assert list_faults("file", ["one"] * 12).splitlines()[-1] == "  - and 2 more"
