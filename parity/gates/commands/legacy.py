"""The legacy's own `train` command, called in this process; what it hands to Keras's `fit` is read on the way.

Keras runs it operation by operation: tracing the graphs of training, validation and prediction takes most of such a command,
and what reaches `fit`, and what becomes of its results, is the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tensorflow as tf

from legacy_tf import export, readers
from legacy_tf.__main__ import main
from parity.artefact import RecordingWriter, hash_array
from parity.errors import bad_input
from parity.evaluation import PRECISION
from parity.fresh import describe
from parity.gates.commands.contract import CALLBACKS, FILE, FITS, GATE, HEAD, MEMORY, call, digest, read_outcome, train_words
from parity.sides.legacy import LegacySide

KERAS = {"early_stopping": "EarlyStopping", "plateau": "ReduceLROnPlateau", "best_weights": "ModelCheckpoint"}


def record(side: LegacySide, out: RecordingWriter) -> None:
    fixtures = side.workspace.gate_fixtures(GATE)
    # Not in the run's folder: Keras takes a name with [ ] for a pattern.
    with TemporaryDirectory() as scratch, _watched() as seen:
        folder = Path(scratch, "out")
        said = call(main, train_words(fixtures, folder, side.spec.device, precision=PRECISION["legacy"]))
        if said:
            raise bad_input("legacy_tf train", "train on the fixtures of this gate", said, str(fixtures), "see its log")
        model = seen.pop("model")
        seen["weights"] |= {MEMORY: digest(_arrays(model)), FILE: digest(readers.find_reader(folder)(model).arrays)}
        for name, value in (seen | read_outcome(folder)).items():
            out.write_value(name, value)


@contextmanager
def _watched() -> Iterator[dict[str, Any]]:
    """Read what reaches `fit` inside the block, and the weights at the end of every epoch."""
    original, eagerly = tf.keras.Model.fit, tf.config.functions_run_eagerly()
    seen: dict[str, Any] = {}

    def fit(model: Any, *arguments: Any, **words: Any) -> Any:
        given = inspect.signature(original).bind(model, *arguments, **words).arguments
        seen.update(_read(model, given), model=model)

        def look(epoch: int, logs: Any) -> None:
            seen["weights"][f"epoch {epoch}"] = digest(_arrays(model))

        given["callbacks"] = [*given["callbacks"], tf.keras.callbacks.LambdaCallback(on_epoch_end=look)]
        del given["self"]
        return original(model, **given)

    tf.config.run_functions_eagerly(True)
    tf.keras.Model.fit = fit
    try:
        yield seen
    finally:
        tf.keras.Model.fit = original
        tf.config.run_functions_eagerly(eagerly)


def _read(model: Any, given: dict[str, Any]) -> dict[str, Any]:
    sources = dict(zip(FITS, (given["x"], given["validation_data"]), strict=True))
    arrays = _arrays(model)
    return {
        "fit": {
            "image": list(model.input_shape[1:]),
            **{f"batches/{name}": _batch_lengths(source) for name, source in sources.items()},
            "epochs": given["epochs"],
            "optimizer": type(model.optimizer).__name__,
            "learning_rate": float(model.optimizer.learning_rate.numpy()),
            **_read_callbacks(given["callbacks"]),
        },
        **{name: _labels(source) for name, source in sources.items()},
        "class_weights": {str(label): float(np.float32(weight)) for label, weight in given["class_weight"].items()},
        "start": {name: hash_array(array) for name, array in arrays.items() if not name.startswith(HEAD)},
        "head": {name: describe(array) for name, array in arrays.items() if name.startswith(HEAD)},
        "trained": {export.weight_name(variable): True for variable in model.trainable_variables},
        "weights": {},
    }


def _read_callbacks(callbacks: list[Any]) -> dict[str, Any]:
    made = {type(callback).__name__: callback for callback in callbacks}
    return {
        f"{callback}/{name}": getattr(made[KERAS[callback]], name) for callback, names in CALLBACKS.items() for name in names
    }


def _batch_lengths(source: Any) -> list[int]:
    starts = range(0, len(source.images), source.batch_size)
    return [len(source.images[start : start + source.batch_size]) for start in starts]


def _labels(source: Any) -> dict[str, int]:
    return {Path(path).name: int(label) for path, label in zip(source.images, source.labels, strict=True)}


def _arrays(model: Any) -> dict[str, np.ndarray]:
    return {export.weight_name(variable): variable.numpy() for variable in model.weights}
