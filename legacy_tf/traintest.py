"""Training, test figures and their plots."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
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


def compile_model(model: tf.keras.Model, num_classes: int, init_lr: float = 1e-4) -> tf.keras.Model:
    """Compile with Adam, categorical cross-entropy and the metrics of the publication; returns the model."""
    with warnings.catch_warnings():
        # tensorflow-addons says at import that it is at its end of life; only this function needs it.
        warnings.simplefilter("ignore")
        import tensorflow_addons as tfa

    metrics = tf.keras.metrics
    model.compile(
        optimizer=tf.keras.optimizers.Adam(init_lr),
        loss="categorical_crossentropy",
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
    return model


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

    The best weights are kept as a TensorFlow checkpoint whose prefix is `log_dir` itself. Class weights apply to
    the training loss alone: the validation loss, which decides everything here, is not weighted.

    Returns:
        The history of `fit`.
    """
    callbacks = [
        tf.keras.callbacks.EarlyStopping(monitor="val_loss", patience=patience),
        tf.keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.1, patience=patience_lr, min_delta=1e-4, min_lr=1e-7),
        tf.keras.callbacks.ModelCheckpoint(log_dir, monitor="val_loss", save_best_only=True, save_weights_only=True),
        TqdmCallback(leave=False),
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
    print("Loading weights with best iteration...")
    model.load_weights(log_dir)
    return history


def plot_metrics(history: tf.keras.callbacks.History, axs: Sequence[plt.Axes]) -> None:
    """Draw the loss and the AUC per epoch into two axes; a line marks the epoch with the lowest validation loss."""
    logs = history.history
    best_epoch = int(np.argmin(logs["val_loss"]))
    curves = (("Training and Validation Loss", "Loss", "loss"), ("ROC-AUC Evolution", "ROC-AUC", "metrics/AUC"))
    for axis, (title, label, name) in zip(axs, curves, strict=True):
        axis.grid(alpha=0.5)
        axis.plot(logs[name], label="Train")
        axis.plot(logs["val_" + name], label="Validation")
        axis.axvline(best_epoch, alpha=0.5, color="k", linestyle="dashed", label="best epoch")
        axis.set_title(title)
        axis.set_xlabel("Epoch")
        axis.set_ylabel(label)
        axis.legend()


def test_model(
    model: tf.keras.Model,
    test_generator: tf.keras.utils.Sequence,
    class_names: list[str],
    ax: plt.Axes,
    conf_normalize: bool = True,
) -> None:
    """Print the figures of `test_figures`, and draw the confusion matrix of the classes that occur.

    The generator is read twice, for the predictions and for the labels, so it must not shuffle.

    Args:
        model: The classifier.
        test_generator: Images and labels.
        class_names: One name for each class that occurs.
        ax: Where to draw.
        conf_normalize: Whether the rows of the confusion matrix are fractions.
    """
    probabilities = model.predict(test_generator)
    labels = np.concatenate([batch_labels.argmax(axis=1) for _, batch_labels in test_generator])
    figures = test_figures(labels, probabilities)
    for title, name in (("AUC", "roc_auc"), ("Accuracy", "accuracy"), ("Precision", "precision"), ("Recall", "recall")):
        print(f"Test {title}: {figures[name]:.2f}")
    ConfusionMatrixDisplay.from_predictions(
        labels,
        probabilities.argmax(axis=1),
        display_labels=class_names,
        normalize="true" if conf_normalize else None,
        ax=ax,
    )
    ax.set_title(f"Acc: {figures['accuracy']:4.2f}")


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
        "precision": precision_score(labels, predicted, average="macro"),
        "recall": recall_score(labels, predicted, average="macro"),
        "confusion_matrix": confusion_matrix(labels, predicted, labels=range(num_classes), normalize="true"),
    }


def metrics_and_test(
    history: tf.keras.callbacks.History,
    model: tf.keras.Model,
    test_generator: tf.keras.utils.Sequence,
    class_names: list[str],
    conf_normalize: bool = True,
) -> None:
    """Show the training curves and the confusion matrix in one figure, and print the test figures."""
    _, axes = plt.subplots(1, 3, figsize=(12, 5))
    plot_metrics(history, axes[:2])
    test_model(model, test_generator, class_names, ax=axes[2], conf_normalize=conf_normalize)
    plt.tight_layout()
    plt.show()
