"""Makes legacy checkpoints that are worth comparing: `train` for the demo cohort, `fit-head` for any images.

Runs in the tensorflow environment. Progress goes to stdout as JSON lines; the last line is the result. Exit codes: 0
the checkpoint is written, 1 it came out too weak to prove anything and is not written, 2 bad input.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from legacy_tf import datasets
from legacy_tf.errors import InputError
from legacy_tf.results import Results
from parity.demo import settling, training

# Part of the key under which a demo checkpoint is cached: raise it whenever the training changes.
CHECKPOINT_VERSION = "1"
MIN_ACCURACY = 0.8
FIT_HEAD_SETTLE_BATCHES = 4
FIT_HEAD_BATCHES = 8
FIT_HEAD_STEPS = 300
FIT_HEAD_LEARNING_RATE = 1e-3


def fit_head(
    data_dir: Path, image_scale: float, seed: int, source: dict[str, Any], last_norm_shift: float = 0.0
) -> tf.keras.Model:
    """Fit a head on a random backbone, so that the training images are told apart in half a minute.

    Args:
        data_dir: Data folder.
        image_scale: Size of the images as a fraction of 1200x1600.
        seed: Seed of every random choice.
        source: Resolution and split, as ``datasets.make_generators`` takes them.
        last_norm_shift: As `settling.randomise_batch_norm` takes it.

    Returns:
        The model for images of ``image_scale``.
    """
    training_set = training.make_training_set(data_dir, image_scale, seed, source)
    model = training.build_model(training_set.num_classes, image_scale)
    settling.draw_kernels(model, seed)
    settling.randomise_batch_norm(model, np.random.default_rng(seed), last_norm_shift)
    augmented = settling.make_batches(training_set, FIT_HEAD_SETTLE_BATCHES)
    settling.settle_moving_averages(
        model,
        augmented,
        lambda k: training.show_progress("settle", k, FIT_HEAD_SETTLE_BATCHES),
    )
    plain = datasets.evaluation_generator(training_set, image_scale)
    count = min(len(plain), FIT_HEAD_BATCHES)
    features, labels = settling.compute_features(
        model,
        settling.make_batches(plain, count),
        lambda k: training.show_progress("head", k, count),
    )
    settling.centre_head(model, features)
    settling.fit_head(model, features, labels, FIT_HEAD_STEPS, FIT_HEAD_LEARNING_RATE)
    return model


def judge_model(model: tf.keras.Model, data_dir: Path, image_scale: float, source: dict[str, Any]) -> dict[str, Any]:
    """Predict every image of every split in evaluation mode, and count."""
    generators, class_names = datasets.make_generators(data_dir, image_scale=image_scale, **source)
    generators["train"] = datasets.evaluation_generator(generators["train"], image_scale)
    found = {}
    for number, (split, generator) in enumerate(generators.items()):
        probabilities = model.predict(generator, verbose=0)
        predicted = probabilities.argmax(axis=1)
        found[split] = {
            "n": len(predicted),
            "accuracy": float(np.mean(predicted == np.asarray(generator.labels))),
            "predicted": {name: int(np.sum(predicted == label)) for label, name in enumerate(class_names)},
            "mean_max_probability": float(probabilities.max(axis=1).mean()),
            "max_probability": float(probabilities.max()),
            "wrong": [Path(generator.images[i]).name for i in np.flatnonzero(predicted != generator.labels)],
        }
        training.show_progress("evaluate", number + 1, len(generators))
    return found


def list_weaknesses(found: dict[str, Any], judged: str, classes_needed: int) -> list[str]:
    """Say what makes a checkpoint worthless as evidence.

    Args:
        found: The result of `judge_model`.
        judged: The split whose accuracy counts.
        classes_needed: How many classes must be predicted in validation and test together.
    """
    weaknesses = []
    if not found[judged]["accuracy"] > MIN_ACCURACY:
        weaknesses.append(f"{judged} accuracy {found[judged]['accuracy']:.3f} is not above {MIN_ACCURACY}")
    counts = {name: found["val"]["predicted"][name] + n for name, n in found["test"]["predicted"].items()}
    if sum(count > 0 for count in counts.values()) < classes_needed:
        weaknesses.append(f"of the classes, validation and test images are predicted as {counts}")
    return weaknesses


def make_parser() -> argparse.ArgumentParser:
    """Build the command line of both commands."""
    parser = argparse.ArgumentParser(prog="python -m parity.demo.checkpoint", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("train", "train from scratch on the demo cohort"),
        ("fit-head", "fit a head on a random backbone, for any images"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--data", type=Path, required=True, help="folder with data.csv and images/")
        command.add_argument("--out", type=Path, required=True, help="weights file to write (.h5)")
        command.add_argument(
            "--seed",
            type=int,
            default=17,
            help="seed of every random choice (default 17)",
        )
        command.add_argument("--resolution", choices=("20x", "40x"), default="20x", help="default 20x")
        command.add_argument(
            "--split",
            default="published",
            help="published, random or a CSV file (default published)",
        )
        command.add_argument(
            "--image-scale",
            type=float,
            default=0.25,
            help="image size as a fraction of 1200x1600 (default 0.25)",
        )
    commands.choices["fit-head"].add_argument(
        "--last-norm-shift", type=float, default=0.0, help="mean shift of the last batch norm (default 0)"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Make the checkpoint that the command line asks for; returns the exit code."""
    options = make_parser().parse_args(arguments)
    start_s = time.monotonic()
    tf.config.set_visible_devices([], "GPU")  # one checkpoint, whatever the machine: its cache key knows of no device
    tf.keras.utils.set_random_seed(options.seed)
    source = {"resolution": options.resolution, "split": options.split}
    training_run = options.command == "train"
    words = (options.data, options.image_scale, options.seed, source)
    results = Results(options.out.parent, "demo.checkpoint")
    try:
        results.refuse_others([options.out.name])
        model = training.train_from_scratch(*words) if training_run else fit_head(*words, options.last_norm_shift)
        found = judge_model(model, options.data, options.image_scale, source)
        weaknesses = list_weaknesses(found, "test", 3) if training_run else list_weaknesses(found, "train", 2)
        if not weaknesses:
            with results.file(options.out.name) as unfinished:
                model.save_weights(str(unfinished), save_format="h5")
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    elapsed_s = round(time.monotonic() - start_s, 1)
    print(
        json.dumps(
            {
                "step": "result",
                "elapsed_s": elapsed_s,
                "weaknesses": weaknesses,
                "splits": found,
            }
        ),
        flush=True,
    )
    if weaknesses:
        print(
            f"the checkpoint proves nothing and was not written: {'; '.join(weaknesses)}",
            file=sys.stderr,
        )
    return 1 if weaknesses else 0


if __name__ == "__main__":
    sys.exit(main())
