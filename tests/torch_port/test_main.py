"""The command line from outside: what it writes, what it says, how it ends."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from torch_port import evaluate, gradcam, predict
from torch_port import precision as precision_module
from torch_port.__main__ import main
from torch_port.data import make_loaders
from torch_port.errors import InputError
from torch_port.weights import load_checkpoint

SMALL = ("--image-scale", "0.05")


def test_convert_then_evaluate(legacy_arrays, data_set, tmp_path, capsys):
    np.savez(tmp_path / "legacy.npz", **legacy_arrays)
    port = tmp_path / "port.safetensors"
    assert main(["convert", str(tmp_path / "legacy.npz"), "--out", str(port)]) == 0
    with safe_open(port, framework="pt") as file:
        assert file.metadata()["source"] == "legacy.npz"
    out = tmp_path / "results"
    options = ["--data", str(data_set), "--splits", "test,val", "--images", "2", "--batch-size", "2", *SMALL]
    assert main(["evaluate", *options, "--checkpoint", str(port), "--out", str(out)]) == 0
    with (out / "predictions.csv").open(newline="", encoding="utf-8") as file:
        names = [row["image"] for row in csv.DictReader(file)]
    assert names == ["aca_pd_20x_10.jpg", "nor_20x_11.jpg", "aca_bd_20x_7.jpg", "nor_20x_8.jpg"]
    assert "wrote" in capsys.readouterr().out


def test_gradcam(checkpoint, data_set, tmp_path, capsys):
    options = [
        "--data",
        str(data_set),
        "--checkpoint",
        str(checkpoint),
        "--samples",
        "2",
        "--layer",
        "conv5_block3_3_conv",
    ]
    assert main(["gradcam", *options, *SMALL, "--out", str(tmp_path)]) == 0
    assert len(list(tmp_path.glob("*.png"))) == 2
    assert (tmp_path / "raw_maps.npz").is_file()
    assert "wrote 2 overlays" in capsys.readouterr().out


def test_the_options_of_gradcam_reach_its_maps(checkpoint, data_set, tmp_path):
    """Which images, which layer, which threshold: each as the functions give it, which have tests of their own."""
    options = ["--data", str(data_set), "--checkpoint", str(checkpoint), "--splits", "val,test", "--device", "cpu", *SMALL]
    choice = ["--samples", "2", "--seed", "4", "--layer", "conv4.block5.conv3", "--mask-thresh", "0.7"]
    assert main(["gradcam", *options, *choice, "--out", str(tmp_path)]) == 0
    loaders, _ = make_loaders(data_set, "20x", "published", splits=["val", "test"])
    paths = [path for name in ("val", "test") for path in loaders[name].dataset.images]
    np.random.seed(4)  # noqa: NPY002 - the legacy's generator
    chosen = list(dict.fromkeys(paths[np.random.randint(0, 6)] for _ in range(50)))[:2]  # noqa: NPY002
    model = evaluate.prepare_model(load_checkpoint(checkpoint), torch.device("cpu"))
    with np.load(tmp_path / "raw_maps.npz", allow_pickle=False) as file:
        assert file["image"].tolist() == [Path(path).name for path in chosen]
        for number, path in enumerate(chosen):
            expected = gradcam.explain_image(model, path, (60, 80), mask_thresh=0.7, layer="conv4.block5.conv3")
            assert file["raw"].shape[1:] == expected.raw.shape == (4, 5), "of the layer, which has twice the default's rows"
            assert np.array_equal(file["raw"][number], expected.raw)
            assert file["predicted"][number] == expected.predicted
            with Image.open(tmp_path / f"{number:03d}_{Path(path).stem}.png") as overlay:
                assert np.array_equal(np.asarray(overlay), np.uint8(np.round(255 * np.clip(expected.overlay, 0, 1))))


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_the_precision_reaches_the_network(command, checkpoint, data_set, tmp_path, monkeypatch):
    """TF32 is of GPUs: here the command ends as soon as the network is to be prepared for it."""
    asked = []

    def prepare(model, device, *, precision="32-true"):
        asked.append((str(device), precision))
        raise InputError("enough")

    for module in (evaluate, predict, precision_module):
        monkeypatch.setattr(module, "check_precision", lambda *_: None)
    monkeypatch.setattr(evaluate, "prepare_model", prepare)
    data = [str(data_set / "images")] if command == "predict" else ["--data", str(data_set)]
    options = ["--checkpoint", str(checkpoint), "--out", str(tmp_path / "out"), "--device", "cpu", *SMALL]
    assert main([command, *data, *options, "--precision", "tf32"]) == 2
    assert asked == [("cpu", "tf32")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "/no/where"], "error: `data` must be a folder"),
        (["--checkpoint", "/no/where.npz"], "error: `checkpoint` must be an .npz"),
        (["--checkpoint", "/no/where.safetensors"], "error: `checkpoint` must be a whole safetensors file"),
        (["--arch", "torchvision_resnet50"], "error: `arch` must be resnet50v2, which the file is for"),
        (["--split", "no.csv"], "error: `no.csv` must be a CSV file"),
        (["--split", "random"], "error: `patients` must be enough for a random split"),
        (["--resolution", "40x"], "error: `data.csv` must have images of resolution 40x"),
        (["--splits", "dev"], "error: `splits` must be some of train, val, test"),
        (["--device", "cuda"], "error: `device` must be one that this machine has"),
        (["--out", "/dev/null/x"], "error: `out` must be a folder that can be made"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_ends_with_2_and_one_message(options, message, data_set, checkpoint, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    usual = ["--data", str(data_set), "--checkpoint", str(checkpoint), "--out", str(tmp_path / "out")]
    assert main(["evaluate", *usual, *SMALL, *options]) == 2
    stderr = capsys.readouterr().err
    assert stderr.startswith(message)
    assert "Traceback" not in stderr
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_another_class_count_is_refused(legacy_arrays, tmp_path, capsys):
    np.savez(tmp_path / "w.npz", **legacy_arrays)
    arguments = [
        "convert",
        str(tmp_path / "w.npz"),
        "--out",
        str(tmp_path / "x.safetensors"),
        "--classes",
        "benign,malignant",
    ]
    assert main(arguments) == 2
    assert "the last layer has 3 classes, 2 were asked for" in capsys.readouterr().err
    assert not (tmp_path / "x.safetensors").exists()


def test_torchvisions_network_cannot_be_converted(tmp_path, capsys):
    assert main(["convert", "w.npz", "--out", str(tmp_path / "x"), "--arch", "torchvision_resnet50"]) == 2
    assert "has no tensor-by-tensor counterpart of the legacy network" in capsys.readouterr().err


def test_an_interruption_has_its_own_code(data_set, checkpoint, tmp_path, capsys, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("torch_port.evaluate.select_device", interrupt)
    usual = ["--data", str(data_set), "--checkpoint", str(checkpoint), "--out", str(tmp_path / "out")]
    assert main(["evaluate", *usual]) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"
    assert main(["predict", str(data_set / "images"), *usual[2:4], "--out", str(tmp_path / "p.csv")]) == 130
    assert capsys.readouterr().err == "\ninterrupted; the same command goes on\n"


@pytest.mark.parametrize("command", ["", "convert", "train", "evaluate", "gradcam"])
def test_help(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*command.split(), "--help"])
    assert caught.value.code == 0
    assert "usage: python -m torch_port" in capsys.readouterr().out


def test_wrong_usage_ends_with_2(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", "--data", "x"])
    assert caught.value.code == 2
    assert "required" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("torch_port.__main__", {"torch", "pandas", "numpy"}),
        ("torch_port.model", {"captum", "torchmetrics", "lightning", "torchvision", "pandas", "albumentations"}),
        ("torch_port.weights", {"captum", "torchmetrics", "lightning", "torchvision", "pandas", "albumentations"}),
    ],
)
def test_importing_does_not_cost_what_is_not_used(module, unwanted):
    program = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert not unwanted & set(loaded)
    assert "tensorflow" not in loaded
