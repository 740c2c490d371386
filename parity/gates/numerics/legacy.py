"""Flags of TensorFlow as this process runs with them, and the same batch predicted twice."""

from __future__ import annotations

import os

import tensorflow as tf
from tensorflow.python.framework import config as framework_config

from parity.artefact import RecordingWriter
from parity.gates.numerics.contract import RERUN_IMAGES
from parity.sides.legacy import LegacySide


def record(side: LegacySide, out: RecordingWriter) -> None:
    batch = next(side.workspace.batches("evaluation"))[:RERUN_IMAGES]
    with side.precision("float32") as model:
        for name in ("first", "second"):
            out.write_array(f"rerun/{name}", side.predict(model, batch), "NK")
        dtypes = sorted({variable.dtype.name for variable in model.weights})
    out.write_value(
        "flags",
        {
            "tf32": tf.config.experimental.tensor_float_32_execution_enabled(),
            "mixed_precision": tf.keras.mixed_precision.global_policy().name != "float32",
            "deterministic": framework_config.is_op_determinism_enabled(),
            "weights": dtypes,
        },
    )
    out.write_value(
        "environment",
        {"onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"), "xla": bool(tf.config.optimizer.get_jit())},
    )
