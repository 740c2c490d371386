"""The optimizer that `compile_model` gives to a model, fed with injected gradients, in float64."""

from __future__ import annotations

import tensorflow as tf

from legacy_tf import traintest
from parity.artefact import RecordingWriter
from parity.contract import CLASSES
from parity.gates.optimizer.contract import (
    FACTOR,
    INJECTED,
    LOWERED_AFTER,
    QUANTITIES,
    RECORDED_STEPS,
    RUNS,
    array_name,
    make_gradients,
    make_start,
)
from parity.sides.legacy import LegacySide


def record(side: LegacySide, out: RecordingWriter) -> None:
    start, gradients = make_start(), make_gradients()
    out.write_array("start", start, INJECTED["start"])
    out.write_array("gradients", gradients, INJECTED["gradients"])
    with side.precision("float64"):
        for run in RUNS:
            inputs = tf.keras.Input((len(CLASSES),))
            model = tf.keras.Model(inputs, inputs)
            traintest.compile_model(model, len(CLASSES))
            optimizer = model.optimizer
            variable = tf.Variable(start)
            for step, gradient in enumerate(gradients, start=1):
                if run == "lowered" and step == LOWERED_AFTER + 1:
                    tf.keras.backend.set_value(optimizer.lr, tf.keras.backend.get_value(optimizer.lr) * FACTOR)
                optimizer.apply_gradients([(tf.constant(gradient), variable)])
                if step in RECORDED_STEPS:
                    found = (variable, *optimizer._momentums, *optimizer._velocities)
                    for quantity, tensor in zip(QUANTITIES, found, strict=True):
                        out.write_array(array_name(run, step, quantity), tensor.numpy(), "NC")
