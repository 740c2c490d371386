"""The output of every block for a few images, in float64 and float32.

Both precisions of a block get the same number: the float64 output of the block before it, rounded to float32.
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
        doubles = _blocks(model)
    with side.precision("float32") as model:
        singles = _blocks(model)
    for case in side.track(cases, "blocks"):
        given = side.workspace.image(case)
        for tap, double, single in zip(TAPS, doubles, singles, strict=True):
            place = f"{case.kind}/{case.index}/{tap.name}"
            with side.precision("float64"):
                truth = double(given.astype(np.float64), training=False).numpy()
            out.write_array(f"float64/{place}", truth, tap.axes)
            out.write_array(f"float32/{place}", single(given, training=False).numpy(), tap.axes)
            given = truth.astype(np.float32)


def _blocks(model: Any) -> list[Any]:
    """Cut the compiled model at its taps: one sub-model for each block, made of the model's own layers."""
    starts = [model.input, *(model.get_layer(tap.legacy_layer).output for tap in TAPS[:-1])]
    ends = [model.get_layer(tap.legacy_layer).output for tap in TAPS]
    return [tf.keras.Model(start, end) for start, end in zip(starts, ends, strict=True)]
