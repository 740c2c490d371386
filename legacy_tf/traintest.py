"""Training, test figures and their plots."""

from __future__ import annotations

import os
import warnings
from datetime import datetime

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    accuracy_score,
    confusion_matrix,
    precision_score,
    recall_score,
    roc_auc_score,
)
from tqdm.keras import TqdmCallback


def get_logdir(model_name: str, run_name: str = "", base_log: str = "logs") -> str:
    """`base_log/YYYYmmdd-HHMMSS/<model_name><run_name>`."""
    return os.path.join(base_log, datetime.now().strftime("%Y%m%d-%H%M%S"), model_name + run_name)


def compile_model(model: tf.keras.Model, num_classes: int, init_lr: float = 1e-4) -> None:
    """Compile with Adam, categorical cross-entropy and the metrics of the publication."""
    with warnings.catch_warnings():
        # tensorflow-addons says at import that it is at its end of life; only this function needs it.
        warnings.simplefilter("ignore")
        import tensorflow_addons as tfa

    metrics = tf.keras.metrics
    model.compile(
        optimizer=tf.keras.optimizers.Adam(init_lr),
        loss=tf.keras.losses.CategoricalCrossentropy(),
        metrics=[
            metrics.CategoricalAccuracy(name="metrics/accuracy"),
            metrics.TopKCategoricalAccuracy(k=2, name="metrics/top-2-accuracy"),
            tfa.metrics.F1Score(num_classes=num_classes, average="macro", name="metrics/F1-macro"),
            metrics.AUC(multi_label=True, num_labels=num_classes, name="metrics/AUC"),
            # Threshold 0.5 on every class output, pooled over classes: not the precision of the argmax.
            metrics.Precision(name="metrics/precision"),
            metrics.Recall(name="metrics/recall"),
            metrics.PrecisionAtRecall(0.99, name="metrics/P@R_99"),
            metrics.PrecisionAtRecall(0.95, name="metrics/P@R_95"),
            metrics.PrecisionAtRecall(0.9, name="metrics/P@R_90"),
            tfa.metrics.MatthewsCorrelationCoefficient(num_classes=num_classes, name="metrics/MCC"),
        ],
    )


def train_model(
    model: tf.keras.Model,
    train_generator: tf.keras.utils.Sequence,
    val_generator: tf.keras.utils.Sequence,
    class_weights: dict[int, float] | None,
    log_dir: str,
    num_epochs: int = 2000,
    patience: int = 25,
    patience_lr: int = 10,
) -> tf.keras.callbacks.History:
    """Train until the validation loss stops falling, then load the weights of its best epoch.

    The best weights are kept as a TensorFlow checkpoint `best_weights` in `log_dir`. Class weights apply to
    the training loss alone: the validation loss, which decides everything here, is not weighted.

    Returns:
        The history of `fit`.
    """
    best_weights = os.path.join(log_dir, "best_weights")
    callbacks = [
        tf.keras.callbacks.EarlyStopping(monitor="val_loss", patience=patience),
        tf.keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.1, patience=patience_lr, min_delta=1e-4, min_lr=1e-7),
        tf.keras.callbacks.ModelCheckpoint(best_weights, monitor="val_loss", save_best_only=True, save_weights_only=True),
        TqdmCallback(verbose=0),
    ]
    # Quirk mid_epoch_reshuffle: `shuffle` keeps its default, so fit asks for the batches in a random order.
    history = model.fit(
        train_generator,
        validation_data=val_generator,
        epochs=num_epochs,
        class_weight=class_weights,
        callbacks=callbacks,
        verbose=0,
    )
    model.load_weights(best_weights)
    return history


def test_model(
    model: tf.keras.Model, test_generator: tf.keras.utils.Sequence
) -> tuple[dict[str, float | np.ndarray], np.ndarray]:
    """Predict the test generator (which must not shuffle).

    Returns:
        The figures of `test_figures`, and the probabilities (N, num_classes) in the order of the generator.
    """
    probabilities = model.predict(test_generator, verbose=0)
    return test_figures(test_generator.labels, probabilities), probabilities


def test_figures(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float | np.ndarray]:
    """ROC-AUC, accuracy, macro precision, macro recall and the confusion matrix normalised by row.

    Args:
        labels: Integer label of each image (N,).
        probabilities: Predicted probabilities (N, num_classes).
    """
    num_classes = probabilities.shape[1]
    one_hot = tf.keras.utils.to_categorical(labels, num_classes)
    predicted = np.argmax(probabilities, axis=1)
    return {
        # Quirk one_hot_auc: one-vs-one is asked for, but with one-hot labels it is one-vs-rest.
        "roc_auc": roc_auc_score(one_hot, probabilities, average="macro", multi_class="ovo"),
        "accuracy": accuracy_score(labels, predicted),
        "precision": precision_score(labels, predicted, average="macro", zero_division=0),
        "recall": recall_score(labels, predicted, average="macro", zero_division=0),
        "confusion_matrix": confusion_matrix(labels, predicted, labels=range(num_classes), normalize="true"),
    }


def plot_metrics(history: tf.keras.callbacks.History) -> plt.Figure:
    """Draw the loss and the AUC per epoch; a line marks the epoch with the lowest validation loss."""
    logs = history.history
    best_epoch = int(np.argmin(logs["val_loss"]))
    figure, axes = plt.subplots(1, 2, figsize=(12, 4))
    for axis, title, name in ((axes[0], "Loss", "loss"), (axes[1], "AUC", "metrics/AUC")):
        axis.plot(logs[name], label="training")
        axis.plot(logs["val_" + name], label="validation")
        axis.axvline(best_epoch, color="grey", linestyle="--", label=f"best epoch ({best_epoch})")
        axis.set_title(title)
        axis.set_xlabel("epoch")
        axis.legend()
    return figure


def metrics_and_test(
    history: tf.keras.callbacks.History,
    model: tf.keras.Model,
    test_generator: tf.keras.utils.Sequence,
    class_names: list[str],
) -> dict[str, float | np.ndarray]:
    """Draw the training curves, test the model and draw the confusion matrix; returns the test figures."""
    plot_metrics(history)
    figures, _ = test_model(model, test_generator)
    for name in ("roc_auc", "accuracy", "precision", "recall"):
        print(f"{name}: {figures[name]:.4f}")
    ConfusionMatrixDisplay(figures["confusion_matrix"], display_labels=class_names).plot(cmap="Blues")
    return figures
