"""The four commands of `python -m legacy_tf`; each takes the parsed options."""

from __future__ import annotations

import json
import shutil
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm import tqdm

from . import checks, datasets, export, gradcam, models, predictions, traintest, utils
from .errors import InputError
from .generator import IMAGE_HEIGHT, IMAGE_WIDTH, CustomDataGenerator
from .results import Results, made_folder, write_arrays, writing

EVALUATION_FILES = ("predictions.csv", "metrics.json")
BEST_WEIGHTS = "best_weights"
KERAS_SCRATCH = f"{BEST_WEIGHTS}_temp"
KERAS_FILES = (f"{BEST_WEIGHTS}.index", f"{BEST_WEIGHTS}.data-00000-of-00001", "checkpoint")


def run_train(options: Namespace) -> None:
    """Train as the publication does, then report validation and test figures with the best weights."""
    _use_device(options.device, options.precision)
    if options.seed is not None:
        tf.keras.utils.set_random_seed(options.seed)
    results = Results(options.out or traintest.get_logdir(models.NAME), "train")
    out = results.folder
    if set(str(out)) & set("[]{}*?"):
        raise InputError(
            f"`--out` must be a path that Keras does not take for a pattern, got {str(out)!r}; give one without [ ] {{ }} * ?"
        )
    results.refuse_others([*KERAS_FILES, KERAS_SCRATCH, "history.json", "curves.png", *EVALUATION_FILES])
    made, class_names = _make_generators(options, datasets.SPLITS)
    absent = [name for label, name in enumerate(class_names) if label not in made["train"].labels]
    if absent:  # the publication's class weights would be another class's
        raise InputError(
            f"training images must be of every class, got none of {', '.join(absent)} with --split {options.split}; "
            f"choose another --split, or more --images"
        )
    images = [path for source in made.values() for path in source.images]
    with made_folder(out), _kept_weights(results), checks.naming_undecodable(images):
        model = _pretrained_model(made["train"], options.weights)
        traintest.compile_model(model, len(class_names), options.learning_rate)
        print(f"training on {len(made['train'].images)} images; best weights go to {out / BEST_WEIGHTS}.*")
        with writing(out):
            history = _fit(model, made, options, out)
    logs = {name: [float(value) for value in values] for name, values in history.history.items()}
    with results.file("history.json") as log, results.file("curves.png") as curves:
        log.write_text(json.dumps(logs, indent=2) + "\n", encoding="utf-8")
        figure, axes = plt.subplots(1, 2, figsize=(12, 4))
        traintest.plot_metrics(history, axes)
        figure.savefig(curves, format="png")
    _evaluate_splits(model, made, ["val", "test"], class_names, options.image_scale, results)


def run_evaluate(options: Namespace) -> None:
    """Write predictions.csv and metrics.json for the splits asked for."""
    _use_device(options.device, options.precision)
    results = Results(options.out, "evaluate")
    results.refuse_others(EVALUATION_FILES)
    made, class_names = _make_generators(options, options.splits)
    model = _trained_model(options, len(class_names))
    with made_folder(results.folder):
        _evaluate_splits(model, made, options.splits, class_names, options.image_scale, results)


def run_gradcam(options: Namespace) -> None:
    """Write an overlay and the maps of some images of the splits asked for."""
    _use_device(options.device, options.precision)
    made, class_names = _make_generators(options, options.splits)
    images = [path for name in options.splits for path in made[name].images]
    if options.samples > len(images):
        raise InputError(
            f"`--samples` must be at most the {len(images)} images of {','.join(options.splits)}, got {options.samples}"
        )
    np.random.seed(options.seed)
    seen: list[int] = []
    chosen = [images[gradcam.draw_index(len(images), seen)] for _ in range(options.samples)]
    results = Results(options.out, "gradcam")
    results.refuse_others(f"{Path(path).stem}{suffix}" for path in chosen for suffix in (".png", ".npz"))
    model = _trained_model(options, len(class_names))
    _check_layer(model, options.layer)
    with made_folder(results.folder), checks.naming_undecodable(chosen), ExitStack() as files:
        for path in tqdm(chosen, desc="gradcam", unit="image"):
            _write_explanation(model, path, options, results, files)
    print(f"wrote {len(chosen)} overlays (.png) and maps (.npz) to {results.folder}")


def run_export(options: Namespace) -> None:
    """Write the weights of a checkpoint as one npz."""
    _use_device("cpu", "float32")
    out = Path(options.out)
    results = Results(out.parent, "export")
    results.refuse_others([out.name])
    with results.file(out.name) as unfinished:
        count = export.export_checkpoint(options.checkpoint, unfinished, options.num_classes)
    print(f"wrote {count} tensors to {options.out}")


def _use_device(device: str | None, precision: str) -> None:
    """None takes the GPU if there is one, as TensorFlow does."""
    tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")
    tf.get_logger().setLevel("ERROR")
    gpus = tf.config.list_physical_devices("GPU")
    if device == "cuda" and not gpus:
        raise InputError(
            "`--device` must be a device that TensorFlow sees, got 'cuda' where it sees no GPU; "
            "use --device cpu, or install requirements-tf-cuda.txt and an NVIDIA driver"
        )
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")


