"""Command line: ``python -m torch_port convert|train|evaluate|predict|gradcam``."""

from __future__ import annotations

import argparse
import io
import math
import sys
from collections.abc import Sequence
from typing import Any

from torch_port import memory
from torch_port.errors import InputError
from torch_port.interruption import interruptible
from torch_port.lost_workers import LostWorkerError, explained_losses
from torch_port.names import ARCHITECTURES, CLASSES, EPOCH_ORDERS, PRECISIONS, RESOLUTIONS, SPLITS

BAD_INPUT = 2
INTERRUPTED = 130
GOES_ON = {"run_train": "; --resume goes on from the last whole epoch", "run_predict": "; the same command goes on"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code, with one message on stderr unless it is 0.

    Returns:
        0, 1 if images were skipped, 2 for bad input or a lost worker, 130 after Ctrl-C, SIGTERM or SIGHUP.
    """
    options = make_parser().parse_args(arguments)
    memory.keep_freed_memory()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal of another encoding lacks characters of names
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with interruptible(), explained_losses():
            return options.run(options) or 0
    except InputError as error:
        # A lost worker, as an interruption below, may come while a bar is drawn: the message begins on a line of its own.
        start = "\n" if isinstance(error, LostWorkerError) else ""
        print(f"{start}error: {error.text()}", file=sys.stderr)
        return BAD_INPUT
    except OSError as error:  # of a log, for example
        from torch_port.whole_files import OF_A_PLACE, cannot_write

        if error.errno not in OF_A_PLACE:
            raise
        print(f"error: {cannot_write(error, error.filename or 'a file')}", file=sys.stderr)
        return BAD_INPUT
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # torch's, which is not imported for it
            raise
        print(f"error: the GPU's memory is too small: {error}; take a smaller --batch-size, or --device cpu", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print(f"\ninterrupted{GOES_ON.get(options.run.__name__, '')}", file=sys.stderr)
        return INTERRUPTED


def make_parser() -> argparse.ArgumentParser:
    """Describe the commands and their options."""
    parser = argparse.ArgumentParser(
        prog="python -m torch_port", description="The PyTorch port of the Keras lung histology classifier."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_convert(commands)
    _add_train(commands)
    _add_evaluate(commands)
    _add_predict(commands)
    _add_gradcam(commands)
    return parser


def run_convert(options: argparse.Namespace) -> None:
    """Convert a legacy checkpoint to safetensors."""
    from pathlib import Path

    from torch_port.errors import WeightsError
    from torch_port.results import Results
    from torch_port.weights import convert

    if options.arch != "resnet50v2":
        raise WeightsError.about(
            "arch",
            must="be resnet50v2 to take legacy weights",
            got=f"{options.arch}, which has no tensor-by-tensor counterpart of the legacy network,",
            place="--arch",
            remedy="train that network, or build it with new weights",
        )
    classes = options.classes.split(",")
    out = Path(options.out)
    results = Results(out.parent, "convert")
    results.refuse_others([out.name])
    with results.made(), results.file(out.name) as unfinished:
        convert(options.checkpoint, unfinished, len(classes), classes=classes)
    print(f"wrote {options.out}")


def run_train(options: argparse.Namespace) -> None:
    """Train a network on a data set."""
    from torch_port import train_command

    train_command.run_train(options)


def run_evaluate(options: argparse.Namespace) -> None:
    """Predict the images of a data set."""
    from torch_port import evaluate
    from torch_port.precision import check_precision
    from torch_port.results import Results

    device = evaluate.select_device(options.device)
    check_precision(options.precision, device)
    results = Results(options.out, "evaluate")
    results.refuse_others(evaluate.FILES)
    loaders, class_names = _make_loaders(options)
    model = evaluate.prepare_model(_load_model(options, class_names), device, precision=options.precision)
    with results.made():
        probabilities, figures = evaluate.evaluate(model, loaders, device)
        evaluate.write_results(results, loaders, class_names, probabilities, figures)
    print(f"wrote {' and '.join(str(results.folder / name) for name in evaluate.FILES)}")


def run_predict(options: argparse.Namespace) -> int:
    """Predict the images of a folder."""
    from torch_port import predict

    return predict.run_predict(options)


def run_gradcam(options: argparse.Namespace) -> None:
    """Explain random images of a data set."""
    import numpy as np
    from tqdm import tqdm

    from torch_port import evaluate, gradcam
    from torch_port.results import Results
    from torch_port.transforms import input_size

    device = evaluate.select_device(options.device)
    results = Results(options.out, "gradcam")
    loaders, class_names = _make_loaders(options)
    model = evaluate.prepare_model(_load_model(options, class_names), device)
    images = [path for loader in loaders.values() for path in loader.dataset.images]
    np.random.seed(options.seed)  # noqa: NPY002 - the legacy's generator
    chosen = gradcam.choose_samples(images, options.samples)
    results.refuse_others([*evaluate.list_overlays(chosen), evaluate.RAW_MAPS])
    gradcam.get_layer(model, options.layer)
    size = input_size(options.image_scale)
    explanations = (
        gradcam.explain_image(model, path, size, mask_thresh=options.mask_thresh, layer=options.layer)
        for path in tqdm(chosen, desc="explain", unit="image")
    )
    with results.made():
        evaluate.write_explanations(results, list(explanations))
    print(f"wrote {options.samples} overlays and raw_maps.npz to {results.folder}")


def _make_loaders(options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    from torch_port.data import make_evaluation_loader, make_loaders

    names = list(dict.fromkeys(options.splits.split(",")))
    loaders, class_names = make_loaders(
        options.data,
        options.resolution,
        options.split,
        options.image_scale,
        options.batch_size,
        images=options.images,
        splits=names,
        num_workers=options.workers,
    )
    if "train" in loaders:
        loaders["train"] = make_evaluation_loader(loaders["train"], options.image_scale)
    return {name: loaders[name] for name in names}, class_names


def _load_model(options: argparse.Namespace, class_names: list[str]) -> Any:
    from torch_port.weights import load_checkpoint

    return load_checkpoint(
        options.checkpoint, options.arch, len(class_names), classes=class_names, image_scale=options.image_scale
    )


def _add_convert(commands: Any) -> None:
    command = commands.add_parser("convert", help="turn a legacy checkpoint into a safetensors file")
    command.add_argument("checkpoint", metavar="IN", help=".npz of `python -m legacy_tf export`, Keras .h5 file or .keras file")
    command.add_argument("--out", required=True, metavar="FILE", help="safetensors file to write")
    command.add_argument(
        "--classes",
        default=",".join(CLASSES),
        help="class names in the order of the last layer (default: %(default)s)",
    )
    command.add_argument("--arch", default="resnet50v2", choices=ARCHITECTURES, help="architecture (default: %(default)s)")
    command.set_defaults(run=run_convert)


def _add_train(commands: Any) -> None:
    command = commands.add_parser(
        "train", help="train a network as the legacy does; writes weights, history, curves and test figures"
    )
    _add_data_options(command)
    add = command.add_argument
    add(
        "--weights",
        default="imagenet",
        metavar="imagenet|none|FILE",
        help="start weights: the ImageNet file that Keras has downloaded, random ones, or a Keras weights file of the "
        "headless ResNet50V2 (default: %(default)s)",
    )
    add("--epochs", type=_positive, default=2000, metavar="N", help="at most so many epochs (default: %(default)s)")
    add(
        "--patience",
        type=_positive,
        default=25,
        metavar="N",
        help="stop after so many epochs without progress (default: %(default)s)",
    )
    add(
        "--patience-lr",
        type=_positive,
        default=10,
        metavar="N",
        help="divide the learning rate by 10 after so many epochs without progress (default: %(default)s)",
    )
    add("--learning-rate", type=_positive_number, default=1e-4, help="of Adam (default: %(default)s)")
    add(
        "--class-weights",
        choices=("balanced", "none"),
        default="balanced",
        help="weights of the training loss: n / (classes * images of the class), or all 1 (default: %(default)s)",
    )
    add(
        "--epoch-order",
        choices=EPOCH_ORDERS,
        default=EPOCH_ORDERS[0],
        help="every image once in an epoch, or as the legacy, which misses some and sees others twice (default: %(default)s)",
    )
    add(
        "--workers",
        type=_count,
        metavar="N",
        help="processes that read images, which hand them over in shared memory (default: by device and cores, up to 16; "
        "0 for the legacy order)",
    )
    add(
        "--image-cache",
        type=_gibibytes,
        default="8",
        metavar="GIB",
        help="room in --out for decoded images, which are removed at the end; 0 decodes every time (default: %(default)s)",
    )
    add(
        "--augment-on",
        choices=("cpu", "device"),
        default="cpu",
        help="where training images are augmented: by albumentations, or the same transforms on a GPU (default: %(default)s)",
    )
    add("--seed", type=_count, help="of weights, order, augmentation and dropout (default: a new one, kept in training.json)")
    add("--devices", type=_positive, default=1, metavar="N", help="GPUs, or processes on a CPU (default: %(default)s)")
    add("--num-nodes", type=_positive, default=1, metavar="N", help="machines (default: %(default)s)")
    add(
        "--strategy",
        choices=("auto", "ddp"),
        default="auto",
        help="Lightning's strategy; auto takes ddp for more than one device (default: %(default)s)",
    )
    add("--precision", choices=PRECISIONS, default=PRECISIONS[0], help="tf32, or Lightning's precision (default: %(default)s)")
    add("--resume", action="store_true", help="go on from the last whole epoch of the training in --out")
    command.set_defaults(run=run_train)


def _add_evaluate(commands: Any) -> None:
    command = commands.add_parser("evaluate", help="predict the images of a data set; writes predictions.csv and metrics.json")
    _add_data_options(command)
    _add_checkpoint_options(command)
    _add_splits_option(command)
    command.add_argument(
        "--precision",
        choices=PRECISIONS[:2],
        default=PRECISIONS[0],
        help="float32, or TF32 on a GPU that has it, which is faster and less exact (default: %(default)s)",
    )
    command.set_defaults(run=run_evaluate)


def _add_predict(commands: Any) -> None:
    command = commands.add_parser(
        "predict",
        help="predict a folder of images; writes a CSV file, and maps if asked for",
        description="Predict every image of a folder. Rows are written batch by batch: the same command goes on after those "
        "that are there, and tries images again that it skipped.",
        epilog="Exit code: 0, 1 if images were skipped because they could not be read or predicted, 2 for bad input.",
    )
    add = command.add_argument
    add(
        "folder",
        metavar="DIR",
        help="folder with .jpg or .jpeg files, in it or in folders below it; what is hidden and links to folders are left out",
    )
    _add_network_options(command)
    _add_checkpoint_options(command)
    add(
        "--precision",
        choices=PRECISIONS[:3],
        default=PRECISIONS[0],
        help="of the predictions: float32, TF32 on a GPU that has it, or torch's autocast to bfloat16 (default: %(default)s)",
    )
    add("--out", required=True, metavar="FILE", help="CSV file for the probabilities; FILE.json keeps what it is made with")
    add(
        "--gradcam",
        metavar="DIR",
        help="folder for an overlay (.png) and a raw map (.npz) of each image's predicted class, made as `gradcam` does",
    )
    command.set_defaults(run=run_predict)


def _add_gradcam(commands: Any) -> None:
    command = commands.add_parser("gradcam", help="show what the network looks at; writes overlays and raw maps")
    _add_data_options(command)
    _add_checkpoint_options(command)
    _add_splits_option(command, "test")
    command.add_argument("--samples", type=int, default=8, metavar="N", help="images to explain (default: %(default)s)")
    command.add_argument(
        "--mask-thresh",
        type=float,
        default=0.25,
        help="map value from which an overlay is tinted (default: %(default)s)",
    )
    command.add_argument("--layer", default="conv5.block3.conv3", help="layer to explain (default: %(default)s)")
    command.add_argument("--seed", type=_numpy_seed, default=17, help="seed of the choice of images (default: %(default)s)")
    command.set_defaults(run=run_gradcam)


def _add_data_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--data", required=True, metavar="DIR", help="folder with data.csv and images/")
    add(
        "--resolution",
        default="20x",
        choices=RESOLUTIONS,
        help="magnification of the images (default: %(default)s)",
    )
    add(
        "--split",
        default="published",
        help="published, random, or a CSV file with patient_id and split (default: %(default)s)",
    )
    _add_network_options(command)
    add(
        "--images",
        type=int,
        metavar="N",
        help="first N images of each part, balanced over classes (default: all)",
    )
    add("--out", required=True, metavar="DIR", help="folder for the results")


def _add_network_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add(
        "--image-scale",
        type=float,
        default=0.25,
        help="network input as a fraction of 1200 x 1600 (default: %(default)s)",
    )
    add("--batch-size", type=int, default=8, help="images in a batch, of all processes together (default: %(default)s)")
    add("--arch", default="resnet50v2", choices=ARCHITECTURES, help="architecture (default: %(default)s)")
    add("--device", choices=("cpu", "cuda"), help="where to compute (default: the GPU if there is one)")


def _add_checkpoint_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add(
        "--checkpoint",
        required=True,
        metavar="FILE",
        help="file of `convert` or `train`, or a legacy checkpoint that `convert` could read",
    )
    add(
        "--workers",
        type=_count,
        default=0,
        metavar="N",
        help="processes that read images, and hand them over in shared memory (default: %(default)s)",
    )


def _add_splits_option(command: argparse.ArgumentParser, default: str = "val,test") -> None:
    command.add_argument("--splits", default=default, help=f"parts to use, of {','.join(SPLITS)} (default: %(default)s)")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, got {text!r}")
    return int(text)


def _numpy_seed(text: str) -> int:
    if (number := _count(text)) >= 1 << 32:
        raise argparse.ArgumentTypeError(f"must be below 2**32, got {text!r}")
    return number


def _positive_number(text: str) -> float:
    number = _number(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return number


def _gibibytes(text: str) -> int:
    size = _number(text) * (1 << 30)
    if not 0 <= size < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of at least 0, got {text!r}")
    return int(size)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


if __name__ == "__main__":
    sys.exit(main())
