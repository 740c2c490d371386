"""Command line of the frozen pipeline: `python -m legacy_tf train|evaluate|gradcam|export`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile

from .errors import InputError

SPLITS = ("train", "val", "test")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code is 2 for input that cannot be used."""
    options = make_parser().parse_args(arguments)
    # Before the imports: else tensorflow fills the console and takes all of a GPU's memory, and plots want a screen.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("MPLBACKEND", "Agg")
    if os.path.expanduser("~") == "~":  # no home: Keras would make a folder of that name here
        os.environ.setdefault("KERAS_HOME", os.path.join(tempfile.gettempdir(), ".keras"))
    from . import commands

    run = {
        "train": commands.run_train,
        "evaluate": commands.run_evaluate,
        "gradcam": commands.run_gradcam,
        "export": commands.run_export,
    }[options.command]
    try:
        run(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # of a log, for example
        from .results import OF_A_PLACE, cannot_write

        if error.errno not in OF_A_PLACE:
            raise
        print(f"error: {cannot_write(error.strerror, error.filename or 'a file')}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)  # a bar may stand in the line
        return 130
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m legacy_tf",
        description="The frozen Keras pipeline for LungHist700: a ResNet50V2 that tells adenocarcinoma "
        "(aca), normal tissue (nor) and squamous cell carcinoma (scc) apart.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_train(commands)
    _add_evaluate(commands)
    _add_gradcam(commands)
    _add_export(commands)
    return parser


def _add_train(commands: argparse._SubParsersAction) -> None:
    parser = _add_command(commands, "train", "train a model as the publication does")
    _add_data_options(parser)
    parser.add_argument(
        "--weights",
        default="imagenet",
        metavar="imagenet|none|FILE",
        help="weights to start from: downloaded ImageNet weights (default), random ones, or a Keras weights "
        "file of the headless ResNet50V2",
    )
    parser.add_argument("--epochs", type=_positive, default=2000, help="at most so many epochs (default %(default)s)")
    parser.add_argument(
        "--patience",
        type=_positive,
        default=25,
        help="stop after so many epochs without progress (default %(default)s)",
    )
    parser.add_argument(
        "--patience-lr",
        type=_positive,
        default=10,
        help="divide the learning rate by 10 after so many epochs without progress (default %(default)s)",
    )
    parser.add_argument("--learning-rate", type=float, default=1e-4, help="of Adam (default %(default)s)")
    parser.add_argument("--seed", type=_seed, help="seed of weights and dropout; the publication has none")
    parser.add_argument("--out", metavar="DIR", help="folder for weights, curves and figures (default logs/<time>)")


def _add_evaluate(commands: argparse._SubParsersAction) -> None:
    parser = _add_command(commands, "evaluate", "write predictions.csv and metrics.json of a checkpoint")
    _add_data_options(parser)
    _add_checkpoint(parser)
    _add_splits(parser, "val,test")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write to")


def _add_gradcam(commands: argparse._SubParsersAction) -> None:
    parser = _add_command(commands, "gradcam", "show which parts of some images speak for the predicted class")
    _add_data_options(parser)
    _add_checkpoint(parser)
    _add_splits(parser, "test")
    parser.add_argument("--samples", type=_positive, default=8, help="number of images (default %(default)s)")
    parser.add_argument("--seed", type=_seed, default=17, help="seed of their choice (default %(default)s)")
    parser.add_argument(
        "--mask-thresh",
        type=float,
        default=0.25,
        help="colour the image where the map, from 0 to 1, is at least this (default %(default)s)",
    )
    parser.add_argument("--layer", default="conv5_block3_3_conv", help="layer whose maps are weighted (default %(default)s)")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for overlays (.png) and maps (.npz)")


def _add_export(commands: argparse._SubParsersAction) -> None:
    parser = _add_command(commands, "export", "write the weights of any Keras checkpoint as one .npz")
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help="TensorFlow checkpoint (prefix or folder), .h5 weights or model, .keras, or SavedModel folder",
    )
    parser.add_argument("--out", required=True, metavar="FILE.npz", help="file to write")
    parser.add_argument("--num-classes", type=_positive, default=3, help="classes it was trained for (default %(default)s)")


def _add_command(commands: argparse._SubParsersAction, name: str, text: str) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")


def _add_data_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        required=True,
        metavar="DIR",
        help="folder with data.csv and images/<class>_<subclass>/<class>_<subclass>_<resolution>_<id>.jpg",
    )
    parser.add_argument("--resolution", choices=("20x", "40x"), default="20x", help="magnification (default %(default)s)")
    parser.add_argument(
        "--split",
        default="published",
        metavar="published|random|FILE.csv",
        help="patients of train, val and test: the publication's (default), drawn at random (seed 17), or a "
        "CSV file with the columns patient_id and split",
    )
    parser.add_argument(
        "--image-scale",
        type=float,
        default=0.25,
        help="size of the network's input as a fraction of 1200x1600 (default %(default)s)",
    )
    parser.add_argument("--batch-size", type=_positive, default=8, help="images per batch (default %(default)s)")
    parser.add_argument(
        "--images",
        type=_positive,
        metavar="N",
        help="only the first N images of each split, balanced over classes",
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: the GPU if there is one")
    parser.add_argument(
        "--precision",
        choices=("tf32", "float32"),
        default="tf32",
        help="of products on a GPU that has TF32; a CPU computes in float32 (default %(default)s, as TensorFlow)",
    )


def _add_checkpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkpoint",
        required=True,
        metavar="FILE",
        help="trained weights: TensorFlow checkpoint (prefix or folder), .h5, .keras, SavedModel folder, or an .npz of export",
    )


def _add_splits(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--splits",
        type=_split_names,
        default=default,
        metavar="NAMES",
        help="comma-separated: train, val, test; train without augmentation (default %(default)s)",
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 32:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to 2**32 - 1, got {text!r}")
    return int(text)


def _split_names(text: str) -> list[str]:
    names = text.split(",")
    if len(set(names)) != len(names) or not set(names) <= set(SPLITS):
        raise argparse.ArgumentTypeError(f"must be different names of {', '.join(SPLITS)}, got {text!r}")
    return names


if __name__ == "__main__":
    sys.exit(main())
