from __future__ import annotations

import numpy as np

from torch_port.figures import plot_confusion, plot_metrics

HISTORY = {
    "loss": [1.0, 0.6, 0.3],
    "val_loss": [float("nan"), 0.7, 0.9],
    "metrics/AUC": [0.5, 0.7, 0.9],
    "val_metrics/AUC": [0.5, 0.8, 0.6],
}


def test_curves_are_the_history_and_mark_the_best_epoch():
    loss, auc = plot_metrics(HISTORY).axes
    assert (loss.get_title(), auc.get_title()) == ("Loss", "AUC")
    for axis, name in ((loss, "loss"), (auc, "metrics/AUC")):
        training, validation, best = axis.lines
        assert np.array_equal(training.get_ydata(), HISTORY[name])
        assert np.array_equal(validation.get_ydata(), HISTORY["val_" + name], equal_nan=True)
        assert list(best.get_xdata()) == [1, 1]
        assert [text.get_text() for text in axis.get_legend().get_texts()] == ["training", "validation", "best epoch (1)"]


def test_a_confusion_matrix_shows_every_share():
    axis = plot_confusion([[0.75, 0.25], [0.0, 1.0]], ["aca", "scc"]).axes[0]
    assert [text.get_text() for text in axis.texts] == ["0.75", "0.25", "0", "1"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["aca", "scc"]
