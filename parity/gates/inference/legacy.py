"""The whole network on its own: probabilities of every image, taps of two, one image alone, dropout in training."""

from __future__ import annotations

from functools import partial

import numpy as np
import tensorflow as tf

from parity.architecture import STAGE_TAPS
from parity.artefact import RecordingWriter
from parity.contract import DTYPES, KINDS
from parity.gates.inference.contract import DROPOUT_SHAPE, FREE_TAP_IMAGES, alone, predict_batches
from parity.sides.legacy import LegacySide


def record(side: LegacySide, out: RecordingWriter) -> None:
    for dtype in DTYPES:
        with side.precision(dtype) as model:
            for kind in KINDS:
                batches = side.track(list(side.workspace.batches(kind)), f"inference {dtype} {kind}")
                found, elapsed_s = predict_batches(partial(side.predict, model), batches)
                out.write_array(f"{dtype}/{kind}/probabilities", found, "NK")
                if (dtype, kind) == ("float32", "evaluation"):
                    out.write_value("elapsed_s", elapsed_s)
            outputs = [model.get_layer(tap.legacy_layer).output for tap in STAGE_TAPS]
            tapped = tf.keras.Model(model.inputs, outputs)
            for kind in KINDS:
                for case in side.workspace.tap_cases(kind)[:FREE_TAP_IMAGES]:
                    image = side.workspace.image(case).astype(dtype)
                    for tap, tensor in zip(STAGE_TAPS, tapped(image, training=False), strict=True):
                        out.write_array(f"{dtype}/{kind}/{case.index}/{tap.name}", tensor.numpy(), tap.axes)
            singles = [side.predict(model, side.workspace.image(case)) for case in alone(side.workspace)]
            out.write_array(f"{dtype}/alone", np.concatenate(singles), "NK")
            dropped = model.get_layer("dpout")(np.ones(DROPOUT_SHAPE, dtype), training=True)
            out.write_array(f"{dtype}/dropout", dropped.numpy(), "NC")
