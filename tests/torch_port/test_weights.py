from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from safetensors import safe_open

from torch_port import __version__
from torch_port.errors import WeightsError
from torch_port.model import ResNet50V2, make_model
from torch_port.weights import convert, load_checkpoint, load_legacy_file, load_legacy_weights, read_legacy_weights


@pytest.fixture(scope="module")
def npz(legacy_arrays, tmp_path_factory):
    path = tmp_path_factory.mktemp("legacy") / "exported weights.npz"
    np.savez(path, **legacy_arrays)
    return path


def test_elements_are_where_they_belong(model64, legacy_arrays):
    state = model64.state_dict()
    kernel = legacy_arrays["conv1_conv/kernel"]  # HWIO
    assert all(
        state["conv1.weight"][o, i, h, w] == kernel[h, w, i, o] for o, i, h, w in [(5, 2, 6, 1), (63, 0, 1, 6), (0, 1, 0, 0)]
    )
    assert state["prev_dense.weight"][7, 1999] == legacy_arrays["prev_dense/kernel"][1999, 7]
    assert np.array_equal(state["conv2.block1.shortcut.bias"], legacy_arrays["conv2_block1_0_conv/bias"])
    assert np.array_equal(state["conv2.block1.conv3.bias"], legacy_arrays["conv2_block1_3_conv/bias"])
    names = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    for port, legacy in names.items():
        assert np.array_equal(state[f"conv3.block2.bn2.{port}"], legacy_arrays[f"conv3_block2_2_bn/{legacy}"])


def test_big_endian_and_float16_arrays_are_read(legacy_arrays):
    arrays = dict(legacy_arrays)
    arrays["conv1_conv/bias"] = arrays["conv1_conv/bias"].astype(">f4")
    arrays["last_dense/bias"] = np.array([1, 2, 3], np.float16)
    model = ResNet50V2()
    load_legacy_weights(model, arrays)
    assert np.array_equal(model.conv1.bias.detach(), legacy_arrays["conv1_conv/bias"])
    assert model.last_dense.bias.tolist() == [1, 2, 3]


def test_everything_that_is_wrong_is_said_at_once_and_nothing_is_copied(legacy_arrays):
    arrays = dict(legacy_arrays)
    del arrays["post_bn/gamma"], arrays["conv4_block2_1_bn/moving_variance"]
    arrays["predictions/kernel"] = np.ones(3, np.float32)
    arrays["prev_dense/kernel"] = arrays["prev_dense/kernel"].T
    arrays["conv1_conv/bias"] = np.array([np.nan, np.inf] + [0.0] * 62, np.float32)
    arrays["prev_dense/bias"] = np.arange(256)
    arrays["post_bn/moving_variance"] = -arrays["post_bn/moving_variance"]
    arrays["conv2_block1_1_conv/kernel"] = np.full((1, 1, 64, 64), 1e300)  # not finite once it is float32
    model = ResNet50V2()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        load_legacy_weights(model, arrays, "w.npz")
    lines = caught.value.text().splitlines()
    assert lines[0] == (
        "`weights` must be every tensor of ResNet50V2 for 3 classes, got 8 faults in w.npz; "
        "give a checkpoint of this architecture and class count:"
    )
    assert sorted(lines[1:]) == [
        "  - conv1_conv/bias: 2 of 64 values are not finite",
        "  - conv2_block1_1_conv/kernel: 4096 of 4096 values are not finite",
        "  - conv4_block2_1_bn/moving_variance: missing",
        "  - post_bn/gamma: missing",
        "  - post_bn/moving_variance: negative variances",
        "  - predictions/kernel: extra",
        "  - prev_dense/bias: dtype int64 instead of float32",
        "  - prev_dense/kernel: shape (256, 2048) instead of (2048, 256)",
    ]
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_another_class_count_is_named(legacy_arrays):
    with pytest.raises(WeightsError, match=r"(?s)for 5 classes.*the last layer has 3 classes, 5 were asked for"):
        load_legacy_weights(ResNet50V2(5), legacy_arrays)


def test_another_architecture_is_refused(legacy_arrays):
    model = make_model("torchvision_resnet50")
    with pytest.raises(
        WeightsError, match="`arch` must be resnet50v2 to take legacy weights, got TorchvisionResNet50, which has no"
    ):
        load_legacy_weights(model, legacy_arrays)


def test_refused_objects_and_other_faults_come_in_one_list(legacy_arrays, tmp_path):
    arrays = {name: array for name, array in legacy_arrays.items() if name.startswith(("post_bn", "last_dense"))}
    arrays["prev_dense/kernel"] = np.array([{}], dtype=object)
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(WeightsError) as caught:
        load_legacy_file(ResNet50V2(), tmp_path / "w.npz")
    lines = caught.value.text().splitlines()
    assert lines[1] == "  - prev_dense/kernel: pickled objects, which are never loaded"
    assert "  - prev_dense/bias: missing" in lines
    assert "  - prev_dense/kernel: missing" not in lines
    assert len(lines) == 1 + 274 - 6


def test_conversion_keeps_every_element_and_the_provenance(npz, legacy_arrays, model64, tmp_path):
    target = tmp_path / "port.safetensors"
    convert(npz, target)
    with safe_open(target, framework="pt") as file:
        assert file.metadata() == {
            "source": "exported weights.npz",
            "source_sha256": hashlib.sha256(npz.read_bytes()).hexdigest(),
            "converter": f"torch_port {__version__}",
            "arch": "resnet50v2",
            "classes": "aca,nor,scc",
        }
    expected = model64.state_dict()
    found = load_checkpoint(target).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(value.to(expected[key].dtype), expected[key]) for key, value in found.items())
    assert [path.name for path in tmp_path.iterdir()] == ["port.safetensors"]


def test_a_legacy_checkpoint_can_be_loaded_directly(npz, model64):
    model = load_checkpoint(npz)
    assert not model.training
    assert torch.equal(model.conv1.weight.double(), model64.conv1.weight)
    assert set(read_legacy_weights(npz)) == set(np.load(npz).files)


def test_conversion_wants_a_name_for_each_class(npz, tmp_path):
    with pytest.raises(WeightsError, match="`classes` must be 3 names, got 'a,b' in --classes"):
        convert(npz, tmp_path / "x.safetensors", classes=["a", "b"])
