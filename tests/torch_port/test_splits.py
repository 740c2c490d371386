from __future__ import annotations

import pandas as pd
import pytest

from torch_port.errors import DataError
from torch_port.metadata import get_dataframe
from torch_port.splits import get_reproducible_ids, make_split, random_split, take_balanced, train_test_split


@pytest.fixture
def real(shared_data):
    df = get_dataframe(shared_data / "lunghist700" / "data.csv", "20x")
    df["targetclass"] = df["superclass"].map({"aca": 0, "nor": 1, "scc": 2})
    return df


def make_frame(classes: list[int], patients: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"targetclass": classes, "patient_id": patients})


def test_the_published_split_of_the_real_metadata(real):
    parts = get_reproducible_ids(real, "20x")
    assert [len(part) for part in parts] == [263, 48, 48]
    assert [part["patient_id"].nunique() for part in parts] == [29, 5, 4]


def test_the_random_split_of_the_real_metadata_is_the_legacys(real):
    train, val, test = random_split(real)
    assert [len(train), len(val), len(test)] == [275, 52, 32]  # as counted in legacy_tf
    patients = [set(part["patient_id"]) for part in (train, val, test)]
    assert set.union(*patients) == set(real["patient_id"])
    assert sum(map(len, patients)) == real["patient_id"].nunique()


def test_the_first_part_of_the_second_random_split_is_the_test_set(real):
    _, rest = train_test_split(real, 1 - 0.8, 17)
    test, val = train_test_split(rest, 0.5, 17)
    _, found_val, found_test = random_split(real)
    assert found_val.index.equals(val.index)
    assert found_test.index.equals(test.index)


def test_patients_outside_the_published_list_are_named():
    with pytest.raises(
        DataError,
        match=r"`patient_id` must be in the published 20x split, got patient 19, 77 in data.csv; use --split random",
    ):
        get_reproducible_ids(make_frame([0, 0, 0], ["2", "77", "19"]), "20x")


def test_a_patient_of_two_classes_is_placed_once_and_goes_with_all_images():
    df = make_frame([0, 0, 0, 1, 1, 1, 1, 1], ["a", "b", "c", "a", "d", "e", "f", "b"])
    first, second = train_test_split(df, 0.5, 17)
    assert not set(first["patient_id"]) & set(second["patient_id"])
    assert len(first) + len(second) == len(df)


def test_a_class_whose_patients_are_all_placed_is_passed_over():
    first, second = train_test_split(make_frame([0, 0, 1, 1], ["a", "b", "a", "b"]), 0.5, 17)
    assert len(first) == len(second) == 2


def test_too_few_patients_are_refused():
    with pytest.raises(
        DataError, match="`patients` must be enough for a random split of each class, got 1 of class 1 that no other"
    ):
        random_split(make_frame([0] * 10 + [1], [*range(10), 10]))


def test_a_split_of_ones_own_leaves_out_who_is_not_named(tmp_path):
    (tmp_path / "split.csv").write_text("patient_id,split\n1,train\n3,test\n1,test\n")
    frames = make_split(make_frame([0, 1, 2, 0], [1, 2, 3, 1]), "20x", tmp_path / "split.csv")
    assert {name: frame.index.tolist() for name, frame in frames.items()} == {
        "train": [0, 3],
        "val": [],
        "test": [0, 2, 3],
    }


@pytest.mark.parametrize(
    ("count", "rows"),
    [
        (1, [3]),
        (2, [0, 3]),
        (3, [0, 2, 3]),
        (4, [0, 2, 3, 6]),
        (5, [0, 1, 2, 3, 6]),
        (6, [0, 1, 2, 3, 4, 6]),
        (99, [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_images_are_taken_class_by_class_and_keep_their_order(count, rows):
    df = make_frame([1, 1, 2, 0, 1, 1, 0], list(range(7)))  # class 0: rows 3 and 6; class 1: 0, 1, 4, 5; class 2: 2
    assert take_balanced(df, count).index.tolist() == rows


def test_no_images_are_refused():
    with pytest.raises(DataError, match="`images` must be at least 1, got 0 in --images"):
        take_balanced(make_frame([0], [1]), 0)
