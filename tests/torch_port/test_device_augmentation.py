from __future__ import annotations

import json
import pickle
import random
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import cycle, islice
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import torch

from tests.torch_port.opencv import AVX2
from torch_port.device_augmentation import DeviceAugmentation
from torch_port.device_transforms import TRANSFORMS, resize, shift_hsv
from torch_port.images import read_image
from torch_port.quirks import Quirks
from torch_port.transforms import train_augmentations

pytestmark = pytest.mark.usefixtures("one_thread")
DRAWS = 20
OTHER = Quirks(unit_range_input=False, square_crop_stretch=False)
EOSIN, HEMATOXYLIN, GAP, NOISE = (233, 160, 200), (94, 60, 140), 245, 6  # colours of tissue, and a deviation, in levels


class Difference(NamedTuple):
    """Between what torch and what albumentations gives: in levels, or in what the network is fed."""

    share: float  # of values that are not the same
    mean: float
    largest: float


# Flips and lookup tables have nothing to round, and what is interpolated is interpolated in the same integers.
EXACT = Difference(0, 0, 0)


def hsv_limit(level: float = 1) -> Difference:
    """Return the limit for what HSV takes part in, where a level is so much.

    Without AVX2, OpenCV rounds once more than `shift_hsv`, and up to 2.4e-4 of the levels of tissue, and 1.9e-4 of those of
    all colours, come out one lower or higher than with.
    """
    if cv2.checkHardwareSupport(AVX2):
        return EXACT
    return Difference(share=1e-3, mean=1e-3 * level, largest=1.001 * level)  # a little more for float32