def _make_generators(
    options: Namespace, splits: list[str] | tuple[str, ...]
) -> tuple[dict[str, CustomDataGenerator], list[str]]:
    return datasets.make_generators(
        options.data,
        options.resolution,
        options.split,
        options.image_scale,
        options.batch_size,
        options.images,
        splits,
    )


def _pretrained_model(train_generator: CustomDataGenerator, weights: str) -> tf.keras.Model:
    start = None if weights == "none" else weights
    try:
        model, _ = models.get_model(train_generator, weights=start)
        return model
    except Exception as error:
        # Keras raises a bare Exception when a download fails, and whatever for a file that does not fit.
        if start is None or checks.find_undecodable(train_generator.images):
            raise
        failed = "could not be downloaded" if start == "imagenet" else "could not be loaded"
        raise InputError(
            f"`--weights` must be imagenet, none or a weights file of the headless ResNet50V2, got {start!r}, "
            f"which {failed} ({str(error).strip() or type(error).__name__}); "
            f"give --weights FILE, or --weights none to start at random"
        ) from error


def _fit(
    model: tf.keras.Model, made: dict[str, CustomDataGenerator], options: Namespace, out: Path
) -> tf.keras.callbacks.History:
    try:
        return traintest.train_model(
            model,
            made["train"],
            made["val"],
            utils.compute_weights(made["train"]),
            str(out / BEST_WEIGHTS),
            options.epochs,
            options.patience,
            options.patience_lr,
        )
    except tf.errors.NotFoundError as error:  # no epoch had a loss to keep the weights of
        raise InputError("validation loss must be finite in some epoch, got none; give a smaller --learning-rate") from error


def _trained_model(options: Namespace, num_classes: int) -> tf.keras.Model:
    shape = (int(IMAGE_HEIGHT * options.image_scale), int(options.image_scale * IMAGE_WIDTH), 3)
    model, _ = models.resnet_model(num_classes, shape, weights=None)
    export.load_checkpoint(model, options.checkpoint)
    return model


@contextmanager
def _kept_weights(results: Results) -> Iterator[None]:
    """List what Keras writes in the block as the command's; what a new training has left that is refused goes again."""
    is_new = not any((results.folder / name).exists() for name in KERAS_FILES)
    try:
        yield
    except InputError:
        shutil.rmtree(results.folder / KERAS_SCRATCH, ignore_errors=True)
        for name in KERAS_FILES if is_new else ():
            (results.folder / name).unlink(missing_ok=True)
        raise
    finally:
        with writing(results.record):
            for name in KERAS_FILES:
                if (results.folder / name).is_file():
                    results.add(name, results.folder / name)


def _evaluate_splits(
    model: tf.keras.Model,
    made: dict[str, CustomDataGenerator],
    splits: list[str],
    class_names: list[str],
    image_scale: float,
    results: Results,
) -> None:
    rows, metrics = [], {}
    for name in splits:
        source = datasets.evaluation_generator(made[name], image_scale)
        probabilities = predictions.predict(model, source, name)
        rows.append((source.images, probabilities))
        metrics[name] = predictions.make_metrics(source.labels, probabilities)
        print(f"{name}: accuracy {metrics[name]['accuracy']:.4f} on {len(source.images)} images")
    table, figures = EVALUATION_FILES
    with results.file(table) as table_file, results.file(figures) as figures_file:
        predictions.write_predictions(table_file, class_names, rows)
        predictions.write_metrics(figures_file, metrics)
    print(f"wrote {table} and {figures} to {results.folder}")


def _check_layer(model: tf.keras.Model, name: str) -> None:
    maps = [layer.name for layer in model.layers if len(layer.output_shape) == 4]
    if name not in maps:
        raise InputError(
            f"`--layer` must be a layer of the model that yields maps, got {name!r}; "
            f"for example {gradcam.LAST_CONV_LAYER} or {maps[-1]}"
        )


def _write_explanation(model: tf.keras.Model, path: str, options: Namespace, results: Results, files: ExitStack) -> None:
    """Write an image's files; they have their names when `files` is closed."""
    height, width = model.input_shape[1:3]
    image = gradcam.get_img_array(path, (height, width))
    raw = gradcam.raw_gradcam_heatmap(image, model, options.layer)
    normalised = gradcam.normalise_heatmap(raw)
    if not (np.asarray(raw) > 0).any():
        shown = "its overlay is the image" if np.isfinite(normalised).all() else "its overlay is tinted all over"
        tqdm.write(f"{Path(path).name}: nothing speaks for the predicted class, {shown}")
    resized = gradcam.resize_heatmap(normalised, height, width)
    overlay = gradcam.merge_image_mask(image[0], resized, mask_thresh=options.mask_thresh)
    picture, maps = (files.enter_context(results.file(f"{Path(path).stem}{suffix}")) for suffix in (".png", ".npz"))
    Image.fromarray(np.uint8(np.rint(255 * overlay))).save(picture, format="PNG")
    write_arrays(maps, raw=raw, normalised=normalised, resized=resized)
