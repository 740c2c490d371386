"""Grad-CAM, the counterpart of `legacy_tf.gradcam`, with captum's LayerGradCam."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import matplotlib
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from torch_port.errors import DataError, InputError
from torch_port.images import read_image
from torch_port.model import Classifier
from torch_port.quirks import DEFAULT, Quirks
from torch_port.transforms import scale_levels
from torch_port.weight_table import LAYERS

# Keras `conv5_block3_3_conv`: the last convolution of the last block, before the residual addition.
LAST_CONV_LAYER = "conv5.block3.conv3"
LEGACY_LAYERS = {legacy: port for legacy, port, _ in LAYERS}


class Explanation(NamedTuple):
    """An image and what the network looked at; floats in [0, 1].

    Attributes:
        path: The file.
        image: (H, W, 3).
        heatmap: Normalised map at the image's size, (H, W).
        overlay: The two blended, (H, W, 3).
        raw: Map before normalisation, at the layer's size, (h, w).
        predicted: Index of the class that is explained.
    """

    path: str
    image: np.ndarray
    heatmap: np.ndarray
    overlay: np.ndarray
    raw: np.ndarray
    predicted: int


def raw_gradcam_heatmap(
    images: Tensor, model: Classifier, layer_name: str = LAST_CONV_LAYER, pred_index: int | None = None
) -> np.ndarray:
    """Weight a layer's channels by the mean gradient of a class's softmax output, and add them up.

    Counterpart of `legacy_tf.gradcam.raw_gradcam_heatmap`. Deliberate difference: one image at a time,
    because the legacy mixes the gradients of a batch.

    Args:
        images: (1, 3, H, W), values in [0, 1], of the model's dtype.
        model: The classifier, in evaluation mode.
        layer_name: Name of a module, or the legacy's name of the layer.
        pred_index: Class to explain; None explains the predicted one.

    Returns:
        (h, w), the layer's size and the model's dtype, negative values included.

    Raises:
        InputError: There is more than one image, or no such layer.
    """
    from captum.attr import LayerGradCam  # costs seconds, which evaluation need not pay

    if len(images) != 1:
        raise InputError.about(
            "images",
            must="be one image",
            got=str(len(images)),
            place="raw_gradcam_heatmap",
            remedy="explain them one by one",
        )

    def explained_probability(images: Tensor) -> Tensor:
        probabilities = model.probabilities(images)  # (1, num_classes)
        return probabilities[:, probabilities[0].argmax() if pred_index is None else pred_index]  # (1,)

    explain = LayerGradCam(explained_probability, get_layer(model, layer_name))
    raw = explain.attribute(images.detach().requires_grad_())  # (1, 1, h, w)
    return raw[0, 0].detach().cpu().numpy()


def make_gradcam_heatmap(
    images: Tensor,
    model: Classifier,
    layer_name: str = LAST_CONV_LAYER,
    pred_index: int | None = None,
    *,
    quirks: Quirks = DEFAULT,
) -> np.ndarray:
    """Return the normalised map (h, w); arguments as for ``raw_gradcam_heatmap``."""
    return normalise_heatmap(raw_gradcam_heatmap(images, model, layer_name, pred_index), quirks=quirks)


def normalise_heatmap(raw: np.ndarray, *, quirks: Quirks = DEFAULT) -> np.ndarray:
    """Cut negative values off and divide by the maximum that the map had before: `legacy_tf.gradcam.normalise_heatmap`.

    A map whose values are all negative becomes -0 everywhere; one whose maximum is exactly 0 becomes NaN (quirk).
    """
    positive, peak = np.maximum(raw, 0), np.max(raw)
    if peak == 0 and not quirks.nan_gradcam_on_dead_map:
        return positive
    with np.errstate(invalid="ignore"):
        return positive / peak


def resize_heatmap(heatmap: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize a map bilinearly to (height, width)."""
    return cv2.resize(np.asarray(heatmap), (width, height), interpolation=cv2.INTER_LINEAR)


def get_img_array(
    path: str | Path, size: tuple[int, int], *, dtype: torch.dtype = torch.float32, quirks: Quirks = DEFAULT
) -> Tensor:
    """Read one image as Keras ``load_img`` does: `legacy_tf.gradcam.get_img_array`.

    Pillow reads it and resizes it to the nearest pixel.

    Args:
        path: The file.
        size: Height and width in pixels.
        dtype: Floating dtype of the result.
        quirks: ``nearest_gradcam_input`` off prepares the image as evaluation does.

    Returns:
        (1, 3, H, W).

    Raises:
        DataError: The file is missing, damaged, or not a 1200 x 1600 RGB JPEG.
    """
    numpy_dtype = torch.zeros((), dtype=dtype).numpy().dtype.type
    if quirks.nearest_gradcam_input:
        pixels = Image.fromarray(read_image(path)).resize(size[::-1], Image.Resampling.NEAREST)
    else:
        pixels = cv2.resize(read_image(path), size[::-1], interpolation=cv2.INTER_LINEAR)
    image = scale_levels(np.asarray(pixels), numpy_dtype, quirks=quirks)  # (H, W, 3)
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]


