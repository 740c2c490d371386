"""Per-class figures of one side, by scikit-learn: an oracle that neither side uses for its own report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, matthews_corrcoef, precision_recall_fscore_support, roc_auc_score

from parity.contract import CLASSES

INDICES = list(range(len(CLASSES)))


def per_class(labels: np.ndarray, probabilities: np.ndarray) -> list[dict[str, float | int | None]]:
    """Return support, precision, recall, F1, ROC-AUC and MCC of each class against the others.

    Args:
        labels: (N,) class indices.
        probabilities: (N, K).

    Returns:
        One table for each class; ROC-AUC is None where the class or its complement is absent.
    """
    predicted = probabilities.argmax(axis=1)
    precision, recall, f1, support = precision_recall_fscore_support(labels, predicted, labels=INDICES, zero_division=0.0)
    return [
        {
            "support": int(support[index]),
            "precision": float(precision[index]),
            "recall": float(recall[index]),
            "f1": float(f1[index]),
            "roc_auc": roc_auc(labels == index, probabilities[:, index]),
            "mcc": mcc(labels == index, predicted == index),
        }
        for index in INDICES
    ]


def roc_auc(positive: np.ndarray, score: np.ndarray) -> float | None:
    """Return the area under the ROC curve, or None where one of the two groups is empty."""
    return float(roc_auc_score(positive, score)) if 0 < int(positive.sum()) < len(positive) else None


def mcc(positive: np.ndarray, predicted: np.ndarray) -> float:
    """Return Matthews' correlation coefficient, 0 where it is undefined: one of the two is constant."""
    constant = len(np.unique(positive)) < 2 or len(np.unique(predicted)) < 2
    return 0.0 if constant else float(matthews_corrcoef(positive, predicted))


def confusion(labels: np.ndarray, predicted: np.ndarray) -> list[list[int]]:
    """Return counts, rows true, columns predicted."""
    counts: list[list[int]] = confusion_matrix(labels, predicted, labels=INDICES).tolist()
    return counts


def summary(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    """Return the figures of the legacy's ``test_model``: one against the rest, macro averages, rows normalised."""
    rows = per_class(labels, probabilities)
    present = [row for row in rows if row["support"]]
    aucs = [row["roc_auc"] for row in rows]
    predicted = probabilities.argmax(axis=1)
    counted = {int(label) for label in np.union1d(labels, predicted)}
    macro = [row for index, row in enumerate(rows) if index in counted]
    counts = np.array(confusion(labels, predicted), dtype=np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    return {
        "n": len(labels),
        "roc_auc": None if None in aucs or not present else float(np.mean([auc for auc in aucs if auc is not None])),
        "accuracy": float((predicted == labels).mean()),
        "precision": float(np.mean([row["precision"] for row in macro])),
        "recall": float(np.mean([row["recall"] for row in macro])),
        "confusion_matrix": np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0).tolist(),
    }


def swappable_share(positive: np.ndarray, score: np.ndarray, error: float) -> float:
    """Return how far the ROC-AUC can move when every score moves by at most `error`.

    It is the share of (positive, negative) pairs whose scores are at most twice `error` apart.
    """
    above, below = score[positive], score[~positive]
    pairs = above.size * below.size
    if pairs == 0:
        return 0.0
    close = int((np.abs(above[:, None] - below[None, :]) <= 2 * error).sum())
    return float(close / pairs)


def columns(rows: Sequence[Any], side: str) -> tuple[np.ndarray, np.ndarray]:
    """Return labels (N,) and probabilities (N, K) of ledger rows; `side` is ``reference`` or ``candidate``."""
    return np.array([row.label for row in rows]), np.stack([getattr(row, side) for row in rows]).astype(np.float64)
