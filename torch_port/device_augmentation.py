"""The training augmentation on the device: parameters are drawn where images are read, images are changed where they are used.

So a GPU need not wait for the processor's augmentation. `transforms.train_augmentations` is what it must agree with.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from torch_port.device_transforms import TRANSFORMS, resize
from torch_port.quirks import DEFAULT, Quirks
from torch_port.transforms import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX, MAX_LEVEL, input_size, train_augmentations

SAME_FOR_ALL = ("image", "Resize", "ToFloat", "Normalize")  # nothing is drawn for them

Parameters = dict[str, dict[str, Any]]  # of one image: of the transforms that it goes through, in their order, by name


class DrawnImages(NamedTuple):
    """A batch that is still to be augmented.

    Attributes:
        levels: uint8, (N, 3, 1200, 1600), RGB.
        parameters: Of each image, from `DeviceAugmentation.draw`.
    """

    levels: Tensor
    parameters: list[Parameters]


class DeviceAugmentation:
    """The training augmentation in two steps: `draw` in any process, `apply` on any device.

    Args:
        percent_resize: Size of the result as a fraction of 1200 x 1600.
        quirks: Switches.
    """

    def __init__(self, percent_resize: float = 0.25, *, quirks: Quirks = DEFAULT) -> None:
        self.size = input_size(percent_resize)
        self.quirks = quirks
        self._draws = train_augmentations(percent_resize, quirks=quirks)
        for transform in self._draws:
            transform.apply_with_params = partial(_note, type(transform).__name__)

    @property
    def transforms(self) -> Sequence[Any]:
        """What is drawn for, in order, as of an albumentations pipeline."""
        found: Sequence[Any] = self._draws.transforms
        return found

    def draw(self) -> Parameters:
        """Return the parameters of one image's augmentation: numbers in lists and dictionaries.

        albumentations draws them, from Python's global random numbers: the same, and as many, as if it augmented.
        """
        noted = self._draws(image=np.empty((IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX, 0), np.uint8))
        return {name: parameters for name, parameters in noted.items() if name not in SAME_FOR_ALL}

    def apply(self, levels: Tensor, parameters: Sequence[Parameters]) -> Tensor:
        """Return the augmented images of a `DrawnImages`, float32, (N, 3, h, w), on the device of the levels.

        Raises:
            ValueError: There are not as many parameters as images.
        """
        augmented = [_augment(image, drawn) for image, drawn in zip(levels, parameters, strict=True)]
        shrunk = resize(torch.stack(augmented), *self.size).float()
        # On a GPU, dividing by a number of the host multiplies by its reciprocal, which is another rounding.
        images = shrunk / torch.full((), MAX_LEVEL, dtype=torch.float32, device=levels.device)
        return images if self.quirks.unit_range_input else images * 2 - 1


def _note(name: str, parameters: dict[str, Any], **data: Any) -> dict[str, Any]:
    """Stand in for a transform that is to be applied: put its parameters beside the image."""
    return {**data, name: parameters}


def _augment(levels: Tensor, parameters: Parameters) -> Tensor:
    """Return the augmented levels of one image, uint8, (3, 1200, 1600)."""
    for name, drawn in parameters.items():
        levels = TRANSFORMS[name](levels, **drawn)
    return levels