def merge_image_mask(
    im: np.ndarray, mk: np.ndarray, alpha: float = 0.3, colormap: str = "jet", mask_thresh: float = 0.5
) -> np.ndarray:
    """Tint an image where a map reaches the threshold: `legacy_tf.gradcam.merge_image_mask`.

    Args:
        im: Image (H, W, 3) in [0, 1].
        mk: Map (H, W); values outside of [0, 1] are clipped, NaN counts as level 0 and as above the threshold.
        alpha: Share of the colours.
        colormap: Name of a matplotlib colour map.
        mask_thresh: Below it the image stays as it is.

    Returns:
        (H, W, 3) in [0, 1].
    """
    mk = np.clip(mk, 0, 1)
    levels = np.uint8(255 * np.nan_to_num(mk, nan=0.0))
    colours = matplotlib.colormaps[colormap](np.arange(256))[:, :3]
    blend = alpha * colours[levels] + (1 - alpha) * im
    return np.where((mk < mask_thresh)[:, :, np.newaxis], im, blend)


def explain_image(
    model: Classifier,
    path: str | Path,
    size: tuple[int, int],
    *,
    mask_thresh: float = 0.25,
    layer: str = LAST_CONV_LAYER,
    pred_index: int | None = None,
    quirks: Quirks = DEFAULT,
) -> Explanation:
    """Explain one file: what `legacy_tf.gradcam.generate_gradcam_samples` shows of each.

    Args:
        model: The classifier, in evaluation mode.
        path: The file.
        size: Height and width in pixels of the network's input.
        mask_thresh: Below it the overlay is the image.
        layer: Name of a module, or the legacy's name of the layer.
        pred_index: Class to explain; None explains the predicted one.
        quirks: Switches.
    """
    parameter = next(model.parameters())
    images = get_img_array(path, size, dtype=parameter.dtype, quirks=quirks).to(parameter.device)
    predicted = predict_class(images, model) if pred_index is None else pred_index
    raw = raw_gradcam_heatmap(images, model, layer, predicted)
    heatmap = resize_heatmap(normalise_heatmap(raw, quirks=quirks), *size)
    image = images[0].permute(1, 2, 0).cpu().numpy()  # (H, W, 3)
    overlay = merge_image_mask(image, heatmap, mask_thresh=mask_thresh)
    return Explanation(str(path), image, heatmap, overlay, raw, predicted)


def generate_gradcam_samples(
    model: Classifier,
    images: Sequence[str],
    N: int = 8,
    *,
    size: tuple[int, int] = (300, 400),
    mask_thresh: float = 0.25,
    layer: str = LAST_CONV_LAYER,
    quirks: Quirks = DEFAULT,
) -> Iterator[Explanation]:
    """Explain N distinct random images: `legacy_tf.gradcam.generate_gradcam_samples`.

    They are drawn by numpy's global generator.

    Deliberate differences: it takes paths and the network's input size instead of a generator, and yields one explanation
    after the other instead of a figure.

    Raises:
        DataError: There are fewer than N images, or N is not positive.
    """
    for path in choose_samples(images, N):
        yield explain_image(model, path, size, mask_thresh=mask_thresh, layer=layer, quirks=quirks)


def choose_samples(images: Sequence[str | Path], count: int) -> list[str | Path]:
    """Return so many distinct images, drawn as the legacy draws them, by numpy's global generator.

    Raises:
        DataError: There are fewer images, or the count is not positive.
    """
    if not 0 < count <= len(images):
        raise DataError.about(
            "samples",
            must=f"be 1 to {len(images)}, the images there are",
            got=str(count),
            place="--samples",
            remedy="ask for fewer",
        )
    chosen: list[int] = []
    while len(chosen) < count:
        index = np.random.randint(0, len(images))  # noqa: NPY002 - the legacy's generator
        if index not in chosen:
            chosen.append(index)
    return [images[index] for index in chosen]


def get_layer(model: Classifier, layer_name: str) -> nn.Module:
    """Return a module by its name or by the legacy's name of the layer.

    Raises:
        InputError: There is none.
    """
    try:
        return model.get_submodule(LEGACY_LAYERS.get(layer_name, layer_name))
    except AttributeError as error:
        raise InputError.about(
            "layer",
            must="be a module of the model",
            got=repr(layer_name),
            place="--layer",
            remedy=f"take {LAST_CONV_LAYER}",
        ) from error


def predict_class(images: Tensor, model: Classifier) -> int:
    """Return the predicted class of the first image."""
    with torch.no_grad():
        return int(model.probabilities(images)[0].argmax())
