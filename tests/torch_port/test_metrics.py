from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from torch_port import metric_functions as functions
from torch_port.metrics import make_compiled_metrics, make_test_metrics
from torch_port.quirks import Quirks


@pytest.fixture
def predictions():
    random = torch.Generator().manual_seed(2)
    probabilities = torch.randn(45, 3, generator=random).mul(1.5).softmax(dim=1)
    return probabilities, torch.eye(3)[torch.randint(0, 3, (45,), generator=random)]


@pytest.mark.parametrize("make", [make_compiled_metrics, make_test_metrics])
def test_values_do_not_depend_on_the_batches(make, predictions):
    whole, parts = make(3), make(3)
    whole.update(*predictions)
    for probabilities, labels in zip(*(tensor.split(7) for tensor in predictions), strict=True):
        parts.update(probabilities, labels)
    assert all(torch.equal(value, whole.compute()[name]) for name, value in parts.compute().items())


def test_names_are_the_legacys():
    names = {
        "accuracy",
        "top-2-accuracy",
        "F1-macro",
        "AUC",
        "precision",
        "recall",
        "P@R_99",
        "P@R_95",
        "P@R_90",
        "MCC",
    }
    assert set(make_compiled_metrics(3).keys()) == {f"metrics/{name}" for name in names}
    assert set(make_test_metrics(3).keys()) == {"roc_auc", "accuracy", "precision", "recall", "confusion_matrix"}


def test_each_name_has_its_definition(predictions):
    metrics = make_compiled_metrics(3)
    metrics.update(*predictions)
    found = metrics.compute()
    steps = functions.count_pooled_steps(*predictions)
    for percent in (90, 95, 99):
        assert found[f"metrics/P@R_{percent}"] == functions.precision_at_recall(steps, percent / 100)
    outcomes = functions.count_above_half(*predictions).double()
    assert found["metrics/precision"] == functions.precision(outcomes)
    assert found["metrics/recall"] == functions.recall(outcomes)
    assert found["metrics/precision"] != found["metrics/recall"]
    assert found["metrics/accuracy"] < found["metrics/top-2-accuracy"]
    assert found["metrics/F1-macro"] == functions.macro_f1(functions.count_largest(*predictions).double())
    assert found["metrics/AUC"] == functions.mean_area_of_steps(functions.count_steps(*predictions))
    assert found["metrics/MCC"] == functions.matthews_correlation(functions.count_confusion(*predictions).double())


def test_a_reset_forgets_everything(predictions):
    metrics = make_compiled_metrics(3)
    metrics.update(*predictions)
    first = metrics.compute()
    metrics.reset()
    metrics.update(*predictions)
    assert all(torch.equal(value, first[name]) for name, value in metrics.compute().items())


def test_the_area_follows_the_quirk(predictions):
    probabilities, labels = predictions
    exact = probabilities.double().numpy()
    exact /= exact.sum(1, keepdims=True)
    expected = {
        True: roc_auc_score(labels.numpy(), exact, average="macro"),
        False: roc_auc_score(labels.argmax(1).numpy(), exact, average="macro", multi_class="ovo"),
    }
    for switch, value in expected.items():
        metrics = make_test_metrics(3, Quirks(one_hot_auc=switch))
        metrics.update(torch.from_numpy(exact), labels)
        assert float(metrics.compute()["roc_auc"]) == pytest.approx(value, abs=1e-15)
    assert not np.isclose(expected[True], expected[False], rtol=1e-6)
