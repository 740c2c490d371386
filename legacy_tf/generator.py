"""Image batches for training and evaluation, and the patient splits they come from."""

from __future__ import annotations

import random
from collections.abc import Sequence

import albumentations as A
import imageio.v3 as imageio
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import tensorflow as tf

from . import utils

IMAGE_HEIGHT, IMAGE_WIDTH = 1200, 1600


def _patients(numbers: str) -> list[int]:
    return [int(number) for number in numbers.split()]


# The patients of the publication's split: resolution -> (train, validation, test).
PUBLISHED_PATIENTS = {
    "20x": (
        _patients("2 3 4 5 7 8 12 14 15 16 17 18 20 21 23 24 25 26 28 29 30 33 36 37 38 39 41 42 45"),
        _patients("1 6 27 32 44"),
        _patients("9 13 31 40"),
    ),
    "40x": (
        _patients("2 6 8 9 10 12 13 14 16 18 19 21 22 24 28 29 31 33 34 35 36 38 40 44"),
        _patients("1 4 17 26 30 37 45"),
        _patients("11 15 20 25 32 43"),
    ),
}


def train_augmentations(percent_resize: float = 0.25) -> A.Compose:
    """Augment at full size, then shrink to `percent_resize` and scale to [0, 1]."""
    return A.Compose(
        [
            A.HorizontalFlip(p=0.5),
            A.VerticalFlip(p=0.5),
            A.GridDistortion(p=0.2),
            # Quirk square_crop_stretch: w2h_ratio keeps its default 1, so a square is stretched to 4:3.
            A.RandomSizedCrop(min_max_height=(1000, 1200), height=IMAGE_HEIGHT, width=IMAGE_WIDTH, p=0.4),
            A.RandomGamma(gamma_limit=(80, 120), p=0.5),
            A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2, p=0.2),
            A.HueSaturationValue(hue_shift_limit=5, sat_shift_limit=20, val_shift_limit=10, p=0.2),
            *_shrink_and_scale(percent_resize),
        ]
    )


def test_augmentations(percent_resize: float = 0.25) -> A.Compose:
    """Shrink to `percent_resize` and scale to [0, 1].

    Quirk validation_draws_randomness: albumentations 1.3.1 draws random numbers even for transforms with p 1,
    so every evaluated image advances the stream that the training augmentations draw from.
    """
    return A.Compose(_shrink_and_scale(percent_resize))


def _shrink_and_scale(percent_resize: float) -> list[A.BasicTransform]:
    return [
        A.Resize(int(IMAGE_HEIGHT * percent_resize), int(percent_resize * IMAGE_WIDTH)),
        # Quirk unit_range_input: the network gets [0, 1] although its ImageNet weights expect [-1, 1].
        A.ToFloat(max_value=255),
    ]


class CustomDataGenerator(tf.keras.utils.Sequence):
    """Batches of augmented images (N, H, W, 3) float32 and one-hot labels (N, num_classes) float32.

    Quirk mid_epoch_reshuffle: item 0 reshuffles images and labels, and `Model.fit` asks for the items in
    random order. So item 0 comes in the middle of an epoch: about 1/6 of the images are not seen in it,
    and as many are seen twice.

    Args:
        images: Paths of the images, a sequence or an array; an array after a reshuffle.
        labels: Integer label of each image, likewise.
        num_classes: Length of a one-hot label.
        augmentations: Transform of every image.
        batch_size: Images per batch; the last batch may be shorter.
        shuffle_epoch: Whether item 0 reshuffles.
    """

    def __init__(
        self,
        images: Sequence[str] | np.ndarray,
        labels: Sequence[int] | np.ndarray,
        num_classes: int,
        augmentations: A.Compose,
        batch_size: int = 8,
        shuffle_epoch: bool = True,
    ) -> None:
        self.images = images
        self.labels = labels
        self.num_classes = num_classes
        self.augment = augmentations
        self.batch_size = batch_size
        self.shuffle_epoch = shuffle_epoch
        # Python's global generator: making any generator restarts the random numbers of all of them.
        random.seed(17)

    def __len__(self) -> int:
        return int(np.ceil(len(self.images) / self.batch_size))

    def __getitem__(self, idx: int) -> tuple[np.ndarray, np.ndarray]:
        if idx == 0 and self.shuffle_epoch:
            self._shuffle()
        batch = slice(idx * self.batch_size, (idx + 1) * self.batch_size)
        images = [self.augment(image=image)["image"] for image in [imageio.imread(path) for path in self.images[batch]]]
        return np.stack(images), tf.keras.utils.to_categorical(self.labels[batch], self.num_classes)

    def _shuffle(self) -> None:
        pairs = list(zip(self.images, self.labels, strict=True))
        random.shuffle(pairs)
        self.images = np.array([image for image, _ in pairs])
        self.labels = np.array([label for _, label in pairs])

    def show_generator(self, N: int = 6) -> None:
        """Draw `N` distinct random images with their labels; numpy's global generator draws them.

        A batch is read for each draw: of a training set, item 0 reshuffles, and random numbers are drawn.
        """
        _, axes = plt.subplots(1, N, figsize=(20, 4))
        seen: set[tuple[int, int]] = set()
        for axis in axes:
            place = None
            while place is None or place in seen:
                number = np.random.randint(0, len(self))
                images, labels = self[number]
                place = number, np.random.randint(0, len(images))
            seen.add(place)
            axis.imshow(images[place[1]])
            axis.axis("off")
            axis.set_title(f"Class: {labels[place[1]].argmax()}")


