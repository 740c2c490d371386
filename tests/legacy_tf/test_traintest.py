"""Compiled metrics and test figures against scikit-learn and short formulas."""

from __future__ import annotations

import re
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics

from legacy_tf import traintest


@pytest.fixture(scope="module")
def probabilities() -> np.ndarray:
    logits = np.random.default_rng(0).normal(0, 2, (60, 3))
    return (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 3, 60)


@pytest.fixture(scope="module")
def compiled(labels, probabilities) -> dict[str, float]:
    """What the metrics say of given probabilities: the model hands its input on."""
    model = tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.Activation("linear")])
    assert traintest.compile_model(model, 3) is model
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-4, rel=1e-6)
    assert model.optimizer.epsilon == 1e-7
    return model.evaluate(probabilities, np.eye(3)[labels], batch_size=7, verbose=0, return_dict=True)


def test_metric_names(compiled):
    names = [
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
    ]
    assert list(compiled) == ["loss", *(f"metrics/{name}" for name in names)]


def test_loss(compiled, labels, probabilities):
    chosen = probabilities[np.arange(60), labels].astype(np.float64)
    assert compiled["loss"] == pytest.approx(-np.log(chosen).mean(), rel=1e-5)


def test_classification_metrics(compiled, labels, probabilities):
    predicted = probabilities.argmax(axis=1)
    positive = probabilities > 0.5
    truth = np.eye(3)[labels] > 0
    expected = {
        "accuracy": metrics.accuracy_score(labels, predicted),
        "top-2-accuracy": metrics.top_k_accuracy_score(labels, probabilities, k=2),
        "F1-macro": metrics.f1_score(labels, predicted, average="macro"),
        "precision": (positive & truth).sum() / positive.sum(),
        "recall": (positive & truth).sum() / truth.sum(),
        "MCC": metrics.matthews_corrcoef(labels, predicted),
    }
    assert {name: compiled[f"metrics/{name}"] for name in expected} == pytest.approx(expected, rel=1e-5)


def auc_with_200_thresholds(truth: np.ndarray, scores: np.ndarray) -> float:
    thresholds = np.array([-1e-7, *(k / 199 for k in range(1, 199)), 1 + 1e-7], np.float32)
    above = scores[np.newaxis] > thresholds[:, np.newaxis]
    true_rate = (above & truth).sum(axis=1) / truth.sum()
    false_rate = (above & ~truth).sum(axis=1) / (~truth).sum()
    return float(((true_rate[:-1] + true_rate[1:]) / 2 * (false_rate[:-1] - false_rate[1:])).sum())


def test_auc_uses_200_thresholds_and_averages_over_classes(compiled, labels, probabilities):
    expected = np.mean([auc_with_200_thresholds(labels == k, probabilities[:, k]) for k in range(3)])
    assert compiled["metrics/AUC"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("recall", [0.99, 0.95, 0.9])
def test_precision_at_recall_pools_the_classes(compiled, labels, probabilities, recall):
    truth, scores = (np.eye(3)[labels] > 0).ravel(), probabilities.ravel()
    thresholds = np.array([-1e-7, *(k / 199 for k in range(1, 199)), 1 + 1e-7], np.float32)
    above = scores[np.newaxis] > thresholds[:, np.newaxis]
    hits = (above & truth).sum(axis=1)
    reached = hits / truth.sum() >= recall
    expected = (hits[reached] / above.sum(axis=1)[reached]).max()
    assert compiled[f"metrics/P@R_{recall * 100:.0f}"] == pytest.approx(expected, rel=1e-5)


def test_figures_are_scikit_learns(labels, probabilities):
    figures = traintest.test_figures(labels, probabilities)
    predicted = probabilities.argmax(axis=1)
    one_vs_rest = np.mean([metrics.roc_auc_score(labels == k, probabilities[:, k]) for k in range(3)])
    assert figures["roc_auc"] == pytest.approx(one_vs_rest, rel=1e-12)
    # Quirk one_hot_auc: not the one-vs-one figure that was asked for.
    rows = probabilities.astype(np.float64) / probabilities.astype(np.float64).sum(axis=1, keepdims=True)
    assert figures["roc_auc"] != pytest.approx(metrics.roc_auc_score(labels, rows, multi_class="ovo"), rel=1e-6)
    assert figures["accuracy"] == np.mean(predicted == labels)
    assert figures["precision"] == pytest.approx(np.mean([(labels[predicted == k] == k).mean() for k in range(3)]), rel=1e-12)
    assert figures["recall"] == pytest.approx(np.mean([(predicted[labels == k] == k).mean() for k in range(3)]), rel=1e-12)
    np.testing.assert_allclose(figures["confusion_matrix"].sum(axis=1), 1)
    assert figures["confusion_matrix"][0, 1] == pytest.approx((predicted[labels == 0] == 1).mean(), rel=1e-12)


def test_log_folder():
    path = traintest.get_logdir("ResNet50", "_run3", "out")
    assert re.fullmatch(r"out/\d{8}-\d{6}/ResNet50_run3", path)
    assert traintest.get_logdir("ResNet50").startswith("logs/")


def test_curves_mark_the_epoch_with_the_lowest_validation_loss():
    logs = {
        "loss": [3, 2, 1],
        "val_loss": [3, 1, 2],
        "metrics/AUC": [0.1, 0.2, 0.3],
        "val_metrics/AUC": [0.1, 0.3, 0.2],
    }
    figure, axes = plt.subplots(1, 2)
    assert traintest.plot_metrics(SimpleNamespace(history=logs), axes) is None
    assert [axis.get_title() for axis in axes] == ["Training and Validation Loss", "ROC-AUC Evolution"]
    for axis, names in zip(axes, (("loss", "val_loss"), ("metrics/AUC", "val_metrics/AUC")), strict=True):
        assert [list(line.get_ydata()) for line in axis.lines[:2]] == [logs[name] for name in names]
        assert axis.lines[2].get_xdata()[0] == 1
    plt.close(figure)


class Batches:
    """Labels in two batches, as a generator has them; the model that predicts them returns what it is given."""

    def __init__(self, labels: np.ndarray) -> None:
        self.batches = [np.eye(3)[labels[:40]], np.eye(3)[labels[40:]]]

    def __iter__(self):
        return iter((None, batch) for batch in self.batches)


@pytest.mark.parametrize("normalised", [True, False])
def test_the_published_test_prints_the_figures_that_are_compared(labels, probabilities, capsys, normalised):
    model = SimpleNamespace(predict=lambda generator: probabilities)
    figure, axis = plt.subplots()
    assert traintest.test_model(model, Batches(labels), ["aca", "nor", "scc"], axis, conf_normalize=normalised) is None
    figures = traintest.test_figures(labels, probabilities)
    assert capsys.readouterr().out == (
        f"Test AUC: {figures['roc_auc']:.2f}\nTest Accuracy: {figures['accuracy']:.2f}\n"
        f"Test Precision: {figures['precision']:.2f}\nTest Recall: {figures['recall']:.2f}\n"
    )
    assert axis.get_title() == f"Acc: {figures['accuracy']:4.2f}"
    drawn = axis.images[0].get_array()
    counts = metrics.confusion_matrix(labels, probabilities.argmax(axis=1))
    np.testing.assert_allclose(drawn, figures["confusion_matrix"] if normalised else counts)
    plt.close(figure)
