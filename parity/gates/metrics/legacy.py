"""The compiled metrics and the test figures of the legacy pipeline, on injected predictions."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from legacy_tf import traintest
from parity.artefact import RecordingWriter
from parity.contract import BATCH_SIZE
from parity.gates.metrics.contract import HISTORY, HISTORY_SEEDS, NUM_CLASSES, fixture_array, make_fixtures
from parity.sides.legacy import LegacySide
from parity.sides.legacy_head import fit_history, identity_head
from parity.training import cut, make_epoch


def record(side: LegacySide, out: RecordingWriter) -> None:
    inputs = tf.keras.Input((NUM_CLASSES,))
    identity = tf.keras.Model(inputs, inputs)  # predicts what it is fed
    traintest.compile_model(identity, NUM_CLASSES)
    found: dict[str, list[object]] = {}
    for name, given in make_fixtures().items():
        out.write_array(fixture_array(name, "probabilities"), given.probabilities, "NK")
        out.write_array(fixture_array(name, "labels"), given.labels, "N")
        compiled = identity.evaluate(given.probabilities, given.one_hot, batch_size=BATCH_SIZE, return_dict=True, verbose=0)
        del compiled["loss"]
        figures = traintest.test_figures(given.labels, given.probabilities)
        compiled |= {f"test/{figure}": value for figure, value in figures.items()}
        for metric, value in compiled.items():
            found.setdefault(metric, []).append(value)
    for metric, values in found.items():
        stacked = np.array(values, dtype=np.float64)
        out.write_array(metric, stacked, "NKO"[: stacked.ndim])
    with identity_head(side, "float32") as head:
        history = fit_history(side, head, *(cut(make_epoch(seed)) for seed in HISTORY_SEEDS))
    for metric in HISTORY:
        out.write_array(f"history/{metric}", np.array(history[metric]), "N")
