"""Patient splits: the published one, random ones, and one's own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from sklearn.model_selection import GroupShuffleSplit

from torch_port.errors import DataError
from torch_port.metadata import read_split_file
from torch_port.names import SPLITS

# The publication's patients: training, validation, test.
PUBLISHED_PATIENTS = {
    "20x": (
        (
            2,
            3,
            4,
            5,
            7,
            8,
            12,
            14,
            15,
            16,
            17,
            18,
            20,
            21,
            23,
            24,
            25,
            26,
            28,
            29,
            30,
            33,
            36,
            37,
            38,
            39,
            41,
            42,
            45,
        ),
        (1, 6, 27, 32, 44),
        (9, 13, 31, 40),
    ),
    "40x": (
        (2, 6, 8, 9, 10, 12, 13, 14, 16, 18, 19, 21, 22, 24, 28, 29, 31, 33, 34, 35, 36, 38, 40, 44),
        (1, 4, 17, 26, 30, 37, 45),
        (11, 15, 20, 25, 32, 43),
    ),
}

# Numbers as Python writes them, which fit into 64 bits: what else pandas reads as the same number is another patient.
NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")
NEARLY_NUMBER = re.compile(r"\+?0*([0-9]{1,18})(\.0*)?")

Frames = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def get_reproducible_ids(df: pd.DataFrame, resolution: str) -> Frames:
    """Split by the publication's patient lists: `legacy_tf.generator.get_reproducible_ids`.

    Deliberate difference: a patient who is in no list is an error, instead of being left out in silence.

    Args:
        df: Metadata of one resolution.
        resolution: 20x or 40x.

    Returns:
        The rows for training, validation and test.

    Raises:
        DataError: A patient is no number, or in none of the lists.
    """
    parts = PUBLISHED_PATIENTS[resolution]
    published = {str(patient) for part in parts for patient in part}
    check_numbers(df["patient_id"])
    patients = df["patient_id"].astype(str)
    unknown = sorted(set(patients) - published)
    if unknown:
        raise DataError.about(
            "patient_id",
            must=f"be in the published {resolution} split",
            got=f"patient {', '.join(unknown)}",
            place="data.csv",
            remedy="use --split random, or a CSV file of your own",
        )
    train, val, test = (df[patients.isin([str(patient) for patient in part])] for part in parts)
    return train, val, test


def train_test_split(df: pd.DataFrame, test_size: float, random_state: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split by patient, one class after the other: `legacy_tf.utils.train_test_split`.

    A patient with images of two classes is placed with the first of them.

    Args:
        df: Metadata with the label in ``targetclass``.
        test_size: Share of a class's patients in the second part.
        random_state: Seed.

    Returns:
        The rows of the first and of the second part, in the order of ``df``.

    Raises:
        DataError: A class has too few patients to put one into each part.
    """
    patients = df["patient_id"]
    if all(NUMBER.fullmatch(str(patient)) for patient in patients):
        patients = patients.astype(int)  # scikit-learn sorts them: as text, 10 would come before 9
    first: list[object] = []
    second: list[object] = []
    for label, rows in df.groupby("targetclass"):
        group = patients[rows.index]
        group = group[~group.isin(first + second)]
        if group.empty:
            continue
        splitter = GroupShuffleSplit(test_size=test_size, n_splits=2, random_state=random_state)
        try:
            first_rows, second_rows = next(splitter.split(group, groups=group))
        except ValueError as error:
            raise DataError.about(
                "patients",
                must="be enough for a random split of each class",
                got=f"{group.nunique()} of class {label} that no other class has taken",
                place="data.csv",
                remedy="add patients, or split them yourself with --split FILE.csv",
            ) from error
        first += group.iloc[first_rows].tolist()
        second += group.iloc[second_rows].tolist()
    return df[patients.isin(first)], df[patients.isin(second)]


def random_split(df: pd.DataFrame, train_split: float = 0.8, val_split: float = 0.1, random_state: int = 17) -> Frames:
    """Split at random as `legacy_tf.generator.get_patient_generators` does.

    The first part of the second split is the test set, the second the validation set, as in the legacy.

    Raises:
        DataError: A patient is no number, or a class has too few patients.
    """
    check_numbers(df["patient_id"])
    train, rest = train_test_split(df, 1 - train_split, random_state)
    test, val = train_test_split(rest, round(val_split / (1 - train_split), 3), random_state)
    return train, val, test


def check_numbers(patients: pd.Series) -> None:
    """Refuse patients who are no numbers, by which the published and the random split go: 001 and 1.0 are not 1.

    Raises:
        DataError: Some are not written as whole numbers of at most 18 digits.
    """
    others = [patient for patient in patients.astype(str).unique() if not NUMBER.fullmatch(patient)]
    if others:
        number = next((found[1] for found in map(NEARLY_NUMBER.fullmatch, others) if found), 1)
        raise DataError.about(
            "patient_id",
            must=f"be whole numbers for --split published and --split random, written like {number}",
            got=", ".join(map(repr, others[:10])) + (f" and {len(others) - 10} more" if len(others) > 10 else ""),
            place="data.csv",
            remedy="write them so, or use --split FILE.csv with the columns patient_id and split",
        )


def make_split(
    df: pd.DataFrame, resolution: str, split: str | Path, known_patients: Iterable[str] | None = None
) -> dict[str, pd.DataFrame]:
    """Return the rows of each split.

    Args:
        df: Metadata of one resolution with the label in ``targetclass``.
        resolution: 20x or 40x.
        split: ``published``, ``random``, or the path of a CSV file.
        known_patients: The patients that a file may name: those of every resolution. None stands for those of ``df``.
    """
    if split == "published":
        return dict(zip(SPLITS, get_reproducible_ids(df, resolution), strict=True))
    if split == "random":
        return dict(zip(SPLITS, random_split(df), strict=True))
    patients = df["patient_id"].astype(str)
    chosen = read_split_file(split, patients if known_patients is None else known_patients)
    return {name: df[patients.isin(chosen[name])] for name in SPLITS}


def take_balanced(df: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return ``count`` rows, in their order: go round the classes, each time taking the class's next row.

    Raises:
        DataError: ``count`` is not positive.
    """
    if count < 1:
        raise DataError.about("images", must="be at least 1", got=str(count), place="--images", remedy="ask for more")
    rounds = df.groupby("targetclass").cumcount()
    order = pd.DataFrame({"round": rounds, "label": df["targetclass"]}).sort_values(["round", "label"], kind="stable")
    return df.loc[df.index.isin(order.index[:count])]
