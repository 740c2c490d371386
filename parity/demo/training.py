"""Trains the demo checkpoint from scratch with the legacy's own generator, model, loss and optimizer."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from legacy_tf import datasets, generator, models, traintest
from parity.demo import settling

# Batch norm and head are settled at the scale asked for; the head learns this one too, so that small fast runs
# (profile probe) have a checkpoint that tells the classes apart as well.
PROBE_SCALE = 0.08
SMALL_SCALE = 0.1
SETTLE_BATCHES = 12
HEAD_BATCHES = 8
HEAD_STEPS = 300
HEAD_LEARNING_RATE = 1e-4


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stretch of training: at which image scale, for how many epochs, at which learning rate."""

    scale: float
    epochs: int
    learning_rate: float


def plan_stages(image_scale: float) -> list[Stage]:
    """Start on small images, where a step costs a fifth, and finish at the scale asked for."""
    if image_scale <= SMALL_SCALE:
        return [Stage(scale=image_scale, epochs=10, learning_rate=1e-4)]
    return [
        Stage(scale=SMALL_SCALE, epochs=8, learning_rate=1e-4),
        Stage(scale=image_scale, epochs=2, learning_rate=1e-4),
    ]


def show_progress(step: str, done: int, total: int, **values: float) -> None:
    """Print one line of progress."""
    print(json.dumps({"step": step, "done": done, "of": total, **values}), flush=True)


class EpochProgress(tf.keras.callbacks.Callback):
    """Prints a line when an epoch of a stage ends."""

    def __init__(self, before: int, total: int) -> None:
        super().__init__()
        self.before, self.total = before, total

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Called by Keras."""
        show_progress(
            "train",
            self.before + epoch + 1,
            self.total,
            loss=round(float((logs or {})["loss"]), 4),
        )


def build_model(num_classes: int, scale: float, weights: list[np.ndarray] | None = None) -> tf.keras.Model:
    """Build the legacy model for a scale; the network is convolutional, so weights of any other scale fit."""
    height, width = (
        int(generator.IMAGE_HEIGHT * scale),
        int(scale * generator.IMAGE_WIDTH),
    )
    model, _ = models.resnet_model(num_classes, (height, width, 3), weights=None)
    if weights is not None:
        model.set_weights(weights)
    return model


def make_training_set(data_dir: Path, scale: float, seed: int, source: Mapping[str, Any]) -> tf.keras.utils.Sequence:
    """Make the legacy's training generator and start its random numbers at ``seed``."""
    made, _ = datasets.make_generators(data_dir, image_scale=scale, splits=["train"], **source)
    # Making any generator restarts Python's random numbers at the same place: every stage would augment alike.
    random.seed(seed)
    return made["train"]


def train_from_scratch(data_dir: Path, image_scale: float, seed: int, source: Mapping[str, Any]) -> tf.keras.Model:
    """Train, settle the moving averages, and fit the head to the settled features.

    Args:
        data_dir: Data folder.
        image_scale: Size of the images as a fraction of 1200x1600.
        seed: Seed of every random choice.
        source: Resolution and split, as ``datasets.make_generators`` takes them.

    Returns:
        The trained model for images of ``image_scale``.
    """
    stages = plan_stages(image_scale)
    total = sum(stage.epochs for stage in stages)
    model, done = None, 0
    for number, stage in enumerate(stages):
        training_set = make_training_set(data_dir, stage.scale, seed + number, source)
        weights = model.get_weights() if model else None
        model = build_model(training_set.num_classes, stage.scale, weights)
        traintest.compile_model(model, training_set.num_classes, stage.learning_rate)
        model.fit(
            training_set,
            epochs=stage.epochs,
            verbose=0,
            callbacks=[EpochProgress(done, total)],
        )
        done += stage.epochs
    settling.settle_moving_averages(
        model,
        settling.make_batches(training_set, SETTLE_BATCHES),
        lambda k: show_progress("settle", k, SETTLE_BATCHES),
    )
    _finish_head(model, data_dir, image_scale, seed, source)
    return model


def _finish_head(
    model: tf.keras.Model,
    data_dir: Path,
    image_scale: float,
    seed: int,
    source: Mapping[str, Any],
) -> None:
    """Go on training the head on features in evaluation mode: they are what it will meet from now on."""
    scales = sorted({image_scale, PROBE_SCALE})
    parts = []
    for number, scale in enumerate(scales):
        training_set = make_training_set(data_dir, scale, seed + 100 + number, source)
        scaled = build_model(training_set.num_classes, scale, model.get_weights())
        before, total = number * HEAD_BATCHES, len(scales) * HEAD_BATCHES
        batches = settling.make_batches(training_set, HEAD_BATCHES)
        parts.append(
            settling.compute_features(
                scaled,
                batches,
                lambda k, b=before, n=total: show_progress("head", b + k, n),
            )
        )
    features, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    settling.fit_head(model, features, labels, HEAD_STEPS, HEAD_LEARNING_RATE)
