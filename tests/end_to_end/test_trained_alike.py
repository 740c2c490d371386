"""Both sides trained on the demo with the same seed and options: curves and test figures that a person would call the same.

One seed is not the same randomness in two frameworks, so this is no gate: two trainings of one side differ as much.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.console import show_progress
from parity.demo.cache import DEMO, make_checkpoint, make_dataset

from .conftest import run_python

pytestmark = pytest.mark.slow

EPOCHS = 12
OPTIONS = ("--image-scale", 0.1, "--epochs", EPOCHS, "--seed", 5, "--learning-rate", 1e-5)
HEADLESS = """
import sys
import tensorflow as tf
from legacy_tf import export, models
model, _ = models.resnet_model(3, (96, 128, 3), weights=None)
export.load_checkpoint(model, sys.argv[1])
tf.keras.Model(model.input, model.get_layer("avg_pool").output).save_weights(sys.argv[2])
"""
SIDES = {"legacy": "legacy_tf", "port": "torch_port"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Start both from the demo checkpoint's backbone: from random weights, a dozen epochs leave the moving averages behind."""
    folder = tmp_path_factory.mktemp("trained")
    with show_progress() as listen:
        data, checkpoint = make_dataset(DEMO, listen), make_checkpoint(DEMO, listen)
    weights = folder / "headless.h5"
    run_python("legacy", "-c", HEADLESS, checkpoint, weights)
    for side, package in SIDES.items():
        run_python(side, "-m", package, "train", "--data", data, "--weights", weights, *OPTIONS, "--out", folder / side)
    return {side: read_outcome(folder / side) for side in SIDES}


def read_outcome(folder: Path) -> dict[str, Any]:
    """Return the history and the figures of a training."""
    return {name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in ("history", "metrics")}


def test_both_sides_keep_the_same_history(trained: dict[str, dict[str, Any]]):
    legacy, port = (trained[side]["history"] for side in SIDES)
    assert set(legacy) == set(port)
    assert {len(values) for history in (legacy, port) for values in history.values()} == {EPOCHS}
    assert legacy["lr"] == port["lr"]


def test_both_sides_learn_alike(trained: dict[str, dict[str, Any]]):
    rows = {
        "best validation loss": [min(trained[side]["history"]["val_loss"]) for side in SIDES],
        "training loss, last three epochs": [float(np.mean(trained[side]["history"]["loss"][-3:])) for side in SIDES],
        "training AUC, last three epochs": [float(np.mean(trained[side]["history"]["metrics/AUC"][-3:])) for side in SIDES],
        **{
            f"{part} {figure}": [trained[side]["metrics"][part][figure] for side in SIDES]
            for part in ("val", "test")
            for figure in ("accuracy", "roc_auc")
        },
    }
    for name, (legacy, port) in rows.items():
        print(f"{name}: legacy {legacy:.3f}, port {port:.3f}")
    for name, (legacy, port) in rows.items():
        assert abs(legacy - port) <= 0.17, name  # two of the twelve images of a split
    for side in SIDES:
        losses = trained[side]["history"]["loss"]
        assert losses[-1] < 0.75 * losses[0], f"the {side} does not learn"
