"""The transforms of the training augmentation in torch, on any device: albumentations 1.3.1 and OpenCV 4.

Each takes the levels of an image and the parameters that albumentations draws for it, under albumentations' names, and
gives the levels that OpenCV gives: its fixed-point arithmetic is done in integers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from itertools import pairwise

import numpy as np
import torch
from albumentations.augmentations.crops.functional import get_random_crop_coords
from albumentations.augmentations.functional import brightness_contrast_adjust, gamma_transform
from torch import Tensor

from torch_port.transforms import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX, MAX_LEVEL

ALL_LEVELS = np.arange(MAX_LEVEL + 1, dtype=np.uint8)[np.newaxis]  # an image that has every level once
RESIZE_BITS = 11  # after the point, in a weight of `cv2.resize`
REMAP_BITS = 5  # after the point, in a place of `cv2.remap`
HSV_BITS = 12  # after the point, in the quotients from which `cv2.cvtColor` takes hue and saturation
HUES = 180  # a hue of OpenCV is in steps of 2 degrees


def distort_grid(levels: Tensor, stepsx: Sequence[float], stepsy: Sequence[float]) -> Tensor:
    """Stretch and squeeze the cells of a grid: ``A.GridDistortion``, by ``cv2.remap`` with mirrored borders.

    Args:
        levels: uint8, (3, H, W); height and width are multiples of the number of cells.
        stepsx: Widths of the cells as multiples of the undistorted one; the last is not used.
        stepsy: Heights of the cells.
    """
    columns = _weigh_neighbours(levels, -1, *_remap_taps(levels.shape[-1], stepsx, levels.device))
    rows = _weigh_neighbours(torch.add(*columns), -2, *_remap_taps(levels.shape[-2], stepsy, levels.device))
    half = 1 << (2 * REMAP_BITS - 1)
    return ((torch.add(*rows) + half) >> (2 * REMAP_BITS)).to(torch.uint8)


def resize_crop(levels: Tensor, crop_height: int, crop_width: int, h_start: float, w_start: float) -> Tensor:
    """Stretch a crop to 1200 x 1600: ``A.RandomSizedCrop``.

    Args:
        levels: uint8, (3, H, W).
        crop_height: Height of the crop in pixels.
        crop_width: Width of the crop in pixels.
        h_start: Place of the crop from 0, at the top, to 1, at the bottom.
        w_start: Place of the crop from 0, at the left, to 1, at the right.
    """
    left, top, right, bottom = get_random_crop_coords(*levels.shape[-2:], crop_height, crop_width, h_start, w_start)
    return resize(levels[..., top:bottom, left:right], IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX)


def resize(levels: Tensor, height: int, width: int) -> Tensor:
    """Resize bilinearly without antialiasing: ``cv2.resize`` with ``INTER_LINEAR``.

    Args:
        levels: uint8, (..., H, W).
        height: Height of the result in pixels.
        width: Width of the result in pixels.
    """
    columns = _weigh_neighbours(levels, -1, *_resize_taps(levels.shape[-1], width, levels.device))
    upper, lower = _weigh_neighbours(torch.add(*columns) >> 4, -2, *_resize_taps(levels.shape[-2], height, levels.device))
    # 2 x 11 bits after the point: OpenCV drops 4 between the sums and 16 of each product, and rounds the last 2.
    return (((upper >> 16) + (lower >> 16) + 2) >> 2).to(torch.uint8)


def adjust_gamma(levels: Tensor, gamma: float) -> Tensor:
    """Apply a power law: ``A.RandomGamma``.

    Args:
        levels: uint8, (..., H, W).
        gamma: Exponent.
    """
    return _look_up(gamma_transform(ALL_LEVELS, gamma), levels)


def adjust_brightness_contrast(levels: Tensor, alpha: float, beta: float) -> Tensor:
    """Apply a straight line, cut off at 0 and 255: ``A.RandomBrightnessContrast``.

    Args:
        levels: uint8, (..., H, W).
        alpha: Contrast, a factor.
        beta: Brightness, a summand in units of 255 levels.
    """
    return _look_up(brightness_contrast_adjust(ALL_LEVELS, alpha, beta, beta_by_max=True), levels)


def shift_hsv(levels: Tensor, hue_shift: float, sat_shift: float, val_shift: float) -> Tensor:
    """Shift hue, saturation and value: ``A.HueSaturationValue``, by ``cv2.cvtColor`` to HSV and back.

    The arithmetic is that of OpenCV's vector code with fused multiply-add (AVX2): it rounds once where two operations
    would round twice, and cuts the result off. OpenCV itself gives up to 1 level in 4000 by 1 differently without AVX2,
    and rounds at the end of rows that no vector fills: not in rows of 1600 pixels.

    Args:
        levels: uint8, (3, H, W), RGB.
        hue_shift: In steps of 2 degrees.
        sat_shift: In levels.
        val_shift: In levels.
    """
    steps = np.arange(MAX_LEVEL + 1, dtype=np.int16)
    hues = np.mod(steps[:HUES] + hue_shift, HUES).astype(np.uint8)
    saturations, values = (np.clip(steps + shift, 0, MAX_LEVEL).astype(np.uint8) for shift in (sat_shift, val_shift))
    unit = np.float32(1 / MAX_LEVEL)
    hue, saturation, value = _split_hsv(levels)
    saturation, value = _look_up(saturations * unit, saturation), _look_up(values * unit, value)
    depths = torch.stack([_look_up(depth, hue) for depth in _channel_depths()[:, hues]])
    shares = (1 - saturation.double() * depths).float()  # in float64 the product is exact
    return (value * shares * MAX_LEVEL).to(torch.uint8)


TRANSFORMS: Mapping[str, Callable[..., Tensor]] = {
    "HorizontalFlip": partial(torch.flip, dims=(-1,)),
    "VerticalFlip": partial(torch.flip, dims=(-2,)),
    "GridDistortion": distort_grid,
    "RandomSizedCrop": resize_crop,
    "RandomGamma": adjust_gamma,
    "RandomBrightnessContrast": adjust_brightness_contrast,
    "HueSaturationValue": shift_hsv,
}


def _weigh_neighbours(levels: Tensor, axis: int, pixels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and the second neighbour of every new pixel along an axis, times its weight, int32."""
    shape = (-1, 1) if axis == -2 else (-1,)
    first, second = (
        levels.index_select(axis, pixel) * weight.view(shape) for pixel, weight in zip(pixels, weights, strict=True)
    )
    return first, second


