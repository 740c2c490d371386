from __future__ import annotations

import re

import pytest

from torch_port.checkpoints import parse_model
from torch_port.errors import WeightsError
from torch_port.network_checks import FileLayer, list_network_faults
from torch_port.numbered_weights import name_groups


@pytest.mark.parametrize(
    ("layer", "fault"),
    [
        (
            FileLayer(kind="dense", name="last_dense", settings={"activation": "linear"}),
            "activation 'linear' instead of 'softmax'",
        ),
        (
            FileLayer(kind="batch_normalization", name="post_bn", settings={"epsilon": 1e-3}),
            "epsilon 0.001 instead of 1.001e-05",
        ),
        (FileLayer(kind="conv2d", name="conv1_conv", settings={"strides": 1}), r"strides \[1, 1\] instead of \[2, 2\]"),
        (FileLayer(kind="lambda"), "lambda: no layer of the legacy network"),
        (FileLayer(kind="", name="normalization_1"), "normalization_1: no layer of the legacy network"),
        (FileLayer(kind="", name="global_max_pooling2d"), "global_max_pooling2d: no layer of the legacy network"),
    ],
)
def test_what_computes_something_else_is_said(layer, fault):
    (line,) = [line for line in list_network_faults([layer]) if "layers instead of" not in line]
    assert re.search(fault, line)


@pytest.mark.parametrize(
    "layer",
    [
        FileLayer(kind="input_layer"),
        FileLayer(kind="", name="input_1"),
        FileLayer(kind="", name="dropout_3"),
        FileLayer(kind="", name="dpout_1"),  # a second network of one process
        FileLayer(kind="", name="max_pooling2d_7"),
        FileLayer(kind="", name="global_average_pooling2d"),
        FileLayer(kind="", name="conv5_block3_2_relu"),
    ],
)
def test_what_makes_no_difference_is_not(layer):
    assert list_network_faults([layer]) == []


def test_a_layer_too_many_of_a_known_class_is_said():
    assert list_network_faults([FileLayer(kind="max_pooling2d")] * 5) == ["max_pooling2d: 5 layers instead of at most 4"]


def test_layers_of_one_class_in_two_models_have_no_order():
    groups = ["sequential", "sequential/layers/dense", "dense"]
    with pytest.raises(WeightsError, match=r"all dense layers in one model, .* got 2 models .* as \.keras"):
        name_groups(groups, None)
    inner = FileLayer(kind="sequential", layers=(FileLayer(kind="dense", name="prev_dense"),))
    layers = [inner, FileLayer(kind="dense", name="last_dense")]
    assert name_groups(groups, layers) == {"sequential/layers/dense": "prev_dense", "dense": "last_dense"}


def test_a_model_without_a_list_of_layers_is_refused():
    with pytest.raises(WeightsError, match=r"must describe a model of layers .* got one of class Lambda"):
        parse_model('{"class_name": "Lambda", "config": {"function": ["4wEAAA=="]}}')
