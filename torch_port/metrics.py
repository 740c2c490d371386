"""Metrics with the legacy's definitions, as torchmetrics modules over `metric_functions`.

torchmetrics' own classification metrics are not used: they differ from the legacy's on ties, on absent
classes, in the sides of their thresholds and in float32 rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.utilities import dim_zero_cat

from torch_port import metric_functions as functions
from torch_port.quirks import DEFAULT, Quirks


class CountMetric(Metric):
    """A metric whose state is a tensor of counts that add up over batches, in float64.

    Args:
        count: (probabilities (N, K), one-hot labels (N, K)) -> counts.
        value: Counts -> value.
        shape: Shape of the counts.
    """

    full_state_update = False

    def __init__(
        self,
        count: Callable[[Tensor, Tensor], Tensor],
        value: Callable[[Tensor], Tensor],
        shape: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.count = count
        self.value = value
        self.add_state("counts", torch.zeros(shape, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, probabilities: Tensor, labels: Tensor) -> None:
        """Add a batch."""
        self.counts += self.count(probabilities, labels).to(self.counts)

    def compute(self) -> Tensor:
        """Return the value over all batches."""
        return self.value(self.counts)


class RocAuc(Metric):
    """The exact area under the ROC curve that `legacy_tf.traintest.test_model` reports.

    Args:
        quirks: ``one_hot_auc`` decides between one-vs-rest and one-vs-one.
    """

    full_state_update = False

    def __init__(self, quirks: Quirks = DEFAULT) -> None:
        super().__init__()
        self.area = functions.one_vs_rest_area if quirks.one_hot_auc else functions.one_vs_one_area
        self.add_state("probabilities", [], dist_reduce_fx="cat")
        self.add_state("labels", [], dist_reduce_fx="cat")

    def update(self, probabilities: Tensor, labels: Tensor) -> None:
        """Add a batch."""
        self.probabilities.append(probabilities)
        self.labels.append(labels)

    def compute(self) -> Tensor:
        """Return the value over all batches."""
        return self.area(dim_zero_cat(self.probabilities), dim_zero_cat(self.labels))


def make_compiled_metrics(num_classes: int) -> MetricCollection:
    """Return the metrics that `legacy_tf.traintest.compile_model` gives to Keras, under its names."""
    outcomes, steps = (3, num_classes), (2, functions.THRESHOLDS)
    metrics = {
        "accuracy": CountMetric(functions.count_correct, functions.ratio, (2,)),
        "top-2-accuracy": CountMetric(functions.count_in_top_2, functions.ratio, (2,)),
        "F1-macro": CountMetric(functions.count_largest, functions.macro_f1, outcomes),
        "AUC": CountMetric(functions.count_steps, functions.mean_area_of_steps, (*steps, num_classes)),
        "precision": CountMetric(functions.count_above_half, functions.precision, (3,)),
        "recall": CountMetric(functions.count_above_half, functions.recall, (3,)),
    }
    for percent in (99, 95, 90):
        at_recall = partial(functions.precision_at_recall, least=percent / 100)
        metrics[f"P@R_{percent}"] = CountMetric(functions.count_pooled_steps, at_recall, steps)
    metrics["MCC"] = CountMetric(functions.count_confusion, functions.matthews_correlation, (num_classes, num_classes))
    return MetricCollection(metrics, prefix="metrics/", compute_groups=False)


def make_test_metrics(num_classes: int, quirks: Quirks = DEFAULT) -> MetricCollection:
    """Return the figures of `legacy_tf.traintest.test_model`; the confusion matrix is normalised by row."""
    of_confusion = {
        "accuracy": functions.accuracy_of_confusion,
        "precision": functions.macro_precision,
        "recall": functions.macro_recall,
        "confusion_matrix": functions.normalise_rows,
    }
    metrics: dict[str, Metric] = {"roc_auc": RocAuc(quirks)}
    for name, value in of_confusion.items():
        metrics[name] = CountMetric(functions.count_confusion, value, (num_classes, num_classes))
    return MetricCollection(metrics, compute_groups=False)
