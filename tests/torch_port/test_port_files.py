from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from torch_port.errors import PlaceError, WeightsError
from torch_port.model import make_model
from torch_port.port_files import read_safetensors, write_safetensors


def test_everything_that_is_wrong_is_said_at_once(checkpoint, tmp_path):
    tensors = load_file(checkpoint)
    del tensors["conv1.bias"]
    tensors["fc.weight"] = torch.ones(2)
    tensors["post_bn.bias"] = tensors["post_bn.bias"].double()
    tensors["post_bn.weight"] = tensors["post_bn.weight"][:5].contiguous()
    tensors["prev_dense.bias"][3] = torch.nan
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError) as caught:
        read_safetensors(tmp_path / "w.safetensors")
    lines = caught.value.text().splitlines()
    assert "got 5 faults in" in lines[0]
    assert sorted(lines[1:]) == [
        "  - conv1.bias: missing",
        "  - fc.weight: extra",
        "  - post_bn.bias: dtype torch.float64 instead of torch.float32",
        "  - post_bn.weight: shape (5,) instead of (2048,)",
        "  - prev_dense.bias: 1 of 256 values are not finite",
    ]


def test_another_class_count_is_named_with_its_classes(checkpoint):
    with pytest.raises(WeightsError, match=r"the last layer has 3 classes \(aca,nor,scc\), 4 were asked for"):
        read_safetensors(checkpoint, "resnet50v2", 4)


def test_another_order_of_classes_is_named(checkpoint):
    assert read_safetensors(checkpoint, classes=["aca", "nor", "scc"])
    with pytest.raises(WeightsError, match="`classes` must be aca,nor,scc, the file's order, got nor,aca,scc in"):
        read_safetensors(checkpoint, classes=["nor", "aca", "scc"])


def test_another_architecture_is_named(checkpoint):
    with pytest.raises(WeightsError, match="`arch` must be resnet50v2, which the file is for, got 'torchvision_resnet50'"):
        read_safetensors(checkpoint, "torchvision_resnet50", 3)


def test_torchvisions_network_goes_round(tmp_path):
    model = make_model("torchvision_resnet50")
    write_safetensors(model, tmp_path / "w.safetensors", {"arch": "torchvision_resnet50"})
    found = read_safetensors(tmp_path / "w.safetensors", "torchvision_resnet50").state_dict()
    assert all(torch.equal(found[key], value) for key, value in model.state_dict().items())


def test_a_truncated_file_is_refused(checkpoint, tmp_path):
    (tmp_path / "w.safetensors").write_bytes(checkpoint.read_bytes()[:100_000])
    with pytest.raises(WeightsError, match=r"`checkpoint` must be a whole safetensors file, got .*convert the"):
        read_safetensors(tmp_path / "w.safetensors")


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    taken = tmp_path / ("x" * 250)  # with a suffix it is too long
    with pytest.raises(PlaceError, match=r"`out` must be a place that can be written, got File name too long.*; make room"):
        write_safetensors(make_model(), taken, {})
    assert list(tmp_path.iterdir()) == []
