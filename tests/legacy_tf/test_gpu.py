"""What the legacy's processes do otherwise where there is a GPU; stand-ins are for TensorFlow's list of devices alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import tensorflow as tf
import tensorflow.compat.v2 as keras_tf  # as Keras imports it
from tensorflow.python.framework import config as framework_config

from legacy_tf import commands
from legacy_tf.__main__ import make_parser
from parity.demo import checkpoint
from parity.sides.legacy import LegacySide


@pytest.mark.parametrize(("device", "inside"), [("cpu", True), ("cuda", False)])
def test_determinism_is_given_up_where_a_gpu_has_none(device: str, inside: bool):
    """TensorFlow raises for the gradient of a fused batch norm in inference mode, which Grad-CAM needs, on a GPU alone."""
    side = LegacySide(SimpleNamespace(spec=SimpleNamespace(device=device)))
    try:
        with side.without_determinism():
            assert framework_config.is_op_determinism_enabled() is inside
        assert framework_config.is_op_determinism_enabled(), "every other gate is deterministic"
    finally:
        framework_config.disable_op_determinism()


@pytest.mark.parametrize(("words", "tf32"), [([], True), (["--precision", "float32"], False), (["--precision", "tf32"], True)])
def test_the_commands_compute_in_the_precision_asked_for(words: list[str], tf32: bool):
    options = make_parser().parse_args(["evaluate", "--data", "d", "--checkpoint", "c", "--out", "o", *words])
    try:
        commands._use_device("cpu", options.precision)
        assert tf.config.experimental.tensor_float_32_execution_enabled() is tf32
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(True)


def test_checkpoints_of_the_demo_come_from_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    hidden = []
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda devices, kind: hidden.append((devices, kind)))
    assert checkpoint.main(["fit-head", "--data", str(tmp_path / "none"), "--out", str(tmp_path / "head.h5")]) == 2
    assert hidden == [([], "GPU")]


@pytest.mark.parametrize("gpus", [[], ["GPU:0"]])
def test_the_benchmark_says_where_keras_compiles_adam(gpus: list[str], monkeypatch: pytest.MonkeyPatch):
    drivers = pytest.importorskip("benchmarks.legacy")
    made = drivers.Driver({"device": "cpu", "precision": "fp32"})
    monkeypatch.setattr(keras_tf.config, "list_physical_devices", lambda kind=None: gpus)
    assert made.about()["flags"]["xla_adam"] is bool(gpus)
    assert made.about()["flags"]["xla"] is False
