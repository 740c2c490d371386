"""Metadata, labels, patient splits and class weights."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from legacy_tf import utils


def test_default_paths_are_those_of_the_publication(dataset):
    df = utils.get_dataframe(dataset / "data.csv")
    assert df["image_path"].iloc[:2].tolist() == [
        "data/images/aca_bd/aca_bd_20x_007.jpg",
        "data/images/nor/nor_20x_a b.jpg",
    ]


def test_resolution_filters(real_metadata):
    assert {resolution: len(utils.get_dataframe(real_metadata, resolution)) for resolution in ("20x", "40x", None)} == {
        "20x": 359,
        "40x": 332,
        None: 691,
    }


def test_classes_are_sorted_prefixes_of_what_is_visible(tmp_path):
    for name in ("scc_bd", "aca_md", "nor", ".hidden", "aca_bd"):
        (tmp_path / name).mkdir()
    images = [f"{tmp_path}/{name}.jpg" for name in ("scc_bd/1", "nor/2", "aca_md/3")]
    for root in (str(tmp_path), f"{tmp_path}/"):
        assert utils.get_classes_labels(root, images) == (["aca", "nor", "scc"], [2, 1, 0])
    (tmp_path / "notes.txt").write_text("counts as a class, too")
    assert utils.get_classes_labels(str(tmp_path), images) == (["aca", "nor", "notes.txt", "scc"], [3, 1, 0])


def split_by_hand(df: pd.DataFrame, test_size: float, seed: int) -> tuple[list, list]:
    """What GroupShuffleSplit's first split does, written out."""
    first, second = [], []
    for label in sorted(set(df["targetclass"])):
        patients = sorted(set(df.loc[df["targetclass"] == label, "patient_id"]) - set(first) - set(second))
        if not patients:
            continue
        order = np.random.RandomState(seed).permutation(len(patients))
        tests = math.ceil(test_size * len(patients))
        trains = math.floor((1 - test_size) * len(patients))
        second += [patients[position] for position in order[:tests]]
        first += [patients[position] for position in order[tests : tests + trains]]
    return first, second


@pytest.mark.parametrize("resolution", ["20x", "40x"])
@pytest.mark.parametrize("test_size", [0.2, 0.5])
def test_split_by_patient_on_the_real_metadata(real_metadata, resolution, test_size):
    df = utils.get_dataframe(real_metadata, resolution)
    df["targetclass"] = df["superclass"].map({"aca": 0, "nor": 1, "scc": 2})
    train, test = utils.train_test_split(df, test_size, 17)
    assert not set(train["patient_id"]) & set(test["patient_id"])
    assert sorted([*train.index, *test.index]) == list(df.index)
    assert train.index.is_monotonic_increasing
    assert test.index.is_monotonic_increasing
    first, second = split_by_hand(df, test_size, 17)
    assert (set(train["patient_id"]), set(test["patient_id"])) == (set(first), set(second))


def test_a_patient_of_two_classes_goes_with_the_first_and_a_class_without_others_is_skipped():
    df = pd.DataFrame({"targetclass": [0, 0, 0, 1, 1], "patient_id": [1, 2, 3, 1, 2]})
    train, test = utils.train_test_split(df, 0.34, 17)
    assert len(train) + len(test) == 5
    assert not set(train["patient_id"]) & set(test["patient_id"])


class Batches(tf.keras.utils.Sequence):
    """Labels as a generator has them."""

    def __init__(self, labels: list[list[int]]) -> None:
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[None, np.ndarray]:
        return None, np.eye(3)[self.labels[index]]


def test_weights_are_balanced_over_the_labels_present_by_their_position():
    # scikit-learn's "balanced": n / (classes present * n of the class) = 6 / (2 * 4) and 6 / (2 * 2)
    assert utils.compute_weights(Batches([[0, 0, 2], [2, 2], [2]])) == {0: 6 / 4, 1: 6 / 8}


def test_weights_of_unbalanced_labels():
    weights = utils.compute_weights(Batches([[0, 0], [0, 1], [2, 0]]))
    assert weights == pytest.approx({0: 6 / 12, 1: 6 / 3, 2: 6 / 3}, rel=1e-15)


def test_description_counts_the_real_set(real_metadata, capsys):
    table = utils.dataset_description(real_metadata)
    assert list(table.columns) == ["20x", "40x", "Total"]
    counts = {"aca_bd": (57, 46), "aca_md": (44, 46), "aca_pd": (45, 42), "nor": (85, 66)}
    counts |= {"scc_bd": (50, 49), "scc_md": (30, 36), "scc_pd": (48, 47), "Total": (359, 332)}
    assert {name: tuple(row) for name, row in table.iterrows()} == {name: (*row, sum(row)) for name, row in counts.items()}
    assert capsys.readouterr().out == "Total images 691\nTotal patients 45\n"
