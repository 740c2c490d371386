"""The output of every block for a few images: float64 from end to end, float32 block by block.

The float32 block gets the float64 input of the block, rounded: both sides start from the same number, and the float64
output is the truth for both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from parity.architecture import TAPS
from parity.artefact import RecordingWriter
from parity.contract import KINDS
from parity.sides.legacy import LegacySide


def record(side: LegacySide, out: RecordingWriter) -> None:
    cases = [case for kind in KINDS for case in side.workspace.tap_cases(kind)]
    with side.precision("float64") as model:
        outputs = [model.get_layer(tap.legacy_layer).output for tap in TAPS]
        tapped = tf.keras.Model(model.inputs, outputs)
    with side.precision("float32") as model:
        blocks = _blocks(model)
    for case in side.track(cases, "blocks"):
        image = side.workspace.image(case)
        with side.precision("float64"):
            truth = tapped(image.astype(np.float64), training=False)
        inputs = [image, *(tensor.numpy().astype(np.float32) for tensor in truth[:-1])]
        for tap, tensor, block, given in zip(TAPS, truth, blocks, inputs, strict=True):
            place = f"{case.kind}/{case.index}/{tap.name}"
            out.write_array(f"float64/{place}", tensor.numpy(), tap.axes)
            out.write_array(f"float32/{place}", block(given, training=False).numpy(), tap.axes)


def _blocks(model: Any) -> list[Any]:
    """Cut the compiled model at its taps: one sub-model for each block, made of the model's own layers."""
    starts = [model.input, *(model.get_layer(tap.legacy_layer).output for tap in TAPS[:-1])]
    ends = [model.get_layer(tap.legacy_layer).output for tap in TAPS]
    return [tf.keras.Model(start, end) for start, end in zip(starts, ends, strict=True)]
