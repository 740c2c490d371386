"""Facts about the network that ports get wrong."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from legacy_tf import models


def test_size(model):
    assert model.count_params() == 24_090_115
    assert len(model.layers) == 194
    assert len(model.weights) == 274
    assert all(layer.trainable for layer in model.layers)


def test_head(model):
    head = model.layers[-4:]
    assert [layer.name for layer in head] == ["avg_pool", "prev_dense", "dpout", "last_dense"]
    assert head[1].units == 256
    assert head[1].activation is tf.keras.activations.relu
    assert head[2].rate == 0.5
    assert head[3].activation is tf.keras.activations.softmax


@pytest.mark.parametrize(("stage", "blocks"), [(2, 3), (3, 4), (4, 6), (5, 3)])
def test_the_stride_sits_in_the_last_block_of_a_stage(model, stage, blocks):
    strides = [model.get_layer(f"conv{stage}_block{block}_2_conv").strides[0] for block in range(1, blocks + 1)]
    assert strides == [1] * (blocks - 1) + [1 if stage == 5 else 2]
    for block in range(1, blocks + 1):
        name = f"conv{stage}_block{block}"
        assert model.get_layer(f"{name}_2_pad").padding == ((1, 1), (1, 1))
        biases = [model.get_layer(f"{name}_{number}_conv").use_bias for number in (1, 2, 3)]
        assert biases == [False, False, True]


def test_stem(model):
    assert model.get_layer("conv1_pad").padding == ((3, 3), (3, 3))
    assert model.get_layer("conv1_conv").use_bias
    assert model.get_layer("pool1_pad").padding == ((1, 1), (1, 1))
    assert model.get_layer("pool1_pool").padding == "valid"


def test_shortcuts(model):
    projection = model.get_layer("conv3_block1_0_conv")
    assert projection.use_bias
    assert projection.input is model.get_layer("conv3_block1_preact_relu").output
    pooled = [
        layer.name for layer in model.layers if isinstance(layer, tf.keras.layers.MaxPooling2D) and layer.pool_size == (1, 1)
    ]
    assert len(pooled) == 3


def test_batch_norm(model):
    norms = [layer for layer in model.layers if isinstance(layer, tf.keras.layers.BatchNormalization)]
    assert {(layer.epsilon, layer.momentum) for layer in norms} == {(1.001e-5, 0.99)}


class OneBatch:
    num_classes = 4

    def __getitem__(self, index: int) -> tuple[np.ndarray, None]:
        return np.zeros((1, 32, 40, 3), np.float32), None


def test_get_model_takes_shape_and_classes_from_the_generator(monkeypatch):
    monkeypatch.setattr(models, "resnet_model", lambda *arguments, weights: (*arguments, weights))
    assert models.get_model(OneBatch()) == (4, (32, 40, 3), "imagenet")
    assert models.get_model(OneBatch(), weights=None)[2] is None


def test_another_model_name_is_refused():
    with pytest.raises(AssertionError, match="`model_name` must be 'ResNet50', got 'VGG16'"):
        models.get_model(OneBatch(), "VGG16")
