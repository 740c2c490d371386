from __future__ import annotations

from torch_port.model import ResNet50V2
from torch_port.weight_table import LAYERS, TABLE


def test_every_tensor_of_the_port_is_filled_once_and_every_legacy_name_used_once():
    keys = [key for key in ResNet50V2().state_dict() if not key.endswith("num_batches_tracked")]
    assert sorted(row.port for row in TABLE) == sorted(keys)
    assert len({row.legacy for row in TABLE}) == len(TABLE) == 274


def test_the_order_is_that_of_the_keras_layers():
    assert [layer for layer, _, _ in LAYERS][:9] == [
        "conv1_conv",
        "conv2_block1_preact_bn",
        "conv2_block1_1_conv",
        "conv2_block1_1_bn",
        "conv2_block1_2_conv",
        "conv2_block1_2_bn",
        "conv2_block1_0_conv",
        "conv2_block1_3_conv",
        "conv2_block2_preact_bn",
    ]
    assert [layer for layer, _, _ in LAYERS][-3:] == ["post_bn", "prev_dense", "last_dense"]


def test_axes():
    rows = {row.legacy: row for row in TABLE}
    assert rows["conv1_conv/kernel"].legacy_shape((64, 3, 7, 5)) == (7, 5, 3, 64)
    assert rows["prev_dense/kernel"].legacy_shape((256, 2048)) == (2048, 256)
    assert rows["post_bn/gamma"].legacy_shape((2048,)) == (2048,)
