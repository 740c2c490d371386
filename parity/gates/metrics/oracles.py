"""Each metric from its definition, by numpy and scikit-learn: the code of neither side.

Shapes: probabilities (N, K) in float32, labels (N,) as indices. What the legacy takes from scikit-learn is worked out
by hand here, and the other way round.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.metrics import f1_score, matthews_corrcoef, precision_recall_curve, precision_score, recall_score, roc_auc_score

from parity.gates.metrics.contract import STEPS

Oracle = Callable[[np.ndarray, np.ndarray], "float | np.ndarray"]


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of images whose first largest probability is the label's."""
    return float((probabilities.argmax(axis=1) == labels).mean())


def top_2_accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of images whose label reaches the second largest probability, tied or not."""
    second = np.sort(probabilities, axis=1)[:, -2]
    return float((probabilities[np.arange(len(labels)), labels] >= second).mean())


def macro_f1(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean of F1 over all classes; whatever ties for the largest probability is predicted."""
    predicted = probabilities == probabilities.max(axis=1, keepdims=True)
    return float(f1_score(members(probabilities, labels), predicted, average="macro", zero_division=0.0))


def stepped_area(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean over classes of the ROC area of the probabilities' steps; 0 for a class absent or alone.

    The trapezoids between 200 thresholds are the exact area of what is left of a probability when only its step counts.
    """
    steps = np.maximum(_steps(probabilities), 1.0)  # the first threshold lies below 0: a 0 is in the first step
    areas = [
        float(roc_auc_score(positive, column)) if 0 < positive.sum() < len(positive) else 0.0
        for positive, column in zip(members(probabilities, labels).T, steps.T, strict=True)
    ]
    return float(np.mean(areas))


def pooled_precision(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the precision of all class outputs above one half."""
    return float(precision_score(members(probabilities, labels).ravel(), probabilities.ravel() > 0.5, zero_division=0.0))


def pooled_recall(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the recall of all class outputs above one half."""
    return float(recall_score(members(probabilities, labels).ravel(), probabilities.ravel() > 0.5, zero_division=0.0))


def precision_at_recall(least: float) -> Oracle:
    """Return the oracle of the best precision, classes pooled, of a threshold with at least this recall."""

    def oracle(probabilities: np.ndarray, labels: np.ndarray) -> float:
        return best_precision(members(probabilities, labels).ravel(), probabilities.ravel(), least)

    return oracle


def best_precision(positive: np.ndarray, scores: np.ndarray, least: float) -> float:
    """Return the largest precision at one of 200 thresholds with at least this recall, 0 if there is none."""
    precision, recall, steps = precision_recall_curve(positive, _steps(scores))
    reached = (recall[:-1] >= least) & (steps > 0)  # a probability of 0 is not above the first threshold
    return float(precision[:-1][reached].max(initial=0.0))


def matthews_correlation(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the correlation of labels and predictions, 0 where it is undefined."""
    return float(matthews_corrcoef(labels, probabilities.argmax(axis=1)))


def one_vs_rest_area(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean over classes of the share of pairs in the right order; not-a-number if a class is absent or alone."""
    areas = []
    for positive, column in zip(members(probabilities, labels).T, probabilities.T, strict=True):
        above, below = column[positive][:, None], column[~positive][None, :]
        areas.append(float(((above > below) + (above == below) / 2).mean()) if above.size and below.size else np.nan)
    return float(np.mean(areas))


def macro_precision(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean precision of the classes that are a label or a prediction."""
    counts = _confusion(probabilities, labels)
    return _macro(counts, counts.sum(axis=0))


def macro_recall(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean recall of the classes that are a label or a prediction."""
    counts = _confusion(probabilities, labels)
    return _macro(counts, counts.sum(axis=1))


def row_shares(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the confusion matrix (true, predicted) as shares of each label; the row of an absent label is 0."""
    counts = _confusion(probabilities, labels)
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0))


def members(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return (N, K): whether the image is of the class."""
    return np.asarray(labels[:, None] == np.arange(probabilities.shape[1]))


def _steps(probabilities: np.ndarray) -> np.ndarray:
    """Return 0 for a probability of 0, and s from above (s - 1) / 199 up to s / 199: float32, as Keras multiplies."""
    return np.asarray(np.ceil(probabilities * np.float32(STEPS)))


def _confusion(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    counts = np.zeros((probabilities.shape[1],) * 2)
    np.add.at(counts, (labels, probabilities.argmax(axis=1)), 1.0)
    return counts


def _macro(counts: np.ndarray, totals: np.ndarray) -> float:
    occurs = (counts.sum(axis=0) + counts.sum(axis=1)) > 0
    return float((counts.diagonal() / np.maximum(totals, 1.0))[occurs].mean())
