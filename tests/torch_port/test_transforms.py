from __future__ import annotations

import random

import numpy as np
import pytest

from torch_port import transforms
from torch_port.quirks import Quirks


@pytest.fixture(scope="module")
def levels():
    return np.random.default_rng(0).integers(0, 256, (1200, 1600, 3), dtype=np.uint8)


def test_training_transforms_in_order_with_their_probabilities_and_limits():
    found = transforms.train_augmentations(0.25).to_dict()["transform"]["transforms"]
    expected = (
        ("HorizontalFlip", 0.5, {}),
        ("VerticalFlip", 0.5, {}),
        ("GridDistortion", 0.2, {"num_steps": 5, "distort_limit": (-0.3, 0.3), "border_mode": 4, "normalized": False}),
        ("RandomSizedCrop", 0.4, {"min_max_height": (1000, 1200), "height": 1200, "width": 1600, "w2h_ratio": 1.0}),
        ("RandomGamma", 0.5, {"gamma_limit": (80, 120)}),
        ("RandomBrightnessContrast", 0.2, {"brightness_limit": (-0.2, 0.2), "contrast_limit": (-0.2, 0.2)}),
        (
            "HueSaturationValue",
            0.2,
            {"hue_shift_limit": (-5, 5), "sat_shift_limit": (-20, 20), "val_shift_limit": (-10, 10)},
        ),
        ("Resize", 1, {"height": 300, "width": 400, "interpolation": 1}),
        ("ToFloat", 1.0, {"max_value": 255}),
    )
    assert [transform["__class_fullname__"] for transform in found] == [name for name, _, _ in expected]
    for transform, (name, probability, limits) in zip(found, expected, strict=True):
        assert transform["p"] == probability, name
        assert {key: transform[key] for key in limits} == limits, name


def test_evaluation_at_a_quarter_is_the_rounded_mean_of_the_middle_of_4x4_pixels(levels):
    found = transforms.test_augmentations(0.25)(image=levels)["image"]
    pixels = levels.reshape(300, 4, 400, 4, 3)[:, 1:3, :, 1:3].astype(int)
    assert found.dtype == np.float32
    assert np.array_equal(found, ((pixels.sum(axis=(1, 3)) + 2) // 4).astype(np.float32) / np.float32(255))


@pytest.mark.parametrize(("scale", "size"), [(0.25, (300, 400)), (0.08, (96, 128)), (0.29, (348, 463)), (0.0533, (63, 85))])
def test_sizes_are_cut_off(levels, scale, size):
    assert transforms.input_size(scale) == (int(1200 * scale), int(scale * 1600)) == size
    assert transforms.test_augmentations(scale)(image=levels)["image"].shape == (*size, 3)


def test_evaluation_draws_three_random_numbers_for_an_image(levels):
    random.seed(5)
    expected = [random.random() for _ in range(4)][3]
    random.seed(5)
    transforms.test_augmentations(0.05)(image=levels)
    assert random.random() == expected


def test_evaluation_without_draws(levels):
    silent = transforms.test_augmentations(0.05, quirks=Quirks(validation_draws_randomness=False))
    random.seed(5)
    expected = random.random()
    random.seed(5)
    found = silent(image=levels)["image"]
    assert random.random() == expected
    assert np.array_equal(found, transforms.test_augmentations(0.05)(image=levels)["image"])


def test_the_other_input_range(levels):
    quirks = Quirks(unit_range_input=False)
    found = transforms.test_augmentations(0.05, quirks=quirks)(image=levels)["image"]
    faithful = transforms.test_augmentations(0.05)(image=levels)["image"]
    assert np.allclose(found, faithful * 2 - 1, atol=1e-6)
    assert np.array_equal(transforms.scale_levels(np.array([0, 255]), np.float64, quirks=quirks), [-1, 1])
    assert np.array_equal(transforms.scale_levels(np.array([0, 255]), np.float64), [0, 1])


def test_the_other_crop():
    augment = transforms.train_augmentations(quirks=Quirks(square_crop_stretch=False))
    assert augment.to_dict()["transform"]["transforms"][3]["w2h_ratio"] == 4 / 3
