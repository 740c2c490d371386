"""Metadata, labels, patient splits and class weights of the LungHist700 data set."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import pandas as pd
import tensorflow as tf
from sklearn.model_selection import GroupShuffleSplit
from sklearn.utils.class_weight import compute_class_weight


def get_dataframe(dataset_csv: str, resolution: str | None = None, root_directory: str = "data/images/") -> pd.DataFrame:
    """Read the metadata and add the column `image_path`.

    Args:
        dataset_csv: CSV with the columns superclass, subclass, resolution, image_id and patient_id.
        resolution: "20x" or "40x"; None keeps both.
        root_directory: Folder of the image folders.
    """
    # image_id is text (007 stays 007), and only an empty subclass is a missing value (the id "NA" is an id).
    df = pd.read_csv(dataset_csv, dtype={"image_id": str}, keep_default_na=False, na_values={"subclass": [""]})
    if resolution is not None:
        df = df[df["resolution"] == resolution].copy()
    folders = _image_folders(df)
    names = folders + "_" + df["resolution"] + "_" + df["image_id"] + ".jpg"
    df["image_path"] = [os.path.join(root_directory, folder, name) for folder, name in zip(folders, names, strict=True)]
    return df


def get_classes_labels(root_directory: str, image_paths: Sequence[str]) -> tuple[list[str], list[int]]:
    """Class names from the folder names, and the label of each image.

    Args:
        root_directory: Folder of the image folders, which are named `<class>` or `<class>_<subclass>`.
        image_paths: Paths of the images below it.

    Returns:
        The sorted class names, and per image the index of its class in them.
    """
    folders = [
        entry
        for entry in os.listdir(root_directory)
        if not entry.startswith(".") and os.path.isdir(os.path.join(root_directory, entry))
    ]
    class_names = sorted({folder.split("_")[0] for folder in folders})
    image_folders = [os.path.basename(os.path.dirname(path)) for path in image_paths]
    return class_names, [class_names.index(folder.split("_")[0]) for folder in image_folders]


def train_test_split(df: pd.DataFrame, test_size: float, random_state: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split by patient, one target class after the other.

    A patient who has images of several classes is assigned with the first of them.

    Args:
        df: Metadata with the columns patient_id and targetclass.
        test_size: Fraction of each class's patients that go to the second part.
        random_state: Seed of the shuffle.

    Returns:
        The rows of the first (train) and of the second (test) part, in the order of `df`.
    """
    train_patients: list = []
    test_patients: list = []
    for _, group in df.groupby("targetclass"):
        group = group[~group["patient_id"].isin(train_patients + test_patients)]
        if group.empty:
            continue
        splitter = GroupShuffleSplit(test_size=test_size, n_splits=2, random_state=random_state)
        train_rows, test_rows = next(splitter.split(group, groups=group["patient_id"]))
        train_patients += list(group["patient_id"].iloc[train_rows].unique())
        test_patients += list(group["patient_id"].iloc[test_rows].unique())
    return df[df["patient_id"].isin(train_patients)], df[df["patient_id"].isin(test_patients)]


def compute_weights(generator: tf.keras.utils.Sequence) -> dict[int, float]:
    """Balanced class weights of what the generator yields, as label -> weight.

    Reads every batch once, images included: that reshuffles a training set and draws its random numbers.
    """
    labels = np.concatenate([np.argmax(generator[index][1], axis=1) for index in range(len(generator))])
    present = np.unique(labels)
    weights = compute_class_weight(class_weight="balanced", classes=present, y=labels)
    return {int(label): float(weight) for label, weight in zip(present, weights, strict=True)}


def dataset_description(dataset_csv: str) -> pd.DataFrame:
    """Count images per class folder and resolution, with totals; print the totals of images and patients."""
    df = get_dataframe(dataset_csv)
    table = pd.crosstab(_image_folders(df).rename("class"), df["resolution"], margins=True, margins_name="total")
    print(f"{len(df)} images of {df['patient_id'].nunique()} patients")
    return table


def _image_folders(df: pd.DataFrame) -> pd.Series:
    """`superclass_subclass`, or `superclass` where there is no subclass."""
    return df["superclass"].where(df["subclass"].isna(), df["superclass"] + "_" + df["subclass"].astype(str))
