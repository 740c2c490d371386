"""``python -m torch_port train``: the command and what it checks before it trains."""

from __future__ import annotations

import argparse
import json
import logging
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_only
from sklearn.metrics import classification_report
from torch.utils.data import DataLoader

from torch_port import evaluate, figures
from torch_port.data import compute_weights, make_evaluation_loader, make_loaders
from torch_port.errors import DataError, InputError
from torch_port.history import History
from torch_port.losses import make_class_weights
from torch_port.model import Classifier, make_model
from torch_port.names import SPLITS
from torch_port.streams import derive_seed
from torch_port.training import Hardware, train_model
from torch_port.training_module import ClassifierTraining
from torch_port.weights import load_backbone

SETTINGS = "training.json"
# What a training that is resumed must have in common with its beginning.
FIXED_SETTINGS = (
    "data", "arch", "resolution", "split", "image_scale", "images", "batch_size", "epoch_order", "weights", "class_weights",
    "learning_rate", "patience", "patience_lr", "precision", "seed",
)  # fmt: skip
KERAS_IMAGENET = Path.home() / ".keras" / "models" / "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5"
MODEL_STREAM, DROPOUT_STREAM, DATA_STREAM = range(3)
SEED_LIMIT = 1 << 31


def run_train(options: argparse.Namespace) -> None:
    """Train as the legacy does, then report validation and test figures with the best weights."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # its hints are not about this training
    device = evaluate.select_device(options.device)
    folder = evaluate.make_folder(options.out)
    seed = settle_seed(folder, options)
    loaders, class_names = make_training_loaders(options, seed)
    model = make_start_model(options, len(class_names), seed)
    training = ClassifierTraining(
        model,
        make_class_weights(compute_weights(loaders["train"]) if options.class_weights == "balanced" else None, len(class_names)),
        learning_rate=options.learning_rate,
        seed=derive_seed(seed, DROPOUT_STREAM),
    )
    if rank_zero_only.rank == 0:
        write_settings(folder, options)
    history = train_model(
        training,
        loaders["train"],
        loaders["val"],
        folder,
        num_epochs=options.epochs,
        patience=options.patience,
        patience_lr=options.patience_lr,
        provenance={"arch": options.arch, "classes": ",".join(class_names), "source": f"trained with seed {seed}"},
        hardware=Hardware(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=options.devices,
            num_nodes=options.num_nodes,
            strategy=options.strategy,
            precision=options.precision,
        ),
        resume=options.resume,
    )
    if rank_zero_only.rank == 0:
        write_outcome(folder, evaluate.prepare_model(model, device), loaders, class_names, history, options.image_scale)


def settle_seed(folder: Path, options: argparse.Namespace) -> int:
    """Return the training's seed: the given one, that of the training to resume, or a new one; fill it into ``options``.

    Raises:
        InputError: The folder holds a training that is not to be resumed, or one with other settings.
    """
    path = folder / SETTINGS
    options.data = str(Path(options.data).resolve())
    begun = _read_settings(path) if path.is_file() else None
    if options.seed is None:
        if begun is None and options.num_nodes > 1:
            raise _refuse("seed", "be given for more than one machine", "none", "--seed", "choose a number")
        options.seed = secrets.randbelow(SEED_LIMIT) if begun is None else begun["seed"]
    if begun is None:
        return options.seed
    # Lightning starts the command again for each further process: those find the settings of the first.
    if not options.resume and rank_zero_only.rank == 0:
        raise _refuse("--out", "be a folder without a training", "one", path, "use --resume to go on, or choose another --out")
    different = next((name for name in FIXED_SETTINGS if begun.get(name) != getattr(options, name)), None)
    if different is not None:
        option = "--" + different.replace("_", "-")
        got, expected = getattr(options, different), begun.get(different)
        raise _refuse(
            option, f"be {expected!r}, with which this training was begun,", repr(got), path,
            "give the same options again, or choose another --out",
        )  # fmt: skip
    return options.seed


def write_settings(folder: Path, options: argparse.Namespace) -> None:
    """Keep what a resumed training must have in common with its beginning."""
    settings = {name: getattr(options, name) for name in FIXED_SETTINGS}
    (folder / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        settings["seed"].bit_length()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _refuse("settings", "be a file that a training wrote", error, path, "choose another --out") from error
    return settings


def make_training_loaders(options: argparse.Namespace, seed: int) -> tuple[dict[str, DataLoader], list[str]]:
    """Return the loaders of all splits and the class names.

    Raises:
        InputError: The data cannot be used, or a split has images of one class only.
    """
    workers = options.workers if options.workers is not None else default_workers(options.epoch_order)
    loaders, class_names = make_loaders(
        options.data,
        options.resolution,
        options.split,
        options.image_scale,
        options.batch_size,
        images=options.images,
        splits=SPLITS,
        epoch_order=options.epoch_order,
        num_workers=workers,
        seed=derive_seed(seed, DATA_STREAM),
    )
    for name, loader in loaders.items():
        present = sorted({class_names[label] for label in loader.dataset.labels})
        if len(present) < 2:
            raise DataError.about(
                "split", must=f"have images of several classes in {name}", got=f"only {present[0]}",
                place=f"--split {options.split}", remedy="choose another --split, or more --images",
            )  # fmt: skip
    return loaders, class_names


def default_workers(epoch_order: str) -> int:
    """Return the number of processes that read images: the legacy order needs this very process."""
    return 0 if epoch_order == "legacy" else min(2, os.cpu_count() or 1)


def make_start_model(options: argparse.Namespace, num_classes: int, seed: int) -> Classifier:
    """Return a network with the start weights that were asked for; its head is always new."""
    torch.manual_seed(derive_seed(seed, MODEL_STREAM))
    model = make_model(options.arch, num_classes)
    if options.weights != "none":
        load_backbone(model, find_start_weights(options.weights))
    return model.to(memory_format=torch.channels_last)


def find_start_weights(weights: str) -> Path:
    """Return the file of the start weights; ``imagenet`` is the file that Keras has downloaded.

    Raises:
        InputError: Keras has not downloaded it.
    """
    if weights != "imagenet":
        return Path(weights)
    if not KERAS_IMAGENET.is_file():
        raise _refuse(
            "weights", "be downloaded by Keras first", "no such file", KERAS_IMAGENET,
            f"copy {KERAS_IMAGENET.name} there, give --weights FILE, or --weights none to start at random",
        )  # fmt: skip
    return KERAS_IMAGENET


def write_outcome(
    folder: Path,
    model: Classifier,
    loaders: Mapping[str, DataLoader],
    class_names: list[str],
    history: History,
    image_scale: float,
) -> None:
    """Write curves, predictions, figures, the confusion matrix and the classification report of the best weights."""
    figures.plot_metrics(history).savefig(folder / "curves.png")
    parts = {name: make_evaluation_loader(loaders[name], image_scale) for name in ("val", "test")}
    probabilities, found = evaluate.evaluate(model, parts, next(model.parameters()).device)
    evaluate.write_results(folder, parts, class_names, probabilities, found)
    figures.plot_confusion(found["test"]["confusion_matrix"], class_names).savefig(folder / "confusion_matrix.png")
    predicted = probabilities["test"].argmax(dim=1).numpy()
    report = classification_report(
        np.array(parts["test"].dataset.labels), predicted, labels=range(len(class_names)), target_names=class_names,
        zero_division=0,
    )  # fmt: skip
    (folder / "classification_report.txt").write_text(report, encoding="utf-8")
    best = int(np.nanargmin(history["val_loss"]))
    print(f"best epoch {best} of {len(history['val_loss'])}: validation loss {history['val_loss'][best]:.4f}")
    print("\n".join(f"{name}: accuracy {found[name]['accuracy']:.4f} on {found[name]['n']} images" for name in parts))
    print(f"wrote weights, history, curves and figures to {folder}")


def _refuse(subject: str, must: str, got: object, place: object, remedy: str) -> InputError:
    return InputError.about(subject, must=must, got=str(got), place=place, remedy=remedy)
