"""Against scikit-learn, and against the definitions written out over the predictions themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn

from torch_port import metric_functions as functions

THRESHOLDS = np.arange(200, dtype=np.float32) / 199


def make_random(images: int, seed: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    scores = np.exp(random.normal(size=(images, 3)))
    return (scores / scores.sum(1, keepdims=True)).astype(np.float32), random.integers(0, classes, images)


CASES = {
    "random": make_random(90, 1),
    "absent class": make_random(50, 2, classes=2),
    "peaked": (np.eye(3, dtype=np.float32)[[0, 1, 2, 2, 1, 0, 0]], np.array([0, 1, 2, 1, 1, 2, 0])),
    "tied": (
        np.array([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4], [1 / 3] * 3, [0.5, 0.5, 0]], np.float32),
        np.array([1, 0, 2, 1]),
    ),
    "constant": (np.tile(np.array([[0.2, 0.5, 0.3]], np.float32), (6, 1)), np.array([0, 1, 2, 1, 1, 0])),
}
ROUNDING = 1e-15
cases = pytest.mark.parametrize("case", CASES)


def load(case: str) -> tuple[np.ndarray, np.ndarray, torch.Tensor, torch.Tensor]:
    probabilities, labels = CASES[case]
    return probabilities, labels, torch.from_numpy(probabilities), torch.eye(3)[torch.from_numpy(labels)]


@cases
def test_figures_of_the_confusion_matrix_are_scikit_learns(case):
    probabilities, labels, scores, one_hot = load(case)
    counts = functions.count_confusion(scores, one_hot).double()
    predicted = probabilities.argmax(1)
    options = {"average": "macro", "zero_division": 0}
    assert functions.accuracy_of_confusion(counts).item() == sklearn.accuracy_score(labels, predicted)
    assert functions.macro_precision(counts).item() == pytest.approx(
        sklearn.precision_score(labels, predicted, **options), abs=ROUNDING
    )
    assert functions.macro_recall(counts).item() == pytest.approx(
        sklearn.recall_score(labels, predicted, **options), abs=ROUNDING
    )
    assert functions.matthews_correlation(counts).item() == pytest.approx(
        sklearn.matthews_corrcoef(labels, predicted), abs=ROUNDING
    )
    expected = sklearn.confusion_matrix(labels, predicted, labels=[0, 1, 2], normalize="true")
    assert np.allclose(functions.normalise_rows(counts), expected, rtol=1e-15)


@pytest.mark.parametrize("case", ["random", "peaked", "constant", "tied"])
def test_exact_areas_are_scikit_learns(case):
    probabilities, labels, scores, one_hot = load(case)
    expected = sklearn.roc_auc_score(one_hot.numpy(), probabilities, average="macro", multi_class="ovo")
    assert functions.one_vs_rest_area(scores, one_hot).item() == pytest.approx(expected, abs=ROUNDING)
    probabilities64 = probabilities.astype(np.float64)
    probabilities64 /= probabilities64.sum(1, keepdims=True)
    expected = sklearn.roc_auc_score(labels, probabilities64, average="macro", multi_class="ovo")
    assert functions.one_vs_one_area(torch.from_numpy(probabilities64), one_hot).item() == pytest.approx(expected, abs=ROUNDING)


def test_areas_without_a_class_are_undefined():
    _, _, scores, one_hot = load("absent class")
    assert functions.one_vs_rest_area(scores, one_hot).isnan()
    assert functions.one_vs_one_area(scores, one_hot).isnan()


def test_an_area_by_hand():
    positives, negatives = torch.tensor([0.9, 0.5, 0.1]), torch.tensor([0.5, 0.2])
    assert functions.exact_area(positives, negatives).item() == pytest.approx((2 + 1.5 + 0) / 6)


@cases
def test_the_area_of_200_thresholds_is_the_trapezoid_of_the_definition(case):
    probabilities, labels, scores, one_hot = load(case)
    thresholds = THRESHOLDS.astype(np.float64)
    thresholds[[0, -1]] = -1e-7, 1 + 1e-7
    above = probabilities[:, None, :] > thresholds[None, :, None]  # (N, thresholds, K)
    areas = []
    for label in range(3):
        true, false = above[labels == label, :, label], above[labels != label, :, label]
        rates = [part.mean(0) if len(part) else np.zeros(200) for part in (true, false)]
        areas.append(-np.trapezoid(*rates))
    found = functions.mean_area_of_steps(functions.count_steps(scores, one_hot))
    assert found.item() == pytest.approx(np.mean(areas), abs=1e-12)


@cases
@pytest.mark.parametrize("least", [0.9, 0.99])
def test_precision_at_recall_is_the_best_of_200_thresholds(case, least):
    probabilities, labels, scores, one_hot = load(case)
    above, actual = probabilities.reshape(-1, 1) > THRESHOLDS, one_hot.numpy().reshape(-1, 1) > 0
    hits, chosen = (above & actual).sum(0), above.sum(0)
    reached = [hits[i] / chosen[i] for i in range(200) if hits[i] / len(labels) >= least and chosen[i]]
    found = functions.precision_at_recall(functions.count_pooled_steps(scores, one_hot), least)
    assert found.item() == pytest.approx(max(reached, default=0.0), abs=1e-12)


def test_precision_and_recall_pool_all_class_outputs_above_a_half():
    scores = torch.tensor([[0.6, 0.3, 0.1], [0.5, 0.5, 0.0], [0.1, 0.2, 0.7], [0.4, 0.3, 0.3]])
    counts = functions.count_above_half(scores, torch.eye(3)[[0, 0, 1, 0]]).double()
    assert counts.tolist() == [1, 1, 3]  # exactly a half is not predicted
    assert functions.precision(counts) == 1 / 2
    assert functions.recall(counts) == 1 / 4
    assert functions.precision(torch.zeros(3)) == functions.recall(torch.zeros(3)) == 0


def test_an_absent_class_counts_zero_in_f1():
    scores = torch.tensor([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]])
    counts = functions.count_largest(scores, torch.eye(3)[[0, 1, 1]]).double()
    assert functions.macro_f1(counts).item() == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)


def test_ties_for_the_largest_probability_all_count_as_predicted_in_f1():
    counts = functions.count_largest(torch.tensor([[0.4, 0.4, 0.2], [0.0, 0.0, 0.0]]), torch.eye(3)[[1, 2]])
    assert counts.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]


def test_the_top_two_include_ties():
    scores = torch.tensor([[0.2, 0.3, 0.5], [0.2, 0.2, 0.6], [1 / 3] * 3, [0.5, 0.3, 0.2]])
    labels = torch.eye(3)[[0, 0, 2, 0]]
    assert functions.count_in_top_2(scores, labels).tolist() == [3, 4]
    assert functions.count_correct(scores, labels).tolist() == [1, 4]
    assert functions.ratio(torch.tensor([1.0, 4.0])) == 0.25


def test_constant_predictions_have_no_correlation():
    assert functions.matthews_correlation(torch.tensor([[0.0, 3, 0], [0, 2, 0], [0, 1, 0]])) == 0
