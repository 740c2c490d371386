"""Pictures of a training: `legacy_tf.traintest.plot_metrics` and the confusion matrix of ``metrics_and_test``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay


def plot_metrics(history: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the loss and the AUC of each epoch; a line marks the epoch with the lowest validation loss.

    Args:
        history: Figures by Keras's names, a number for each epoch.
    """
    best_epoch = int(np.nanargmin(history["val_loss"]))
    figure = Figure(figsize=(12, 4))
    for axis, title, name in zip(figure.subplots(1, 2), ("Loss", "AUC"), ("loss", "metrics/AUC"), strict=True):
        axis.plot(history[name], label="training")
        axis.plot(history["val_" + name], label="validation")
        axis.axvline(best_epoch, color="grey", linestyle="--", label=f"best epoch ({best_epoch})")
        axis.set_title(title)
        axis.set_xlabel("epoch")
        axis.legend()
    return figure


def plot_confusion(confusion: Sequence[Sequence[float]], class_names: Sequence[str]) -> Figure:
    """Draw a confusion matrix normalised by row, (K, K)."""
    figure = Figure()
    display = ConfusionMatrixDisplay(np.asarray(confusion), display_labels=list(class_names))
    display.plot(cmap="Blues", ax=figure.subplots())
    return figure