@cache  # a copy for every image would be what a GPU waits for
def _resize_taps(size: int, new_size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the two neighbours of every new pixel and their weights, both (2, new_size), int32."""
    scale = 1 / (new_size / size)
    places = ((np.arange(new_size) + 0.5) * scale - 0.5).astype(np.float32)
    first = np.floor(places)
    part = places - first
    pixels = np.clip([first, first + 1], 0, size - 1)
    weights = np.rint(np.stack([1 - part, part]) * (1 << RESIZE_BITS))
    return _send(pixels.astype(np.int32), device), _send(weights.astype(np.int32), device)


def _remap_taps(size: int, steps: Sequence[float], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the two neighbours of every pixel in the undistorted image and their weights, both (2, size), int32."""
    cell = size // (len(steps) - 1)
    knots = np.cumsum([0.0, *(cell * step for step in steps[:-1])])
    places = np.concatenate([np.linspace(start, stop, cell) for start, stop in pairwise(knots)])
    one = 1 << REMAP_BITS
    first, part = np.divmod(np.rint(places.astype(np.float32) * one).astype(np.int32), one)
    last = size - 1
    pixels = last - np.abs(last - np.stack([first, first + 1]))  # mirrored at the last pixel
    return _send(pixels, device), _send(np.stack([one - part, part]), device)


def _look_up(table: np.ndarray, indices: Tensor) -> Tensor:
    """Return the entries of a table at integer indices."""
    return _send(table.ravel(), indices.device).index_select(0, indices.flatten().int()).view(indices.shape)


def _send(array: np.ndarray, device: torch.device) -> Tensor:
    """Put an array on a device without waiting for what the device still has to do."""
    return torch.from_numpy(array).to(device, non_blocking=True)


def _split_hsv(levels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return hue from 0 to 179, saturation and value from 0 to 255, all (H, W), int32: ``cv2.COLOR_RGB2HSV``."""
    red, green, blue = levels.int()
    value = torch.maximum(torch.maximum(red, green), blue)
    spread = value - torch.minimum(torch.minimum(red, green), blue)
    divisors = np.maximum(np.arange(MAX_LEVEL + 1), 1)  # what is divided by 0 is 0
    by_value, by_spread = (np.rint((full << HSV_BITS) / divisors).astype(np.int32) for full in (MAX_LEVEL, HUES // 6))
    half = 1 << (HSV_BITS - 1)
    saturation = (spread * _look_up(by_value, value) + half) >> HSV_BITS
    turn = torch.where(
        value == red, green - blue, torch.where(value == green, blue - red + 2 * spread, red - green + 4 * spread)
    )
    hue = (turn * _look_up(by_spread, spread) + half) >> HSV_BITS
    return torch.where(hue < 0, hue + HUES, hue), saturation, value


@cache
def _channel_depths() -> np.ndarray:
    """Return how far red, green and blue fall below the value at full saturation, float32, (3, 180) by hue."""
    places = np.arange(HUES, dtype=np.float32) * (np.float32(6) / np.float32(HUES))
    sextants = places.astype(int)
    rising = places - sextants.astype(np.float32)
    none, full = np.zeros_like(rising), np.ones_like(rising)
    red = np.stack([none, rising, full, full, 1 - rising, none])  # green and blue: 2 and 4 sextants on
    return np.stack([np.roll(red, shift, axis=0)[sextants, np.arange(HUES)] for shift in (0, 2, 4)])
