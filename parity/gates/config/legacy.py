"""Every hyper-parameter of the legacy, read from the live objects."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

import tensorflow as tf

from legacy_tf import generator, gradcam, traintest
from legacy_tf.__main__ import make_parser
from parity.architecture import MODULES
from parity.artefact import RecordingWriter
from parity.contract import CLASSES
from parity.gates.config.contract import ODD_SCALE, TRAIN_OPTIONS
from parity.sides.legacy import LegacySide


def record(side: LegacySide, out: RecordingWriter) -> None:
    with side.precision("float32") as model:
        network = {
            f"network/{path}/{name}": value
            for layer, path in MODULES.items()
            for name, value in _layer_parameters(model, layer).items()
        }
        network["network/dpout/rate"] = model.get_layer("dpout").rate
    out.write_value("parameters", network | _data_parameters(side) | _gradcam_parameters() | _training_parameters())


def _layer_parameters(model: Any, name: str) -> dict[str, Any]:
    layer = model.get_layer(name)
    if isinstance(layer, tf.keras.layers.BatchNormalization):
        return {"epsilon": layer.epsilon, "momentum": layer.momentum, "channels": int(layer.gamma.shape[0])}
    if isinstance(layer, tf.keras.layers.Dense):
        return {"units": layer.units, "bias": layer.use_bias, "inputs": int(layer.kernel.shape[0])}
    return {
        "kernel": list(layer.kernel_size),
        "stride": list(layer.strides),
        "dilation": list(layer.dilation_rate),
        "groups": layer.groups,
        "filters": layer.filters,
        "bias": layer.use_bias,
        "padding": _padding(model, layer),
    }


def _padding(model: Any, layer: Any) -> list[int]:
    """Rows and columns that the zero padding layer before a 'valid' convolution adds on each side."""
    names = {known.name for known in model.layers}
    pad = layer.name.removesuffix("_conv") + "_pad"
    if pad not in names:
        return [0, 0]
    (top, bottom), (left, right) = model.get_layer(pad).padding
    return [top, left] if (top, left) == (bottom, right) else [top, bottom, left, right]


def _data_parameters(side: LegacySide) -> dict[str, Any]:
    defaults = inspect.signature(generator.get_patient_generators).parameters
    found = {
        f"data/{split}/transforms": made.augment.to_dict()["transform"]["transforms"] for split, made in side.generators.items()
    }
    names = ("batch_size", "train_split", "val_split", "random_state", "image_scale")
    found |= {f"data/defaults/{name}": defaults[name].default for name in names}
    resize, *_ = generator.test_augmentations(ODD_SCALE).transforms
    found["data/odd_scale/size"] = [resize.height, resize.width]
    found["data/classes"] = [str(name) for name in side.make_generators()[1]]
    return found


def _gradcam_parameters() -> dict[str, Any]:
    merge = inspect.signature(gradcam.merge_image_mask).parameters
    samples = inspect.signature(gradcam.generate_gradcam_samples).parameters
    found = {f"gradcam/merge/{name}": merge[name].default for name in ("alpha", "colormap", "mask_thresh")}
    found["gradcam/samples/mask_thresh"] = samples["mask_thresh"].default
    found["gradcam/layer"] = MODULES[samples["layer"].default].replace("/", ".")
    return found


def _training_parameters() -> dict[str, Any]:
    """What `compile_model` and `train_model` make: the optimizer, and the callbacks that `fit` is given."""
    inputs = tf.keras.Input((len(CLASSES),))
    compiled = tf.keras.Model(inputs, inputs)
    traintest.compile_model(compiled, len(CLASSES))
    optimizer = compiled.optimizer.get_config()
    names = ("learning_rate", "beta_1", "beta_2", "epsilon", "weight_decay")
    found: dict[str, Any] = {f"training/optimizer/{name}": optimizer[name] for name in names}
    found["training/optimizer/learning_rate"] = float(optimizer["learning_rate"])  # from a numpy number
    given: dict[str, Any] = {}
    traintest.train_model(SimpleNamespace(fit=lambda *_, **words: given.update(words), load_weights=str), None, None, None, "")
    stopping, plateau, best, _ = given["callbacks"]
    found |= {"training/early_stopping/monitor": stopping.monitor, "training/early_stopping/patience": stopping.patience}
    names = ("monitor", "patience", "factor", "min_delta", "min_lr")
    found |= {f"training/plateau/{name}": getattr(plateau, name) for name in names}
    found["training/best_weights/monitor"] = best.monitor
    defaults = inspect.signature(traintest.train_model).parameters
    found |= {f"training/defaults/{name}": defaults[name].default for name in ("num_epochs", "patience", "patience_lr")}
    options = vars(make_parser().parse_args(["train", "--data", ""]))
    return found | {f"training/command/{name}": options[name] for name in TRAIN_OPTIONS}
