from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from safetensors import safe_open

from torch_port import __version__
from torch_port.errors import WeightsError
from torch_port.model import ResNet50V2, make_model
from torch_port.weight_table import TABLE
from torch_port.weights import (
    convert,
    load_backbone,
    load_checkpoint,
    load_legacy_file,
    load_legacy_weights,
    read_legacy_weights,
)

KERAS_FILES = Path(__file__).with_name("keras_files")
HEAD = ("prev_dense.", "last_dense.")


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


@pytest.fixture(scope="module")
def headless(tmp_path_factory):
    """Keras's own file of the network without a head; all elements of a tensor are its place in the network's list."""
    path = tmp_path_factory.mktemp("keras") / "resnet50v2_notop.h5"
    path.write_bytes(gzip.decompress((KERAS_FILES / "headless.h5.gz").read_bytes()))
    return path


def test_start_weights_fill_everything_but_the_head(headless):
    model = make_model()
    head = {key: tensor.clone() for key, tensor in model.state_dict().items() if key.startswith(HEAD)}
    load_backbone(model, headless)
    state = model.state_dict()
    values = {}
    with h5py.File(headless) as file:
        for layer in file.attrs["layer_names"]:
            for name in file[layer].attrs["weight_names"]:
                values[name.removesuffix(":0")] = file[layer][name][()]
    rows = [row for row in TABLE if not row.port.startswith(HEAD)]
    assert {row.legacy for row in rows} == set(values)
    assert len({value.flat[0] for value in values.values()}) == len(rows) == 270
    for row in rows:
        assert torch.all(state[row.port] == float(values[row.legacy].flat[0])), row.port
    assert all(torch.equal(state[key], tensor) for key, tensor in head.items())


def test_a_new_head_is_drawn_as_keras_draws_it(headless):
    torch.manual_seed(1)
    model = make_model()
    load_backbone(model, headless)
    for layer in (model.prev_dense, model.last_dense):
        assert not layer.bias.any()
        limit = np.sqrt(6 / (layer.in_features + layer.out_features))
        assert 0.95 * limit < layer.weight.abs().max() <= limit
        assert layer.weight.std().item() == pytest.approx(limit / np.sqrt(3), rel=0.05)


def test_start_weights_with_a_head_are_refused_and_nothing_is_copied(npz):
    model = make_model()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with pytest.raises(WeightsError, match=r"(?s)got 4 faults in .* weights file of the headless ResNet50V2:.*kernel: extra"):
        load_backbone(model, npz)
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())


def test_start_weights_of_another_network_are_refused():
    with pytest.raises(WeightsError, match=r"(?s)headless ResNet50V2:.*conv2_block2_1_conv/kernel: missing"):
        load_backbone(make_model(), KERAS_FILES / "named_weights.h5")


def test_damaged_start_weights_are_refused(headless, tmp_path):
    (tmp_path / "cut.h5").write_bytes(headless.read_bytes()[:1_000_000])
    with pytest.raises(WeightsError, match="`checkpoint` must be a whole file, got one that cannot be read"):
        load_backbone(make_model(), tmp_path / "cut.h5")


def test_start_weights_are_for_the_legacys_network_alone(headless):
    with pytest.raises(WeightsError, match="`arch` must be resnet50v2 to take legacy weights, got TorchvisionResNet50"):
        load_backbone(make_model("torchvision_resnet50"), headless)


def test_conversion_wants_a_name_for_each_class(npz, tmp_path):
    with pytest.raises(WeightsError, match="`classes` must be 3 names, got 'a,b' in --classes"):
        convert(npz, tmp_path / "x.safetensors", classes=["a", "b"])
