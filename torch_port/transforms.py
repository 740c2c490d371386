"""From the levels of a file to the input of the network: `legacy_tf.generator`, by albumentations 1.3.1."""

from __future__ import annotations

import random
from typing import Any

import albumentations as A
import numpy as np

from torch_port.quirks import DEFAULT, Quirks

IMAGE_HEIGHT_PX = 1200
IMAGE_WIDTH_PX = 1600
MAX_LEVEL = 255


class SilentCompose(A.Compose):
    """A pipeline that leaves Python's global random numbers as it found them."""

    def __call__(self, *args: Any, **data: Any) -> dict[str, Any]:
        """Run the pipeline."""
        state = random.getstate()
        try:
            return super().__call__(*args, **data)
        finally:
            random.setstate(state)


def train_augmentations(percent_resize: float = 0.25, *, quirks: Quirks = DEFAULT) -> A.Compose:
    """Return the training augmentation: `legacy_tf.generator.train_augmentations`.

    Random numbers come from Python's global generator. Everything works at full size, on levels 0 to 255; the
    shrinking and the division come last.

    Args:
        percent_resize: Size of the result as a fraction of 1200 x 1600.
        quirks: Switches.
    """
    crop_ratio = 1.0 if quirks.square_crop_stretch else IMAGE_WIDTH_PX / IMAGE_HEIGHT_PX
    return A.Compose(
        [
            A.HorizontalFlip(p=0.5),
            A.VerticalFlip(p=0.5),
            A.GridDistortion(p=0.2),
            A.RandomSizedCrop(
                min_max_height=(1000, 1200),
                height=IMAGE_HEIGHT_PX,
                width=IMAGE_WIDTH_PX,
                w2h_ratio=crop_ratio,
                p=0.4,
            ),
            A.RandomGamma(gamma_limit=(80, 120), p=0.5),
            A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2, p=0.2),
            A.HueSaturationValue(hue_shift_limit=5, sat_shift_limit=20, val_shift_limit=10, p=0.2),
            *_shrink_and_scale(percent_resize, quirks),
        ]
    )


def test_augmentations(percent_resize: float = 0.25, *, quirks: Quirks = DEFAULT) -> A.Compose:  # noqa: PT028
    """Return the preparation of evaluation images: `legacy_tf.generator.test_augmentations`.

    Args:
        percent_resize: Size of the result as a fraction of 1200 x 1600.
        quirks: Switches.
    """
    compose = A.Compose if quirks.validation_draws_randomness else SilentCompose
    return compose(_shrink_and_scale(percent_resize, quirks))


test_augmentations.__test__ = False  # the legacy's name: pytest must not take it for a test


def input_size(percent_resize: float) -> tuple[int, int]:
    """Return height and width in pixels of a network input, cut off as in the legacy."""
    return int(IMAGE_HEIGHT_PX * percent_resize), int(percent_resize * IMAGE_WIDTH_PX)


def scale_levels(levels: np.ndarray, dtype: type, *, quirks: Quirks = DEFAULT) -> np.ndarray:
    """Scale levels 0 to 255 to the network's range."""
    images = levels.astype(dtype) / MAX_LEVEL
    return images if quirks.unit_range_input else images * 2 - 1


def _shrink_and_scale(percent_resize: float, quirks: Quirks) -> list[A.BasicTransform]:
    transforms = [A.Resize(*input_size(percent_resize)), A.ToFloat(max_value=MAX_LEVEL)]
    if not quirks.unit_range_input:
        transforms.append(A.Normalize(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), max_pixel_value=1.0))
    return transforms
