"""``python -m torch_port train``: the command and what it checks before it trains."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import classification_report
from torch import distributed
from torch.utils.data import DataLoader

from torch_port import evaluate, figures
from torch_port.checkpoint_io import SafetensorsIO
from torch_port.data import (
    compute_weights,
    count_fitting_workers,
    default_workers,
    make_evaluation_loader,
    make_loaders,
)
from torch_port.errors import DataError, count_of
from torch_port.history import History
from torch_port.image_cache import decoded_images
from torch_port.losses import make_class_weights
from torch_port.model import Classifier, make_model
from torch_port.names import SPLITS
from torch_port.precision import TF32, check_precision, lightning_word, set_tf32
from torch_port.results import Results
from torch_port.streams import derive_seed
from torch_port.train_settings import (
    hash_images,
    is_first_process,
    recorded_settings,
    refuse,
    refuse_others,
    settle_seed,
)
from torch_port.training import BEST_WEIGHTS, HISTORY, LAST_CHECKPOINT, Hardware, train_model
from torch_port.training_module import ClassifierTraining
from torch_port.weights import load_backbone

KERAS_IMAGENET = ".keras/models/resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5"  # in the home folder
MODEL_STREAM, DROPOUT_STREAM, DATA_STREAM = range(3)


def run_train(options: argparse.Namespace) -> None:
    """Train as the legacy does, then report validation and test figures with the best weights."""
    for library in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(library).setLevel(logging.WARNING)  # their hints are not about this training
    device = evaluate.select_device(options.device)
    folder = Path(options.out)
    seed = settle_seed(folder, options)
    results = open_results(folder, resume=options.resume)
    loaders, class_names = make_training_loaders(options, seed)
    check_hardware(options, device, loaders)
    model = make_start_model(options, len(class_names), seed)
    set_tf32(options.precision == TF32)
    weights = compute_weights(loaders["train"]) if options.class_weights == "balanced" else None
    training = ClassifierTraining(
        model,
        make_class_weights(weights, len(class_names)),
        learning_rate=options.learning_rate,
        seed=derive_seed(seed, DROPOUT_STREAM),
        augmentation=loaders["train"].dataset.augment if options.augment_on == "device" else None,
    )
    repeated = [loaders["train"], loaders["val"]]
    with results.made(), decoded_images(folder, repeated, options.image_cache, first=is_first_process()):
        with recorded_settings(folder, options, hash_images(loaders)):
            history = train_model(
                training,
                loaders["train"],
                loaders["val"],
                folder,
                num_epochs=options.epochs,
                patience=options.patience,
                patience_lr=options.patience_lr,
                provenance={
                    "arch": options.arch,
                    "classes": ",".join(class_names),
                    "image_scale": repr(options.image_scale),
                    "source": f"trained with seed {seed}",
                },
                hardware=Hardware(
                    accelerator="gpu" if device.type == "cuda" else "cpu",
                    devices=options.devices,
                    num_nodes=options.num_nodes,
                    strategy=options.strategy,
                    precision=lightning_word(options.precision),
                ),
                resume=options.resume,
            )
        if distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()  # the first process goes on alone: nothing must wait for the others
        if is_first_process():
            write_outcome(results, evaluate.prepare_model(model, device), loaders, class_names, history, options.image_scale)


def open_results(folder: Path, *, resume: bool) -> Results:
    """Return the files of a training, which are its own; say with which epoch one that is resumed goes on.

    Raises:
        InputError: The folder holds files of others, cannot be written, or has a state that is damaged.
    """
    results = Results(folder, "train")
    if is_first_process():
        refuse_others(results, resume=resume)
    if is_first_process() and resume:
        last = folder / LAST_CHECKPOINT
        done = SafetensorsIO().read_epoch(last) + 1 if last.is_file() else 0
        print(f"resumed in {folder}: {count_of(done, 'whole epoch')}, goes on with epoch {done}", flush=True)
    return results


def make_training_loaders(options: argparse.Namespace, seed: int) -> tuple[dict[str, DataLoader], list[str]]:
    """Return the loaders of all splits and the class names.

    Raises:
        InputError: The data cannot be used, or a split has images of one class only.
    """
    device = evaluate.select_device(options.device)
    workers = options.workers
    if workers is None:
        workers = default_workers(options.epoch_order, device)
        if options.augment_on == "device":
            workers = min(workers, count_fitting_workers(options.batch_size))
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
        pin_memory=device.type == "cuda",
        device_augmentation=options.augment_on == "device",
    )
    for name, loader in loaders.items():
        present = sorted({class_names[label] for label in loader.dataset.labels})
        if len(present) < 2:
            raise DataError.about(
                "split", must=f"have images of several classes in {name}", got=f"only {present[0]}",
                place=f"--split {options.split}", remedy="choose another --split, or more --images",
            )  # fmt: skip
    return loaders, class_names


def check_hardware(options: argparse.Namespace, device: torch.device, loaders: Mapping[str, DataLoader]) -> None:
    """Refuse processes and a precision that cannot train, before any process is started.

    Raises:
        InputError: There are not so many GPUs, a process would have no image of a batch, the legacy order has more than
            one process, or the CPU is asked for 16 bits that it does not have.
    """
    processes = options.devices * options.num_nodes
    if device.type == "cuda" and options.devices > torch.cuda.device_count():
        most = f"be at most the {torch.cuda.device_count()} GPUs of this machine"
        raise refuse("devices", most, options.devices, "--devices", "take fewer")
    smallest = min(options.batch_size, *(len(loaders[name].dataset) for name in ("train", "val")))
    if smallest < processes:
        raise refuse(
            "batch_size", f"give each of {processes} processes an image", f"batches of {smallest}", "--batch-size",
            "take a larger one, or fewer devices",
        )  # fmt: skip
    if processes > 1 and options.epoch_order == "legacy":
        raise refuse("devices", "be 1 for the legacy order", processes, "--devices", "use --epoch-order permutation")
    check_precision(options.precision, device)
    if device.type == "cpu" and options.precision == "16-mixed":
        raise refuse("precision", "be another one on a CPU", options.precision, "--precision", "use bf16-mixed")


def make_start_model(options: argparse.Namespace, num_classes: int, seed: int) -> Classifier:
    """Return a network with the start weights that were asked for, in its shipped settings; its head is always new."""
    torch.manual_seed(derive_seed(seed, MODEL_STREAM))
    model = make_model(options.arch, num_classes)
    if options.weights != "none":
        load_backbone(model, find_start_weights(options.weights))
    return evaluate.prepare_model(model, torch.device("cpu"))


def find_start_weights(weights: str) -> Path:
    """Return the file of the start weights; ``imagenet`` is the file that Keras has downloaded.

    Raises:
        InputError: Keras has not downloaded it, or there is no home folder where it could be.
    """
    if weights != "imagenet":
        return Path(weights)
    own = "give --weights FILE, or --weights none to start at random"
    try:
        path = Path.home() / KERAS_IMAGENET
    except RuntimeError as error:  # no HOME, and a user whom the system does not know, as in containers
        raise refuse("weights", "be in the home folder, where Keras keeps them", "no home folder", "HOME", own) from error
    if not path.is_file():
        raise refuse("weights", "be downloaded by Keras first", "no such file", path, f"copy {path.name} there, {own}")
    return path


def write_outcome(
    results: Results,
    model: Classifier,
    loaders: Mapping[str, DataLoader],
    class_names: list[str],
    history: History,
    image_scale: float,
) -> None:
    """Write curves, predictions, figures, the confusion matrix and the classification report of the best weights."""
    parts = {name: make_evaluation_loader(loaders[name], image_scale) for name in ("val", "test")}
    probabilities, found = evaluate.evaluate(model, parts, next(model.parameters()).device)
    predicted = probabilities["test"].argmax(dim=1).numpy()
    report = classification_report(
        np.array(parts["test"].dataset.labels), predicted, labels=range(len(class_names)), target_names=class_names,
        zero_division=0,
    )  # fmt: skip
    with (
        results.file("curves.png") as curves,
        results.file("confusion_matrix.png") as confusion,
        results.file("classification_report.txt") as text,
    ):
        figures.plot_metrics(history).savefig(curves, format="png")
        figures.plot_confusion(found["test"]["confusion_matrix"], class_names).savefig(confusion, format="png")
        text.write_text(report, encoding="utf-8")
        evaluate.write_results(results, parts, class_names, probabilities, found)
    losses = history["val_loss"]
    best = int(np.nanargmin(losses))
    print(f"best epoch: {best} of 0 to {len(losses) - 1}, validation loss {losses[best]:.4f}")
    print("\n".join(f"{name}: accuracy {found[name]['accuracy']:.4f} on {found[name]['n']} images" for name in parts))
    print(f"wrote {BEST_WEIGHTS}, {HISTORY}, metrics.json, predictions.csv, curves and logs to {results.folder}")
