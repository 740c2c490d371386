"""Predict the splits of a data set in order, and write probabilities and figures."""

from __future__ import annotations

import csv
import json
import math
import os
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tensorflow as tf
from sklearn.exceptions import UndefinedMetricWarning
from tqdm import tqdm

from . import checks, traintest
from .generator import CustomDataGenerator


class PredictionProgress(tf.keras.callbacks.Callback):
    """A bar on standard error that counts the batches of `Model.predict`.

    Args:
        batches: Their number.
        title: What is predicted.
    """

    def __init__(self, batches: int, title: str) -> None:
        super().__init__()
        self.bar = tqdm(total=batches, desc=title, unit="batch")

    def on_predict_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Count one batch."""
        self.bar.update()

    def on_predict_end(self, logs: dict | None = None) -> None:
        """Finish the bar."""
        self.bar.close()


def predict(model: tf.keras.Model, generator: CustomDataGenerator, title: str) -> np.ndarray:
    """Probabilities (N, K) float32 in the order of a generator that does not shuffle, with a progress bar.

    Raises:
        DatasetError: Some images cannot be decoded.
    """
    progress = PredictionProgress(len(generator), title)
    with checks.naming_undecodable(generator.images):
        return model.predict(generator, verbose=0, callbacks=[progress])


def make_metrics(labels: list[int], probabilities: np.ndarray) -> dict[str, object]:
    """The figures of `traintest.test_figures` as plain values; an AUC that is undefined is None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        figures = traintest.test_figures(np.asarray(labels), probabilities)
    roc_auc = float(figures["roc_auc"])
    return {
        "n": len(labels),
        "roc_auc": roc_auc if math.isfinite(roc_auc) else None,
        "accuracy": float(figures["accuracy"]),
        "precision": float(figures["precision"]),
        "recall": float(figures["recall"]),
        "confusion_matrix": figures["confusion_matrix"].tolist(),
    }


def write_predictions(path: Path, class_names: list[str], rows: Iterable[tuple[list[str], np.ndarray]]) -> None:
    """Write `image` and one column per class; nine digits give a float32 back exactly.

    Args:
        path: CSV file to write.
        class_names: Header of the probabilities.
        rows: Per split the paths of the images and their probabilities (N, K).
    """
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image", *class_names])
        for images, probabilities in rows:
            for image, row in zip(images, probabilities, strict=True):
                writer.writerow([os.path.basename(image), *(f"{value:.9g}" for value in row)])


def write_metrics(path: Path, metrics: dict[str, dict[str, object]]) -> None:
    """Write the figures by split as JSON."""
    path.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
