"""The legacy's metrics as pure functions: counts of a batch, which add up, and values of the added counts.

Sources: Keras 2.15 (``metrics_utils``, ``confusion_metrics``), tensorflow-addons 0.23 (``f_scores``,
``matthews_correlation_coefficient``), scikit-learn. Shapes: probabilities and one-hot labels (N, K); K is the
number of classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

THRESHOLDS = 200


def count_correct(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Count images whose first largest probability is the label's, and images: (2,)."""
    return _hits(probabilities.argmax(dim=1) == labels.argmax(dim=1))


def count_in_top_2(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Count images whose label is exceeded by fewer than two classes (so ties are in), and images: (2,)."""
    own = probabilities.gather(1, labels.argmax(dim=1, keepdim=True))
    return _hits((probabilities > own).sum(dim=1) < 2)


def count_largest(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Count true positives, false positives and false negatives by class: (3, K).

    Every class that ties for the largest probability is predicted (as tensorflow-addons does).
    """
    largest = probabilities.amax(dim=1, keepdim=True)
    return _outcomes((probabilities >= largest) & (probabilities.abs() > 1e-12), labels > 0)


def count_above_half(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Count true positives, false positives, false negatives of all classes: (3,). Predicted is above 0.5."""
    return _outcomes(probabilities.reshape(-1) > 0.5, labels.reshape(-1) > 0)


def count_steps(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Count labels that are and are not of the class, by step of probability and class: (2, THRESHOLDS, K).

    Step 0 is a probability of 0; step s is from above (s - 1) / 199 up to s / 199.
    """
    step = (probabilities * (THRESHOLDS - 1)).ceil().long()  # in the dtype of the probabilities, as in Keras
    counts = torch.zeros(2, THRESHOLDS, probabilities.shape[1], dtype=torch.float64, device=probabilities.device)
    counts[0].scatter_add_(0, step, (labels > 0).double())
    counts[1].scatter_add_(0, step, (labels <= 0).double())
    return counts


def count_pooled_steps(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Count as ``count_steps`` does, all classes together: (2, THRESHOLDS)."""
    return count_steps(probabilities.reshape(-1, 1), labels.reshape(-1, 1))[:, :, 0]


def count_confusion(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Count images by label (row) and prediction (column): (K, K), float64.

    ``torch.bincount`` would make the host wait for a GPU in every training step: the size of its result depends on the values.
    """
    classes = torch.arange(probabilities.shape[1], device=probabilities.device)
    labelled, predicted = ((scores.argmax(dim=1, keepdim=True) == classes).double() for scores in (labels, probabilities))
    return labelled.T @ predicted


def ratio(counts: Tensor) -> Tensor:
    """Return hits over images."""
    return counts[0] / counts[1]


def precision(outcomes: Tensor) -> Tensor:
    """Return true positives over predicted ones, 0 where nothing is predicted."""
    return _divide_no_nan(outcomes[0], outcomes[0] + outcomes[1])


def recall(outcomes: Tensor) -> Tensor:
    """Return true positives over positives, 0 where there are none."""
    return _divide_no_nan(outcomes[0], outcomes[0] + outcomes[2])


def macro_f1(outcomes: Tensor) -> Tensor:
    """Return the mean of F1 over all classes; an absent class counts 0 (as tensorflow-addons does)."""
    product, total = precision(outcomes) * recall(outcomes), precision(outcomes) + recall(outcomes)
    return 2 * _divide_no_nan(product, total).mean()


def mean_area_of_steps(counts: Tensor) -> Tensor:
    """Return the mean over classes of the area under the ROC curve of 200 thresholds (Keras ``AUC``).

    Keras puts the outer thresholds 1e-7 outside [0, 1], so a probability of 0 is above the first one.
    """
    positives, negatives = counts
    true_rate = _divide_no_nan(_above_thresholds(positives, positives.sum(dim=0)), positives.sum(dim=0))
    false_rate = _divide_no_nan(_above_thresholds(negatives, negatives.sum(dim=0)), negatives.sum(dim=0))
    heights = (true_rate[:-1] + true_rate[1:]) / 2
    return ((false_rate[:-1] - false_rate[1:]) * heights).sum(dim=0).mean()


def precision_at_recall(counts: Tensor, least: float) -> Tensor:
    """Return the largest precision at a threshold with at least this recall, 0 if there is none (Keras)."""
    positives, negatives = (_above_thresholds(row, row[1:].sum(dim=0)) for row in counts)
    feasible = _divide_no_nan(positives, counts[0].sum()) >= least
    return torch.where(feasible, _divide_no_nan(positives, positives + negatives), 0.0).max()


def matthews_correlation(confusion: Tensor) -> Tensor:
    """Return the multi-class correlation, 0 where it is undefined (as tensorflow-addons does)."""
    true, predicted, total = confusion.sum(dim=1), confusion.sum(dim=0), confusion.sum()
    covariance = confusion.trace() * total - true @ predicted
    value = covariance / torch.sqrt((total**2 - true @ true) * (total**2 - predicted @ predicted))
    return value.nan_to_num(nan=0.0)


def accuracy_of_confusion(confusion: Tensor) -> Tensor:
    """Return hits over images."""
    return confusion.trace() / confusion.sum()


def macro_precision(confusion: Tensor) -> Tensor:
    """Return the mean over classes that are labels or predictions (scikit-learn); none predicted counts 0."""
    return _divide_no_nan(confusion.diagonal(), confusion.sum(dim=0))[_present(confusion)].mean()


def macro_recall(confusion: Tensor) -> Tensor:
    """Return the mean over classes that are labels or predictions (scikit-learn); none labelled counts 0."""
    return _divide_no_nan(confusion.diagonal(), confusion.sum(dim=1))[_present(confusion)].mean()


def normalise_rows(confusion: Tensor) -> Tensor:
    """Return shares of each label; the row of an absent label is zero (scikit-learn)."""
    return _divide_no_nan(confusion, confusion.sum(dim=1, keepdim=True))


def one_vs_rest_area(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return the mean over classes of the exact ROC area; NaN if a class is absent or alone."""
    areas = [exact_area(column[mask], column[~mask]) for column, mask in zip(probabilities.T, labels.T > 0, strict=True)]
    return torch.stack(areas).mean()


def one_vs_one_area(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return the mean over ordered pairs of classes of the exact ROC area; NaN if a class is absent."""
    members = [probabilities[mask] for mask in labels.T > 0]
    areas = [
        exact_area(members[one][:, one], members[other][:, one])
        for one in range(len(members))
        for other in range(len(members))
        if one != other
    ]
    return torch.stack(areas).mean()


def exact_area(positives: Tensor, negatives: Tensor) -> Tensor:
    """Return the share of (positive, negative) pairs in the right order, a tie counting half: float64."""
    ordered = negatives.contiguous().sort().values
    below = torch.searchsorted(ordered, positives.contiguous(), right=False)
    not_above = torch.searchsorted(ordered, positives.contiguous(), right=True)
    return (below + not_above).double().mean() / (2 * len(negatives))


def _hits(hits: Tensor) -> Tensor:
    return torch.stack([hits.sum(), torch.ones_like(hits).sum()])


def _outcomes(predicted: Tensor, actual: Tensor) -> Tensor:
    return torch.stack([(predicted & actual).sum(dim=0), (predicted & ~actual).sum(dim=0), (~predicted & actual).sum(dim=0)])


def _above_thresholds(steps: Tensor, above_first: Tensor) -> Tensor:
    """Return the counts above each of the thresholds 0, 1/199, ..., 1, given those above the first one."""
    # Whole numbers add up in any order: a GPU has no deterministic sum of floating-point ones.
    above = steps.long().flip(0).cumsum(0).flip(0).to(steps)  # above[s] is above threshold s - 1
    return torch.cat([above_first[None], above[2:], torch.zeros_like(above[:1])])


def _present(confusion: Tensor) -> Tensor:
    return (confusion.sum(dim=0) + confusion.sum(dim=1)) > 0


def _divide_no_nan(numerator: Tensor, denominator: Tensor) -> Tensor:
    return torch.where(denominator == 0, 0.0, numerator / denominator.clamp(min=1e-300))
