"""The whole network on its own: probabilities of every image, taps of two, one image alone, dropout in training."""

from __future__ import annotations

from functools import partial

import numpy as np
import tensorflow as tf

from parity.architecture import STAGE_TAPS
from parity.artefact import RecordingWriter
from parity.contract import DTYPES, KINDS
from parity.gates.inference.contract import DROPOUT_SHAPE, FREE_TAP_IMAGES, alone
from parity.sides.legacy import LegacySide


def record(side: LegacySide, out: RecordingWriter) -> None:
    for dtype in DTYPES:
        with side.precision(dtype) as model:
            for kind in KINDS:
                batches = list(side.workspace.batches(kind))
                predict = partial(side.predict, model)
                found = [predict(batch) for batch in side.track(batches, f"inference {dtype} {kind}")]
                out.write_array(f"{dtype}/{kind}/probabilities", np.concatenate(found), "NK")
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