def make_tissue(seed: int) -> np.ndarray:
    """Return a picture of stained tissue with gaps, uint8, (1200, 1600, 3)."""
    generator = np.random.default_rng(seed)
    stain = cv2.resize(generator.uniform(-0.5, 1.5, (60, 80)), (1600, 1200), interpolation=cv2.INTER_CUBIC)[..., np.newaxis]
    levels = np.where(stain < 0, GAP, EOSIN + (np.array(HEMATOXYLIN) - EOSIN) * stain)
    return np.clip(levels + generator.normal(0, NOISE, levels.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def synthetic() -> list[np.ndarray]:
    return [make_tissue(0), np.random.default_rng(1).integers(0, 256, (1200, 1600, 3), dtype=np.uint8)]


@pytest.fixture(scope="module")
def tissue(shared_data) -> list[np.ndarray]:
    paths = sorted((shared_data / "tissue_tiles" / "images").rglob("*.jpg"))
    return [read_image(path) for path in paths[::5]]


@pytest.fixture(scope="module")
def all_colours() -> np.ndarray:
    """Every RGB colour once, uint8, (4096, 4096, 3)."""
    numbers = np.arange(1 << 24).reshape(4096, 4096)
    return np.stack([numbers >> 16, numbers >> 8, numbers], axis=-1).astype(np.uint8)


def to_tensor(levels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(levels.transpose(2, 0, 1)))


def compare(pairs: Iterable[tuple[torch.Tensor, np.ndarray]]) -> Difference:
    """Compare pairs of images of the same size, (3, H, W) and (H, W, 3)."""
    figures = []
    for tensor, expected in pairs:
        found = tensor.numpy().transpose(1, 2, 0)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        differs = found != expected
        gap = np.abs(np.subtract(found[differs], expected[differs], dtype=np.float64))
        figures.append(Difference(differs.mean(), gap.sum() / differs.size, gap.max(initial=0)))
    share, mean, largest = zip(*figures, strict=True)
    return Difference(float(np.mean(share)), float(np.mean(mean)), float(max(largest)))


def draw_and_apply(transform: Any, levels: np.ndarray) -> tuple[torch.Tensor, np.ndarray]:
    """Return what torch and what albumentations makes of an image, with the same parameters."""
    parameters = transform.get_params()
    if transform.targets_as_params:
        parameters |= transform.get_params_dependent_on_targets({"image": levels})
    return TRANSFORMS[type(transform).__name__](to_tensor(levels), **parameters), transform.apply(levels, **parameters)


def augment_both(percent_resize: float, quirks: Quirks, images: Sequence[np.ndarray]) -> list[tuple[torch.Tensor, np.ndarray]]:
    """Return what torch and what albumentations makes of each image of a batch, with the same random numbers."""
    augmentation = DeviceAugmentation(percent_resize, quirks=quirks)
    state = random.getstate()
    batch = torch.stack([to_tensor(image) for image in images])
    found = augmentation.apply(batch, [augmentation.draw() for _ in images])
    random.setstate(state)
    augment = train_augmentations(percent_resize, quirks=quirks)
    return [(image, augment(image=levels)["image"]) for image, levels in zip(found, images, strict=True)]


def measure_agreement(images: Sequence[np.ndarray], draws: int, seed: int) -> dict[str, Difference]:
    """Return how each transform, and the whole augmentation, differs from albumentations over so many draws."""
    random.seed(seed)
    turns = list(islice(cycle(images), draws))
    table = {
        type(transform).__name__: compare(draw_and_apply(transform, levels) for levels in turns)
        for transform in train_augmentations()
        if transform.p < 1
    }
    return table | {"augmentation": compare(pair for levels in turns for pair in augment_both(0.25, Quirks(), [levels]))}


@pytest.mark.parametrize("kind", ["synthetic", "tissue"])
def test_every_transform_and_the_whole_agree_with_albumentations(request, kind):
    table = measure_agreement(request.getfixturevalue(kind), DRAWS, seed=2)
    for name, found in table.items():
        print(f"{kind:<10}{name:<25}{found.share:<12.2g}{found.mean:<12.2g}{found.largest:.2g}")
    limits = dict.fromkeys(TRANSFORMS, EXACT) | {"HueSaturationValue": hsv_limit(), "augmentation": hsv_limit(1 / 255)}
    assert list(table) == list(limits)
    for name, limit in limits.items():
        assert np.less_equal(table[name], limit).all(), (name, table[name])


@pytest.mark.parametrize("optimized", [True, False])
def test_hue_saturation_and_value_of_every_colour(all_colours, optimized):
    transform = train_augmentations()[6]
    shifts = {"hue_shift": 3.7, "sat_shift": -12.4, "val_shift": 9.9}
    strips = np.split(all_colours, 16)  # a whole one would take gigabytes
    cv2.setUseOptimized(optimized)
    try:
        limit = hsv_limit()
        found = compare((shift_hsv(to_tensor(strip), **shifts), transform.apply(strip, **shifts)) for strip in strips)
    finally:
        cv2.setUseOptimized(True)
    assert np.less_equal(found, limit).all(), found


@pytest.mark.parametrize("size", [(300, 400), (600, 800), (348, 463), (63, 85), (1200, 1600), (1333, 2000)])
def test_resizing_is_exact_at_every_scale(synthetic, size):
    levels = synthetic[1]
    expected = cv2.resize(levels, size[::-1], interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(resize(to_tensor(levels), *size).permute(1, 2, 0), expected)


@pytest.mark.parametrize(("percent_resize", "quirks"), [(0.29, Quirks()), (0.5, OTHER)])
def test_a_batch_of_another_size_and_with_other_quirks(synthetic, percent_resize, quirks):
    random.seed(3)
    found = compare(augment_both(percent_resize, quirks, [*synthetic, *synthetic, *synthetic]))
    level = 1 / 255 if quirks.unit_range_input else 2 / 255
    assert np.less_equal(found, hsv_limit(level)).all(), found


def record(used: dict[str, Any], name: str, levels: np.ndarray, *, cols, rows, interpolation=None, **parameters) -> np.ndarray:
    """Stand in for a transform's `apply`: keep what was drawn for it, and leave the image as it is."""
    used[name] = parameters
    return levels


@pytest.mark.parametrize("quirks", [Quirks(), OTHER])
def test_parameters_and_random_numbers_are_those_of_albumentations(quirks):
    augment = train_augmentations(quirks=quirks)
    used: dict[str, Any] = {}
    for transform in augment:
        if transform.p < 1:
            transform.apply = partial(record, used, type(transform).__name__)
    augmentation = DeviceAugmentation(quirks=quirks)
    levels = np.zeros((1200, 1600, 3), np.uint8)
    applied = dict.fromkeys(TRANSFORMS, 0)
    for seed in range(500):
        random.seed(seed)
        drawn = augmentation.draw()
        state = random.getstate()
        used.clear()
        random.seed(seed)
        augment(image=levels)
        assert random.getstate() == state, seed
        assert list(drawn.items()) == list(used.items()), seed
        for name in drawn:
            applied[name] += 1
    assert all(50 < count < 300 for count in applied.values()), applied


def test_parameters_are_plain_and_the_augmentation_can_be_sent_to_a_process():
    augmentation = DeviceAugmentation()
    sent = pickle.loads(pickle.dumps(augmentation))
    random.seed(4)
    drawn = [augmentation.draw() for _ in range(50)]
    random.seed(4)
    assert [sent.draw() for _ in range(50)] == drawn
    assert json.loads(json.dumps(drawn)) == drawn


def test_images_are_left_as_they_are_and_need_parameters_each(synthetic):
    augmentation = DeviceAugmentation()
    levels = torch.stack([to_tensor(image) for image in synthetic])
    before = levels.clone()
    random.seed(5)
    drawn = [augmentation.draw() for _ in range(3)]
    assert augmentation.apply(levels, drawn[:2]).shape == (2, 3, 300, 400)
    assert torch.equal(levels, before)
    for wrong in (drawn, drawn[:1]):
        with pytest.raises(ValueError, match="argument 2 is"):
            augmentation.apply(levels, wrong)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_gives_the_same_bits(synthetic):
    augmentation = DeviceAugmentation()
    random.seed(6)
    drawn = [augmentation.draw() for _ in range(12)]
    assert {name for parameters in drawn for name in parameters} == set(TRANSFORMS)
    levels = torch.stack([to_tensor(image) for image in [*synthetic] * 6])
    assert torch.equal(augmentation.apply(levels.cuda(), drawn).cpu(), augmentation.apply(levels, drawn))
