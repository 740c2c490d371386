"""Metadata, labels, patient splits and class weights of the LungHist700 data set."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence

import numpy as np
import pandas as pd
import tensorflow as tf
from sklearn.model_selection import GroupShuffleSplit
from sklearn.utils.class_weight import compute_class_weight

IMAGE_ROOT = "data/images/"
SUBCLASSES = {"aca": ("bd", "md", "pd"), "nor": (), "scc": ("bd", "md", "pd")}
RESOLUTIONS = ("20x", "40x")


def get_files(base_dir: str, resolution: str) -> list[str]:
    """Paths of the .jpg and .jpeg files anywhere below a folder, where `_<resolution>` is in the path."""
    found = glob.glob(f"{base_dir}/**", recursive=True)
    return [path for path in found if path.endswith(("jpg", "jpeg")) and f"_{resolution}" in path]


def get_dataframe(
    dataset_csv: str = "data/data.csv", resolution: str | None = None, *, root_directory: str = IMAGE_ROOT
) -> pd.DataFrame:
    """Read the metadata and add the column `image_path`.

    Pandas guesses the types of the columns: an `image_id` 007 becomes 7 where all of them are numbers.

    Args:
        dataset_csv: CSV with the columns superclass, subclass, resolution, image_id and patient_id.
        resolution: "20x" or "40x"; None keeps both.
        root_directory: Folder of the image folders.
    """
    df = pd.read_csv(dataset_csv)
    df["image_path"] = make_image_paths(df, root_directory)
    return df if resolution is None else df[df["resolution"] == resolution].copy()


def make_image_paths(df: pd.DataFrame, root_directory: str) -> list[str]:
    """Path of each row's image: `<root>/<folder>/<folder>_<resolution>_<image_id>.jpg`.

    The folder is `superclass_subclass`, or `superclass` where the subclass is missing.
    """
    paths = []
    for superclass, subclass, resolution, image_id in df[["superclass", "subclass", "resolution", "image_id"]].itertuples(
        index=False
    ):
        folder = superclass if pd.isna(subclass) else f"{superclass}_{subclass}"
        paths.append(os.path.join(root_directory, folder, f"{folder}_{resolution}_{image_id}.jpg"))
    return paths


def get_classes_labels(root_directory: str, image_paths: Sequence[str]) -> tuple[list[str], list[int]]:
    """Class names from what lies in a folder, and the label of each image.

    Args:
        root_directory: Folder of the image folders, which are named `<class>` or `<class>_<subclass>`. A file
            in it counts as a class, too; what begins with a point does not.
        image_paths: Paths of the images below it.

    Returns:
        The sorted class names, and per image the index of its class in them.
    """
    class_names = sorted({entry.split("_")[0] for entry in os.listdir(root_directory) if not entry.startswith(".")})
    index = {name: position for position, name in enumerate(class_names)}
    folders = [os.path.relpath(path, root_directory).split(os.sep)[0] for path in image_paths]
    return class_names, [index[folder.split("_")[0]] for folder in folders]


def train_test_split(df: pd.DataFrame, test_size: float = 0.5, random_state: int = 7) -> tuple[pd.DataFrame, pd.DataFrame]:
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


def compute_weights(my_generator: tf.keras.utils.Sequence) -> dict[int, float]:
    """Balanced class weights of what the generator yields.

    Reads every batch once, images included: that reshuffles a training set and draws its random numbers.

    Returns:
        Position among the labels that are present -> weight. Where a class has no image, the positions after
        it are not the labels.
    """
    labels = np.concatenate([batch_labels.argmax(axis=1) for _, batch_labels in my_generator])
    weights = compute_class_weight(class_weight="balanced", classes=np.unique(labels), y=labels)
    return dict(enumerate(weights))


def plot_model(model: tf.keras.Model) -> object:
    """Draw the network from left to right with its shapes: Keras's `plot_model`, which needs pydot and graphviz."""
    return tf.keras.utils.plot_model(model, rankdir="LR", show_shapes=True)


def dataset_description(dataset_csv: str = "data/data.csv") -> pd.DataFrame:
    """Count images by kind (rows) and resolution (columns), with totals; print the totals of images and patients."""
    df = get_dataframe(dataset_csv)
    kinds = [(name, subclass) for name, subclasses in SUBCLASSES.items() for subclass in subclasses or (None,)]
    table = pd.DataFrame(
        [[_count(df, *kind, resolution) for resolution in RESOLUTIONS] for kind in kinds],
        index=[name if subclass is None else f"{name}_{subclass}" for name, subclass in kinds],
        columns=list(RESOLUTIONS),
    )
    table.loc["Total"] = table.sum()
    table["Total"] = table.sum(axis=1)
    print("Total images", table.loc["Total", "Total"])
    print("Total patients", df["patient_id"].nunique(dropna=False))
    return table


def _count(df: pd.DataFrame, superclass: str, subclass: str | None, resolution: str) -> int:
    """Images of one kind; where the kind has no subclasses, of any."""
    chosen = (df["superclass"] == superclass) & (df["resolution"] == resolution)
    return int((chosen if subclass is None else chosen & (df["subclass"] == subclass)).sum())
