"""Batches, their order, the published split."""

from __future__ import annotations

import random
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from legacy_tf import generator, utils

from .conftest import NUMBERED_ROWS, image_name


@pytest.fixture(scope="module")
def made(numbered_dataset):
    return generator.get_patient_generators(
        "20x", 2, str(numbered_dataset / "images"), str(numbered_dataset / "data.csv"), image_scale=0.08, reproducible=True
    )


def names(paths) -> list[str]:
    return [Path(path).name for path in paths]


def test_published_split_of_the_tiny_set(made):
    train, val, test, class_names = made
    assert class_names == ["aca", "nor", "scc"]
    assert [names(part.images) for part in (train, val, test)] == [
        [image_name(row) for row in NUMBERED_ROWS[start : start + 3]] for start in (0, 3, 6)
    ]
    assert [part.labels.tolist() for part in (train, val, test)] == [[0, 1, 2]] * 3
    assert (train.shuffle_epoch, val.shuffle_epoch, test.shuffle_epoch) == (True, False, False)


@pytest.mark.parametrize(("resolution", "images", "patients"), [("20x", (263, 48, 48), (29, 5, 4)), ("40x", None, (24, 7, 6))])
def test_published_split_of_the_real_set(real_metadata, resolution, images, patients):
    df = utils.get_dataframe(real_metadata, resolution)
    parts = generator.get_reproducible_ids(df, resolution)
    assert images is None or tuple(len(part) for part in parts) == images
    assert tuple(part["patient_id"].nunique() for part in parts) == patients
    assert sorted(index for part in parts for index in part.index) == list(df.index)


def test_random_split_makes_the_first_part_of_the_rest_the_test_set(real_metadata, tmp_path):
    for folder in ("aca", "nor", "scc"):
        (tmp_path / folder).mkdir()
    train, val, test, _ = generator.get_patient_generators("20x", root_directory=str(tmp_path), dataset_csv=str(real_metadata))
    df = utils.get_dataframe(real_metadata, "20x", root_directory=str(tmp_path))
    df["targetclass"] = df["superclass"].map({"aca": 0, "nor": 1, "scc": 2})
    expected_train, rest = utils.train_test_split(df, 1 - 0.8, 17)
    first, second = utils.train_test_split(rest, 0.5, 17)
    assert [part.images.tolist() for part in (train, test, val)] == [
        part["image_path"].tolist() for part in (expected_train, first, second)
    ]
    assert len(train.images) + len(val.images) + len(test.images) == 359


def test_evaluation_batches_are_opencv_bilinear_over_255(made):
    _, val, _, _ = made
    assert len(val) == 2
    images, labels = val[0]
    assert images.shape == (2, 96, 128, 3)
    assert images.dtype == labels.dtype == np.float32
    pixels = np.asarray(Image.open(val.images[0]))
    expected = cv2.resize(pixels, (128, 96), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255
    np.testing.assert_array_equal(images[0], expected)
    np.testing.assert_array_equal(labels, [[1, 0, 0], [0, 1, 0]])
    assert val[1][0].shape == (1, 96, 128, 3)  # the last batch is short


def test_training_batches_repeat_with_the_seed_and_differ_from_evaluation(made):
    train = made[0]
    batches = []
    for _ in range(2):
        random.seed(3)
        np.random.seed(3)  # noqa: NPY002 - GridDistortion and its like draw from numpy's global generator
        batches.append(train[1][0])
    np.testing.assert_array_equal(*batches)
    plain = generator.CustomDataGenerator(train.images, train.labels, 3, generator.test_augmentations(0.08), 2)
    assert batches[0].shape == plain[1][0].shape
    assert not np.array_equal(batches[0], plain[1][0])


def test_item_0_alone_reshuffles_images_and_labels_together():
    images, labels = [f"{label}_{number}" for label in range(3) for number in range(4)], [0] * 4 + [1] * 4 + [2] * 4
    shuffled = generator.CustomDataGenerator(images, labels, 3, lambda image: {"image": image}, 4)
    expected = list(zip(images, labels, strict=True))
    random.seed(17)  # as the constructor does
    random.shuffle(expected)
    random.seed(17)
    with pytest.raises(FileNotFoundError):
        shuffled[1]
    assert shuffled.images == images
    with pytest.raises(FileNotFoundError):
        shuffled[0]
    assert list(zip(shuffled.images, shuffled.labels, strict=True)) == expected


def test_fit_gets_item_0_in_the_middle_of_an_epoch_and_so_misses_images(monkeypatch):
    monkeypatch.setattr(generator.imageio, "imread", lambda path: np.full((1, 1, 3), int(path), np.float32))
    asked: list[int] = []

    class Watched(generator.CustomDataGenerator):
        def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
            images, labels = super().__getitem__(index)
            asked.append((index, images[:, 0, 0, 0].astype(int).tolist()))
            return images, labels

    source = Watched([str(number) for number in range(80)], [0] * 80, 1, lambda image: {"image": image}, 4)
    model = tf.keras.Sequential([tf.keras.Input((1, 1, 3)), tf.keras.layers.Flatten(), tf.keras.layers.Dense(1)])
    model.compile(loss="mse")
    model.fit(source, epochs=20, verbose=0)
    assert asked[0][0] == 0  # a look at the shapes, before the first epoch
    epochs = [asked[1 + 20 * number : 21 + 20 * number] for number in range(20)]
    assert all(sorted(index for index, _ in epoch) == list(range(20)) for epoch in epochs)
    assert sum(epoch[0][0] == 0 for epoch in epochs) < 5
    seen = [len({image for _, images in epoch for image in images}) / 80 for epoch in epochs]
    assert np.mean(seen) == pytest.approx(5 / 6, abs=0.06)


def test_every_constructor_restarts_the_global_random_numbers():
    draws = []
    for _ in range(2):
        generator.CustomDataGenerator([], [], 3, None)
        draws.append([random.random() for _ in range(3)])
    assert draws[0] == draws[1] == [random.Random(17).random(), *draws[0][1:]]


def test_an_evaluated_image_draws_three_random_numbers(monkeypatch):
    draws = []
    original = random.random
    monkeypatch.setattr(random, "random", lambda: draws.append(1) or original())
    generator.test_augmentations(0.05)(image=np.zeros((1200, 1600, 3), np.uint8))
    assert len(draws) == 3


def test_transforms_in_order_with_their_parameters():
    transforms = {
        step["__class_fullname__"]: step for step in generator.train_augmentations().to_dict()["transform"]["transforms"]
    }
    assert [(name, step["p"]) for name, step in transforms.items()] == [
        ("HorizontalFlip", 0.5),
        ("VerticalFlip", 0.5),
        ("GridDistortion", 0.2),
        ("RandomSizedCrop", 0.4),
        ("RandomGamma", 0.5),
        ("RandomBrightnessContrast", 0.2),
        ("HueSaturationValue", 0.2),
        ("Resize", 1),
        ("ToFloat", 1.0),
    ]
    assert transforms["RandomSizedCrop"]["min_max_height"] == (1000, 1200)
    assert transforms["RandomSizedCrop"]["w2h_ratio"] == 1.0
    assert (transforms["Resize"]["height"], transforms["Resize"]["width"]) == (300, 400)
    assert transforms["HueSaturationValue"]["hue_shift_limit"] == (-5, 5)
    assert transforms["HueSaturationValue"]["sat_shift_limit"] == (-20, 20)
    assert transforms["HueSaturationValue"]["val_shift_limit"] == (-10, 10)
    assert transforms["RandomGamma"]["gamma_limit"] == (80, 120)
