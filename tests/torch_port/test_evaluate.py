from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import accuracy_score, roc_auc_score

from torch_port import evaluate
from torch_port.data import make_loaders
from torch_port.errors import InputError
from torch_port.gradcam import Explanation
from torch_port.results import Results
from torch_port.weights import load_checkpoint

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def evaluated(data_set, checkpoint):
    loaders, class_names = make_loaders(data_set, "20x", "published", 0.05, 2, splits=["val", "test"])
    model = evaluate.prepare_model(load_checkpoint(checkpoint), CPU)
    return loaders, class_names, *evaluate.evaluate(model, loaders, CPU)


def test_probabilities_are_those_of_the_model_in_float64(evaluated, model64):
    loaders, _, probabilities, _ = evaluated
    images = torch.cat([images for images, _ in loaders["val"]]).double()
    with torch.no_grad():
        expected = model64.probabilities(images)
    assert (probabilities["val"] - expected).abs().max() < 1e-6


def test_figures_are_scikit_learns(evaluated):
    loaders, _, probabilities, figures = evaluated
    for split, loader in loaders.items():
        scores, labels = probabilities[split].numpy(), np.array(loader.dataset.labels)
        assert figures[split]["n"] == len(labels)
        assert figures[split]["accuracy"] == pytest.approx(accuracy_score(labels, scores.argmax(1)))
        assert figures[split]["roc_auc"] == pytest.approx(roc_auc_score(np.eye(3)[labels], scores))
        assert np.sum(figures[split]["confusion_matrix"]) == pytest.approx(3)


def test_what_is_written_can_be_read_back_exactly(evaluated, tmp_path):
    loaders, class_names, probabilities, figures = evaluated
    evaluate.write_results(Results(tmp_path, "evaluate"), loaders, class_names, probabilities, figures)
    with (tmp_path / "predictions.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["image", "aca", "nor", "scc"]
    assert [row[0] for row in rows][:3] == ["aca_bd_20x_7.jpg", "nor_20x_8.jpg", "scc_md_20x_9 'é\"<b>.jpg"]
    written = np.array([row[1:] for row in rows], dtype=np.float32)
    assert np.array_equal(written, torch.cat(list(probabilities.values())).numpy())
    assert json.loads((tmp_path / "metrics.json").read_text()) == figures
    assert list(figures) == ["val", "test"]


def test_the_shipped_settings(checkpoint):
    model = evaluate.prepare_model(load_checkpoint(checkpoint).train(), CPU)
    assert not model.training
    assert model.conv2.block1.conv2.weight.is_contiguous(memory_format=torch.channels_last)
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize("factor", [1e38, torch.nan])
def test_a_probability_that_is_no_number_is_refused(data_set, checkpoint, factor: float):
    """The figures would count it as the first class."""
    loaders, _ = make_loaders(data_set, "20x", "published", 0.05, 2, splits=["val"])
    model = evaluate.prepare_model(load_checkpoint(checkpoint), CPU)
    with torch.no_grad():
        model.last_dense.weight.mul_(factor).mul_(1e10)
    with pytest.raises(InputError, match=r"`probabilities` must be numbers, got others for 3 images in split val; ") as caught:
        evaluate.evaluate(model, loaders, CPU)
    assert [line.removeprefix("  - ") for line in str(caught.value).splitlines()[1:]] == list(
        map(str, loaders["val"].dataset.images)
    )


def test_one_class_without_a_number_is_enough_and_only_those_images_are_named():
    probabilities = torch.tensor([[0.2, 0.3, 0.5], [torch.nan, 0.5, 0.5], [0.1, 0.2, torch.inf]])
    with pytest.raises(InputError, match=r"got others for 2 images in split val; ") as caught:
        evaluate.refuse_no_numbers(probabilities, ["a.jpg", "b.jpg", "c.jpg"], "val")
    assert [line.removeprefix("  - ") for line in str(caught.value).splitlines()[1:]] == ["b.jpg", "c.jpg"]
    evaluate.refuse_no_numbers(probabilities[:1], ["a.jpg"], "val")


def test_what_is_undefined_becomes_null():
    assert evaluate.to_json(torch.tensor(torch.nan)) is None
    assert evaluate.to_json(torch.tensor(0.5)) == 0.5
    assert evaluate.to_json(torch.eye(2)) == [[1, 0], [0, 1]]


def test_explanations_are_written_under_safe_names(tmp_path):
    overlay = np.array([[[0.0, 0.5, 1.0]]])
    explanations = [
        Explanation(f"/x/a '<b> é {n}.jpg", overlay, overlay[..., 0], overlay, np.full((2, 3), n), n) for n in range(2)
    ]
    evaluate.write_explanations(Results(tmp_path, "gradcam"), explanations)
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["000_a '<b> é 0.png", "001_a '<b> é 1.png"]
    with np.load(tmp_path / "raw_maps.npz", allow_pickle=False) as file:
        assert file["image"].tolist() == ["a '<b> é 0.jpg", "a '<b> é 1.jpg"]
        assert file["raw"].shape == (2, 2, 3)
        assert file["predicted"].tolist() == [0, 1]


def test_an_overlay_is_written_in_the_nearest_levels(tmp_path):
    evaluate.write_overlay(tmp_path / "o", np.array([[[-0.01, 0.5, 1.01], [0.2, 0.999, 0.0]]]))
    with Image.open(tmp_path / "o") as file:
        assert (file.format, np.asarray(file).tolist()) == ("PNG", [[[0, 128, 255], [51, 255, 0]]])


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert evaluate.select_device(None) == CPU
    with pytest.raises(InputError, match="`device` must be one that this machine has, got 'cuda' without a usable GPU"):
        evaluate.select_device("cuda")


def test_the_gpu_is_taken_if_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert evaluate.select_device(None) == evaluate.select_device("cuda") == torch.device("cuda")
    assert evaluate.select_device("cpu") == CPU
