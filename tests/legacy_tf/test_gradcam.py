"""The steps of Grad-CAM against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from legacy_tf import gradcam


@pytest.fixture
def float64():
    tf.keras.backend.set_floatx("float64")
    yield
    tf.keras.backend.set_floatx("float32")


def make_small_model() -> tf.keras.Model:
    """1x1 convolution to two maps, mean over the map, dense softmax: the gradient is a short formula."""
    tf.keras.utils.set_random_seed(1)
    inputs = tf.keras.Input((4, 5, 3))
    maps = tf.keras.layers.Conv2D(2, 1, name="maps")(inputs)
    pooled = tf.keras.layers.GlobalAveragePooling2D()(maps)
    return tf.keras.Model(inputs, tf.keras.layers.Dense(3, activation="softmax", name="head")(pooled))


def raw_by_hand(model: tf.keras.Model, image: np.ndarray, chosen: int | None) -> np.ndarray:
    kernel, bias = model.get_layer("maps").get_weights()
    weights, offsets = model.get_layer("head").get_weights()
    maps = image @ kernel[0, 0] + bias
    logits = maps.mean(axis=(0, 1)) @ weights + offsets
    probabilities = np.exp(logits) / np.exp(logits).sum()
    chosen = int(np.argmax(probabilities)) if chosen is None else chosen
    # d p_k / d logit_j = p_k (1[j = k] - p_j); each of the 20 pixels carries a 20th of the mean.
    gradient = weights @ (probabilities[chosen] * (np.eye(3)[chosen] - probabilities)) / 20
    return maps @ gradient


@pytest.mark.parametrize("chosen", [None, 0, 1, 2])
def test_raw_map_is_the_softmax_gradient(float64, chosen):
    model = make_small_model()
    image = np.random.default_rng(2).random((1, 4, 5, 3))
    raw = gradcam.raw_gradcam_heatmap(image, model, "maps", chosen)
    assert raw.dtype == np.float64
    np.testing.assert_allclose(raw, raw_by_hand(model, image[0], chosen), rtol=1e-12, atol=1e-15)


def test_the_layer_of_the_publication_gives_a_map_and_keeps_float32(model):
    heatmap = gradcam.make_gradcam_heatmap(np.full((1, 64, 64, 3), 0.5, np.float32), model, gradcam.LAST_CONV_LAYER)
    assert heatmap.shape == (2, 2)
    assert heatmap.dtype == np.float32


def test_normalise_cuts_and_divides():
    np.testing.assert_array_equal(gradcam.normalise_heatmap(np.array([[-1.0, 2.0], [4.0, 0.0]])), [[0.0, 0.5], [1.0, 0.0]])


def test_a_map_whose_maximum_is_0_becomes_nan():
    assert np.isnan(gradcam.normalise_heatmap(np.array([[0.0, -1.0]]))).all()


def test_a_negative_map_becomes_minus_zero():
    """The maximum is taken before the negative values are cut off."""
    normalised = gradcam.normalise_heatmap(np.full((2, 2), -3.0))
    assert (normalised == 0).all()
    assert np.signbit(normalised).all()


def test_resize_is_bilinear_with_half_pixel_centres():
    # Output columns lie at -0.25, 0.25, 0.75, 1.25 of the input columns.
    np.testing.assert_allclose(gradcam.resize_heatmap(np.array([[0.0, 1.0]]), 2, 4), [[0, 0.25, 0.75, 1]] * 2, atol=1e-7)


def test_img_array_takes_nearest_pixels_over_255(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    array = gradcam.get_img_array(tmp_path / "a.png", (4, 6))
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array[0], pixels[1::2, 1::2].astype(np.float32) / 255)


def test_merge_blends_where_the_map_reaches_the_threshold():
    image = np.full((1, 3, 3), 0.5)
    merged = gradcam.merge_image_mask(image, np.array([[0.0, 0.5, 1.0]]), alpha=0.3, colormap="gray", mask_thresh=0.5)
    # Grey of level 127 and of level 255.
    np.testing.assert_allclose(merged[0, :, 0], [0.5, 0.3 * 127 / 255 + 0.35, 0.3 + 0.35], rtol=1e-12)


def test_a_nan_map_tints_the_whole_image():
    merged = gradcam.merge_image_mask(np.zeros((2, 2, 3)), np.full((2, 2), np.nan))
    lowest_of_jet = [0, 0, 0.5]
    np.testing.assert_allclose(merged, np.broadcast_to(0.3 * np.array(lowest_of_jet), (2, 2, 3)))


def test_values_outside_of_0_and_1_are_clipped():
    image = np.zeros((1, 2, 3))
    merged = gradcam.merge_image_mask(image, np.array([[-3.0, 1.5]]), colormap="gray")
    np.testing.assert_allclose(merged[0, :, 0], [0.0, 0.3])


def test_indices_are_drawn_until_they_are_distinct():
    np.random.seed(0)  # noqa: NPY002 - the publication's generator
    raw = [np.random.randint(0, 5) for _ in range(50)]  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    seen: list[int] = []
    assert [gradcam.draw_index(5, seen) for _ in range(5)] == list(dict.fromkeys(raw))
