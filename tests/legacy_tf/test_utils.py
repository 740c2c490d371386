"""Metadata, labels, patient splits and class weights."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from legacy_tf import utils

from .conftest import ROWS, image_name


def test_paths_keep_every_kind_of_name(dataset):
    df = utils.get_dataframe(dataset / "data.csv", "20x", str(dataset / "images"))
    assert [Path(path).name for path in df["image_path"]] == [image_name(row) for row in ROWS]
    assert all(Path(path).is_file() for path in df["image_path"])


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


def test_classes_are_sorted_prefixes_of_visible_folders(tmp_path):
    for name in ("scc_bd", "aca_md", "nor", ".hidden", "aca_bd"):
        (tmp_path / name).mkdir()
    (tmp_path / "notes.txt").write_text("not a class")
    names, labels = utils.get_classes_labels(tmp_path, ["x/scc_bd/1.jpg", "x/nor/2.jpg", "x/aca_md/3.jpg"])
    assert names == ["aca", "nor", "scc"]
    assert labels == [2, 1, 0]


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


class ThreeBatches:
    """Labels 0 0 2, 2 2, 0: class 1 never comes."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> tuple[None, np.ndarray]:
        return None, np.eye(3)[[[0, 0, 2], [2, 2], [0]][index]]


def test_weights_are_balanced_over_the_labels_present():
    # scikit-learn's "balanced": n / (classes present * n of the class) = 6 / (2 * 3)
    assert utils.compute_weights(ThreeBatches()) == {0: 1.0, 2: 1.0}


def test_weights_of_unbalanced_labels(monkeypatch):
    monkeypatch.setattr(ThreeBatches, "__getitem__", lambda _, index: (None, np.eye(3)[[[0, 0], [0, 1], [2, 0]][index]]))
    assert utils.compute_weights(ThreeBatches()) == pytest.approx({0: 6 / 12, 1: 6 / 3, 2: 6 / 3}, rel=1e-15)


def test_description_counts_the_real_set(real_metadata, capsys):
    table = utils.dataset_description(real_metadata)
    counts = {"aca_bd": (57, 46), "aca_md": (44, 46), "aca_pd": (45, 42), "nor": (85, 66)}
    counts |= {"scc_bd": (50, 49), "scc_md": (30, 36), "scc_pd": (48, 47), "total": (359, 332)}
    assert {name: (row["20x"], row["40x"]) for name, row in table.iterrows()} == counts
    assert table.loc["total", "total"] == 691
    assert "691 images of 45 patients" in capsys.readouterr().out
