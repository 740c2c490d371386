"""What each metric of the legacy means, and where that is not what its name says: the textbook's value beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score, top_k_accuracy_score

from parity.gates.metrics import oracles
from parity.gates.metrics.contract import Predictions
from parity.gates.metrics.oracles import Oracle


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One metric.

    Attributes:
        oracle: The definition, written out.
        sentence: What is unusual about it.
        textbook: What the name would lead one to expect.
        fixture: Predictions on which the two differ.
    """

    oracle: Oracle
    sentence: str = ""
    textbook: Oracle | None = None
    fixture: str = ""

    def describe(self, fixtures: Mapping[str, Predictions]) -> str:
        """Return the sentence with both values, or without them where the fixture was not recorded."""
        if self.textbook is None or self.fixture not in fixtures:
            return self.sentence
        given = fixtures[self.fixture].probabilities, fixtures[self.fixture].labels
        values = f"on {self.fixture!r} it is {self.oracle(*given):.4f}, by the textbook {self.textbook(*given):.4f}"
        return f"{self.sentence}: {values}"


def exact_area(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean over classes of the area without thresholds."""
    return float(roc_auc_score(oracles.members(probabilities, labels), probabilities, average="macro"))


def one_vs_one_area(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean over pairs of classes of the area between the two."""
    exact = probabilities.astype(np.float64)
    return float(roc_auc_score(labels, exact / exact.sum(axis=1, keepdims=True), average="macro", multi_class="ovo"))


def f1_of_occurring(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean of F1 over the classes that occur."""
    return float(f1_score(labels, probabilities.argmax(axis=1), average="macro", zero_division=0.0))


def precision_of_largest(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the macro precision of the predicted class."""
    return float(precision_score(labels, probabilities.argmax(axis=1), average="macro", zero_division=0.0))


def recall_of_largest(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the macro recall of the predicted class."""
    return float(recall_score(labels, probabilities.argmax(axis=1), average="macro", zero_division=0.0))


def top_2_without_ties(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return top-2 accuracy when exactly two classes are picked."""
    return float(top_k_accuracy_score(labels, probabilities, k=2, labels=range(probabilities.shape[1])))


def undefined_correlation(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the correlation coefficient of numpy: 0/0 where one of the two is constant."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.corrcoef(labels, probabilities.argmax(axis=1))[0, 1])


def precision_at_recall_by_class(least: float) -> Oracle:
    """Return the mean over classes of each one's best precision at this recall."""

    def textbook(probabilities: np.ndarray, labels: np.ndarray) -> float:
        columns = zip(oracles.members(probabilities, labels).T, probabilities.T, strict=True)
        return float(np.mean([oracles.best_precision(positive, scores, least) for positive, scores in columns]))

    return textbook


def _at_recall(percent: int) -> Definition:
    return Definition(
        oracle=oracles.precision_at_recall(percent / 100),
        sentence="all class outputs are pooled, not averaged over classes",
        textbook=precision_at_recall_by_class(percent / 100),
        fixture="diffuse",
    )


DEFINITIONS: Mapping[str, Definition] = {
    "metrics/accuracy": Definition(oracle=oracles.accuracy),
    "metrics/top-2-accuracy": Definition(
        oracle=oracles.top_2_accuracy,
        sentence="a label that ties for the second place is in",
        textbook=top_2_without_ties,
        fixture="tied",
    ),
    "metrics/F1-macro": Definition(
        oracle=oracles.macro_f1,
        sentence="a class that does not occur counts 0",
        textbook=f1_of_occurring,
        fixture="absent",
    ),
    "metrics/AUC": Definition(
        oracle=oracles.stepped_area,
        sentence="200 thresholds, not the exact area",
        textbook=exact_area,
        fixture="peaked",
    ),
    "metrics/precision": Definition(
        oracle=oracles.pooled_precision,
        sentence="all class outputs above 0.5 are pooled, whichever is largest",
        textbook=precision_of_largest,
        fixture="diffuse",
    ),
    "metrics/recall": Definition(
        oracle=oracles.pooled_recall,
        sentence="all class outputs above 0.5 are pooled, whichever is largest",
        textbook=recall_of_largest,
        fixture="diffuse",
    ),
    "metrics/P@R_99": _at_recall(99),
    "metrics/P@R_95": _at_recall(95),
    "metrics/P@R_90": _at_recall(90),
    "metrics/MCC": Definition(
        oracle=oracles.matthews_correlation,
        sentence="0 where it is undefined",
        textbook=undefined_correlation,
        fixture="constant",
    ),
    "test/roc_auc": Definition(
        oracle=oracles.one_vs_rest_area,
        sentence="asked for as one-vs-one, but of one-hot labels it is one-vs-rest",
        textbook=one_vs_one_area,
        fixture="diffuse",
    ),
    "test/accuracy": Definition(oracle=oracles.accuracy),
    "test/precision": Definition(
        oracle=oracles.macro_precision, sentence="a class that does not occur is left out, one that is never predicted counts 0"
    ),
    "test/recall": Definition(
        oracle=oracles.macro_recall, sentence="a class that does not occur is left out, one that is only predicted counts 0"
    ),
    "test/confusion_matrix": Definition(
        oracle=oracles.row_shares, sentence="shares of each label (row); the row of an absent label is 0"
    ),
}
