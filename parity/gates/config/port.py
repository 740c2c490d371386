"""Every hyper-parameter of the port, read from the live objects, under the same names."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from torch import nn

from parity.architecture import MODULES
from parity.artefact import RecordingWriter
from parity.contract import CLASSES
from parity.gates.config.contract import ODD_SCALE, TRAIN_OPTIONS
from parity.sides.port import PortSide
from torch_port import callbacks, data, gradcam, losses, splits, training
from torch_port.__main__ import make_parser
from torch_port.training_module import ClassifierTraining


def record(side: PortSide, out: RecordingWriter) -> None:
    network = side.model("float32")
    modules = dict(network.named_modules())
    parameters = {
        f"network/{path}/{name}": value
        for path in MODULES.values()
        if path.replace("/", ".") in modules
        for name, value in _module_parameters(modules[path.replace("/", ".")]).items()
    }
    parameters["network/dpout/rate"] = network.dpout.p
    out.write_value("parameters", parameters | _data_parameters(side) | _gradcam_parameters() | _training_parameters(network))


def _module_parameters(module: nn.Module) -> dict[str, Any]:
    if isinstance(module, nn.BatchNorm2d):
        # Keras's momentum is the share of the old average, torch's that of the new value.
        momentum = None if module.momentum is None else round(1.0 - module.momentum, 12)
        return {"epsilon": module.eps, "momentum": momentum, "channels": module.num_features}
    if isinstance(module, nn.Linear):
        return {"units": module.out_features, "bias": module.bias is not None, "inputs": module.in_features}
    if isinstance(module, nn.Conv2d):
        return {
            "kernel": list(module.kernel_size),
            "stride": list(module.stride),
            "dilation": list(module.dilation),
            "groups": module.groups,
            "filters": module.out_channels,
            "bias": module.bias is not None,
            "padding": module.padding if isinstance(module.padding, str) else list(module.padding),
        }
    return {"type": type(module).__name__}


def _data_parameters(side: PortSide) -> dict[str, Any]:
    loaders, class_names = side.make_loaders()
    found = {
        f"data/{split}/transforms": loader.dataset.augment.to_dict()["transform"]["transforms"]
        for split, loader in loaders.items()
    }
    loading = inspect.signature(data.make_loaders).parameters
    splitting = inspect.signature(splits.random_split).parameters
    found |= {f"data/defaults/{name}": loading[name].default for name in ("batch_size", "image_scale")}
    names = ("train_split", "val_split", "random_state")
    found |= {f"data/defaults/{name}": splitting[name].default for name in names}
    resize, *_ = data.test_augmentations(ODD_SCALE).transforms
    found["data/odd_scale/size"] = [resize.height, resize.width]
    found["data/classes"] = [str(name) for name in class_names]
    return found


def _gradcam_parameters() -> dict[str, Any]:
    merge = inspect.signature(gradcam.merge_image_mask).parameters
    samples = inspect.signature(gradcam.generate_gradcam_samples).parameters
    found = {f"gradcam/merge/{name}": merge[name].default for name in ("alpha", "colormap", "mask_thresh")}
    found["gradcam/samples/mask_thresh"] = samples["mask_thresh"].default
    found["gradcam/layer"] = samples["layer"].default
    return found


def _training_parameters(network: nn.Module) -> dict[str, Any]:
    module = ClassifierTraining(network, losses.make_class_weights(None, len(CLASSES)))
    (group,) = module.configure_optimizers().param_groups
    names = {
        "learning_rate": "lr",
        "beta_1": "beta_1",
        "beta_2": "beta_2",
        "epsilon": "epsilon",
        "weight_decay": "weight_decay",
    }
    found = {f"training/optimizer/{name}": group.get(key) for name, key in names.items()}
    defaults = {name: value.default for name, value in inspect.signature(training.train_model).parameters.items()}
    made = training.make_callbacks(Path(), patience=defaults["patience"], patience_lr=defaults["patience_lr"], provenance={})
    stopping, plateau, _ = (callback.rule for callback in made)
    found["training/early_stopping/patience"] = stopping.patience
    found |= {f"training/plateau/{name}": getattr(plateau, name) for name in ("patience", "factor", "min_delta", "min_lr")}
    found |= {f"training/{name}/monitor": callbacks.MONITOR for name in ("early_stopping", "plateau", "best_weights")}
    found |= {f"training/defaults/{name}": defaults[name] for name in ("num_epochs", "patience", "patience_lr")}
    options = vars(make_parser().parse_args(["train", "--data", "", "--out", ""]))
    return found | {f"training/command/{name}": options[name] for name in TRAIN_OPTIONS}