Frames = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def get_reproducible_ids(df: pd.DataFrame, resolution: str) -> Frames:
    """Rows of the publication's train, validation and test patients, in the order of `df`.

    Args:
        df: Metadata with the column patient_id, of numbers.
        resolution: "20x"; anything else takes the patients of 40x.
    """
    train, validation, test = PUBLISHED_PATIENTS["20x" if resolution == "20x" else "40x"]
    return tuple(df[df["patient_id"].isin(patients)] for patients in (train, validation, test))


def get_patient_generators(
    resolution: str,
    batch_size: int = 8,
    root_directory: str = "data/images/",
    dataset_csv: str = "data/data.csv",
    train_split: float = 0.8,
    val_split: float = 0.1,
    random_state: int = 17,
    image_scale: float = 0.25,
    reproducible: bool = False,
    debug: bool = False,
) -> tuple[CustomDataGenerator, CustomDataGenerator, CustomDataGenerator, list[str]]:
    """Make the training, validation and test generators of a split by patient.

    Args:
        resolution: "20x" or "40x".
        batch_size: Images per batch.
        root_directory: Folder of the image folders.
        dataset_csv: Metadata.
        train_split: Fraction of the patients for training; not used when reproducible.
        val_split: Fraction of the patients for validation; not used when reproducible.
        random_state: Seed of the split; not used when reproducible.
        image_scale: Size of a batch's images as a fraction of 1200x1600.
        reproducible: Take the publication's patients instead of a random split.
        debug: Print image and patient counts per set and class. Reads item 0 of the training set for the size,
            which reshuffles it and draws random numbers.

    Returns:
        The three generators and the class names.
    """
    df = utils.get_dataframe(dataset_csv, resolution, root_directory=root_directory)
    class_names, df["targetclass"] = utils.get_classes_labels(root_directory, df["image_path"])
    if reproducible:
        frames = get_reproducible_ids(df, resolution)
    else:
        frames = split_randomly(df, train_split, val_split, random_state)
    made = build_generators(frames, len(class_names), batch_size, image_scale)
    if debug:
        _print_counts(df, frames, class_names, made[0][0][0][0].shape)
    return *made, class_names


def split_randomly(df: pd.DataFrame, train_split: float = 0.8, val_split: float = 0.1, random_state: int = 17) -> Frames:
    """Rows of the train, validation and test patients of a random split; `df` has the column targetclass."""
    train, rest = utils.train_test_split(df, 1 - train_split, random_state)
    # The first part of the second split is the test set, the second part the validation set.
    test, validation = utils.train_test_split(rest, round(val_split / (1 - train_split), 3), random_state)
    return train, validation, test


def build_generators(
    frames: Frames, num_classes: int, batch_size: int, image_scale: float
) -> tuple[CustomDataGenerator, CustomDataGenerator, CustomDataGenerator]:
    """Generators of a training, a validation and a test frame; only training is augmented and shuffled."""
    generators = []
    for number, frame in enumerate(frames):
        training = number == 0
        augmentations = train_augmentations(image_scale) if training else test_augmentations(image_scale)
        images, labels = frame["image_path"].to_numpy(object), frame["targetclass"].to_numpy()
        generators.append(CustomDataGenerator(images, labels, num_classes, augmentations, batch_size, shuffle_epoch=training))
    return tuple(generators)


def _print_counts(df: pd.DataFrame, frames: Frames, class_names: list[str], shape: tuple[int, ...]) -> None:
    """One line of images, one of patients, and one for each class that occurs: a count for each set, and a total."""
    counts = {f"Images ({shape[0]}x{shape[1]})": ([len(part) for part in frames], len(df))}
    counts["Patients"] = ([part["patient_id"].nunique() for part in frames], df["patient_id"].nunique())
    for label in sorted(set(df["targetclass"])):
        images = [int((part["targetclass"] == label).sum()) for part in frames]
        counts[f"Class {class_names[label]:<6} (id {label})"] = (images, sum(images))
    for title, (parts, total) in counts.items():
        named = zip(("Training", "Validation", "Test", "Total"), (*parts, total), strict=True)
        print(f"{title:<20}  " + " | ".join(f"{name}: {count:<3}" for name, count in named))
