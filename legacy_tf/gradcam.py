"""Grad-CAM: which parts of an image speak for the predicted class."""

from __future__ import annotations

import os

import cv2
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

# The last convolution of the last block, before the residual addition: 10 x 13 for a 300 x 400 input.
LAST_CONV_LAYER = "conv5_block3_3_conv"


def make_gradcam_heatmap(
    img_array: np.ndarray, model: tf.keras.Model, last_conv_layer_name: str, pred_index: int | None = None
) -> np.ndarray:
    """Normalised Grad-CAM map (height, width) of the layer; arguments as for `raw_gradcam_heatmap`."""
    return normalise_heatmap(raw_gradcam_heatmap(img_array, model, last_conv_layer_name, pred_index))


def raw_gradcam_heatmap(
    img_array: np.ndarray, model: tf.keras.Model, last_conv_layer_name: str, pred_index: int | None = None
) -> tf.Tensor:
    """Weight the layer's maps of the first image by the mean gradient of the class's SOFTMAX output.

    Args:
        img_array: Images (N, H, W, 3) in [0, 1]; the gradient is averaged over all of them.
        model: The classifier.
        last_conv_layer_name: Layer to explain.
        pred_index: Class to explain; None takes the predicted class of the first image.

    Returns:
        The map (height, width) of the layer, negative values included.
    """
    layer_output = model.get_layer(last_conv_layer_name).output
    grad_model = tf.keras.Model(model.inputs, [layer_output, model.output])
    with tf.GradientTape() as tape:
        maps, probabilities = grad_model(img_array)
        if pred_index is None:
            pred_index = tf.argmax(probabilities[0])
        class_output = probabilities[:, pred_index]
    gradients = tape.gradient(class_output, maps)
    channel_weights = tf.reduce_mean(gradients, axis=(0, 1, 2))
    heatmap = maps[0] @ channel_weights[:, tf.newaxis]
    return heatmap[:, :, 0]


def normalise_heatmap(raw: np.ndarray) -> np.ndarray:
    """Cut negative values off and divide by the maximum of the map as it was before.

    A map whose values are all negative becomes -0 everywhere. Quirk nan_gradcam_on_dead_map: where the maximum is
    exactly 0, as of a saturated softmax, this is 0/0, and the whole map is NaN.
    """
    return (tf.maximum(raw, 0) / tf.reduce_max(raw)).numpy()


def get_img_array(img_path: str, size: tuple[int, int]) -> np.ndarray:
    """Read one image as (1, height, width, 3) in [0, 1].

    Quirk nearest_gradcam_input: Keras takes NEAREST pixels where the generators resize bilinearly, so
    Grad-CAM explains another image than the one that was classified.

    Args:
        img_path: Image file.
        size: Height and width in pixels.
    """
    image = tf.keras.utils.load_img(img_path, target_size=size)
    return np.expand_dims(tf.keras.utils.img_to_array(image), axis=0) / 255


def resize_heatmap(heatmap: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize a map bilinearly to (height, width)."""
    return cv2.resize(np.asarray(heatmap), (width, height), interpolation=cv2.INTER_LINEAR)


def merge_image_mask(
    im: np.ndarray, mk: np.ndarray, alpha: float = 0.3, colormap: str = "jet", mask_thresh: float = 0.5
) -> np.ndarray:
    """Blend the colours of a map into the image where the map reaches the threshold.

    Args:
        im: Image (H, W, 3) in [0, 1].
        mk: Map (H, W); values outside of [0, 1] are clipped.
        alpha: Share of the colour map in the blend.
        colormap: Name of a matplotlib colour map.
        mask_thresh: Below it the image stays as it is.

    Returns:
        The overlay (H, W, 3) in [0, 1].
    """
    mk = np.clip(mk, 0, 1)
    # A NaN map counts as level 0 but is not below the threshold: the whole image is tinted.
    levels = np.uint8(255 * np.nan_to_num(mk, nan=0.0))
    colours = matplotlib.colormaps[colormap](np.arange(256))[:, :3]
    blend = alpha * colours[levels] + (1 - alpha) * im
    return np.where((mk < mask_thresh)[:, :, np.newaxis], im, blend)


def draw_index(count: int, seen: list[int]) -> int:
    """Draw a number below `count` that is not among those seen, by numpy's global generator, and add it to them."""
    drawn = np.random.randint(0, count)
    while drawn in seen:
        drawn = np.random.randint(0, count)
    seen.append(drawn)
    return drawn


def generate_gradcam_samples(
    model: tf.keras.Model,
    generator: tf.keras.utils.Sequence,
    N: int = 8,
    mask_thresh: float = 0.25,
    layer: str = LAST_CONV_LAYER,
) -> None:
    """Show `N` distinct random images of the generator, their Grad-CAM maps, and both blended.

    The images are drawn by numpy's global generator. Item 0 is read for each of them, for the size, which
    reshuffles a training generator: it is meant for the test generator.
    """
    _, axes = plt.subplots(3, N, figsize=(25, 8))
    seen: list[int] = []
    for column in range(N):
        chosen = draw_index(len(generator.images), seen)
        height, width, _ = generator[0][0][0].shape
        path = generator.images[chosen]
        img_array = get_img_array(path, (height, width))
        heatmap = resize_heatmap(make_gradcam_heatmap(img_array, model, layer), height, width)
        predicted = np.argmax(model.predict(img_array)[0])
        shown = (
            (img_array[0], f"Real: {os.path.basename(os.path.dirname(path))} {generator.labels[chosen]}"),
            (heatmap, f"Pred: {predicted}"),
            (merge_image_mask(img_array[0], heatmap, mask_thresh=mask_thresh), ""),
        )
        for axis, (picture, title) in zip(axes[:, column], shown, strict=True):
            axis.imshow(picture)
            axis.axis("off")
            axis.set_title(title, fontsize=18)
    plt.tight_layout()
    plt.show()
