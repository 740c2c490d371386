"""The legacy's driver [tensorflow]: the frozen generators, compiled model, `fit` and Grad-CAM, as tasks to time."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # the port computes on the same GPU

import numpy as np
import tensorflow as tf

from benchmarks.inputs import describe_batch, describe_files, read_batch, transform_names, write_batches
from benchmarks.plan import GRADCAM_IMAGES
from benchmarks.timing import Mark, Sample, Task, split_epochs
from legacy_tf import datasets, export, generator, gradcam, models, traintest

CLASSES = 3
PROBE = "conv3_block1_2_conv"  # a convolution, whose output says in what precision the network computes
NO_WEIGHTS = dict.fromkeys(range(CLASSES), 1.0)


class Driver:
    """The legacy pipeline in one process.

    Args:
        settings: As those of `benchmarks.port.Driver`; ``precision`` is fp32 or tf32.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        if settings["device"] == "cpu":
            tf.config.set_visible_devices([], "GPU")
        tf.config.experimental.enable_tensor_float_32_execution(settings["precision"] == "tf32")
        tf.keras.utils.set_random_seed(0)

    def about(self) -> dict[str, Any]:
        """Return versions and flags."""
        names = ("tensorflow-cpu", "tensorflow", "keras", "albumentations", "opencv-python-headless", "numpy", "pillow")
        return {
            "versions": dict(_versions(names)),
            "threads": tf.config.threading.get_intra_op_parallelism_threads() or len(os.sched_getaffinity(0)),
            "device": self._device_name(),
            "flags": {
                "tf32": tf.config.experimental.tensor_float_32_execution_enabled(),
                "xla": bool(tf.config.optimizer.get_jit()),
                "xla_adam": bool(tf.keras.optimizers.Adam().jit_compile),  # Keras compiles it where there is a GPU
                "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") != "0",
                "policy": tf.keras.mixed_precision.global_policy().name,
            },
        }

    def device_peak_bytes(self) -> int | None:
        """Return the most memory that tensors took on the GPU; None on a CPU."""
        return tf.config.experimental.get_memory_info("GPU:0")["peak"] if self.settings["device"] == "cuda" else None

    def write_inputs(self, folder: str, batch_sizes: list[int]) -> None:
        """Write a batch of validation images of each size: not augmented, they are the same on every machine."""
        images, labels = self.generators(max(batch_sizes))["val"][0]
        write_batches(Path(folder), images, labels, batch_sizes)

    def make_task(self, name: str, **options: Any) -> Task:
        tasks: dict[str, type[LegacyTask]] = {
            "forward": Forward, "training_step": TrainingStep, "data": Data, "epoch": Epochs, "predict": Predict,
            "gradcam": GradCam,
        }  # fmt: skip
        return tasks[name](self, **options)

    def model(self) -> tf.keras.Model:
        """Return the model with the checkpoint's weights."""
        scale = self.settings["image_scale"]
        shape = (int(generator.IMAGE_HEIGHT * scale), int(scale * generator.IMAGE_WIDTH), 3)
        made, _ = models.resnet_model(CLASSES, shape, weights=None)
        export.load_checkpoint(made, self.settings["checkpoint"])
        return made

    def compiled_model(self) -> tf.keras.Model:
        made = self.model()
        traintest.compile_model(made, CLASSES)
        return made

    def generators(self, batch_size: int) -> dict[str, Any]:
        settings = self.settings
        made, _ = datasets.make_generators(
            settings["data"], settings["resolution"], settings["split"], settings["image_scale"], batch_size
        )
        return made

    def _device_name(self) -> str:
        if self.settings["device"] == "cpu":
            return "cpu"
        gpu = tf.config.list_physical_devices("GPU")[0]
        return str(tf.config.experimental.get_device_details(gpu).get("device_name", "GPU"))


class LegacyTask(Task):
    """A task of the legacy.

    Args:
        driver: The legacy.
    """

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def synchronize(self) -> None:
        tf.test.experimental.sync_devices()

    def fetch(self, result: Any) -> None:
        float(np.ravel(result)[0])

    def resident(self, size: int) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """Return a batch and its evidence."""
        images, labels = read_batch(Path(self.driver.settings["inputs"]), size)
        return images, labels, describe_batch(images)


class Forward(LegacyTask):
    """Probabilities of a resident batch, by the function that ``Model.predict`` calls for each batch."""

    def __init__(self, driver: Driver, batch_size: int) -> None:
        super().__init__(driver)
        self.images = batch_size
        images, _, source = self.resident(batch_size)
        model = driver.model()
        model.compile()
        self.predict = model.make_predict_function()
        self.batches = endless((images,))
        self.evidence = {
            "source": source, "precision": [observed_dtype(model)], "metrics": [],
            "probabilities": self.run().numpy().tolist(),
        }  # fmt: skip

    def run(self) -> tf.Tensor:
        return self.predict(self.batches)


class TrainingStep(LegacyTask):
    """One step of training on a resident batch, by the function that ``Model.fit`` calls for each batch."""

    def __init__(self, driver: Driver, batch_size: int) -> None:
        super().__init__(driver)
        self.images = batch_size
        images, labels, source = self.resident(batch_size)
        model = driver.compiled_model()
        self.train = model.make_train_function()
        self.batches = endless((images, labels, np.ones(batch_size, np.float32)))
        self.run()
        self.evidence = {"source": source, "precision": [observed_dtype(model)], "metrics": metric_names(model)}
        self.model = model
        self.counted = count_images(model)

    def count(self, result: tf.Tensor) -> int:
        """Return how many more images the accuracy has counted."""
        before, self.counted = self.counted, count_images(self.model)
        return self.counted - before

    def run(self) -> tf.Tensor:
        return self.train(self.batches)["loss"]


class Data(LegacyTask):
    """Every training image once, decoded, augmented and batched by the frozen generator, which `fit` runs in one thread."""

    def __init__(self, driver: Driver, batch_size: int) -> None:
        super().__init__(driver)
        self.source = driver.generators(batch_size)["train"]
        self.images = len(self.source.images)
        self.evidence = {"source": describe_generator(self.source, self.run()), "metrics": []}

    def run(self) -> np.ndarray:
        self.found, largest = 0, np.empty(0)
        for number in range(len(self.source)):
            images, _ = self.source[number]
            self.found += len(images)
            largest = max(largest, images, key=len)
        return largest

    def count(self, result: np.ndarray) -> int:
        return self.found


class Predict(LegacyTask):
    """Probabilities of the validation and test images, from their files, by ``Model.predict``."""

    def __init__(self, driver: Driver, batch_size: int) -> None:
        super().__init__(driver)
        made = driver.generators(batch_size)
        self.sources = [made[name] for name in ("val", "test")]
        self.images = sum(len(source.images) for source in self.sources)
        self.model = driver.model()
        files = [path for source in self.sources for path in source.images]
        source = describe_files(files, transform_names(self.sources[0].augment), self.sources[0][0][0])
        self.evidence = {
            "source": source, "precision": [observed_dtype(self.model)], "metrics": [], "probabilities": self.run().tolist(),
        }  # fmt: skip

    def run(self) -> np.ndarray:
        return np.concatenate([self.model.predict(source, verbose=0) for source in self.sources])


class GradCam(LegacyTask):
    """Raw maps of a few images, one by one, as the command makes them."""

    def __init__(self, driver: Driver) -> None:
        super().__init__(driver)
        self.images = GRADCAM_IMAGES
        self.batch, _, source = self.resident(GRADCAM_IMAGES)
        self.model = driver.model()
        self.evidence = {"source": source, "precision": [observed_dtype(self.model)], "metrics": []}

    def run(self) -> tf.Tensor:
        layer = gradcam.LAST_CONV_LAYER
        singles = np.split(self.batch, len(self.batch))
        return tf.stack([gradcam.raw_gradcam_heatmap(image, self.model, layer) for image in singles])


class EpochMarks(tf.keras.callbacks.Callback):
    """Notes when the parts of each epoch begin, and how many images the accuracy has counted until then.

    Keras counts training and validation images in the same metric, which it empties before each.
    """

    def __init__(self) -> None:
        super().__init__()
        self.marks: list[Mark] = []
        self.trained = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._mark(0, 0)

    def on_test_begin(self, logs: Any = None) -> None:
        self.trained = count_images(self.model)
        self._mark(self.trained, 0)

    def on_test_end(self, logs: Any = None) -> None:
        self._mark(self.trained, count_images(self.model))

    def on_train_end(self, logs: Any = None) -> None:
        self._mark(0, 0)

    def _mark(self, trained: int, validated: int) -> None:
        tf.test.experimental.sync_devices()
        self.marks.append((time.perf_counter(), trained, validated))


class Epochs(LegacyTask):
    """Whole epochs by the frozen ``train_model``."""

    def __init__(self, driver: Driver, batch_size: int) -> None:
        super().__init__(driver)
        self.made = driver.generators(batch_size)
        self.model = driver.compiled_model()
        self.images = len(self.made["train"].images)
        epoch_images = {"training": self.images, "validation": len(self.made["val"].images)}
        self.evidence = {"epoch_images": epoch_images, "precision": [observed_dtype(self.model)]}

    def warm_up(self) -> list[Sample]:
        """Train one epoch."""
        return self._fit(1)

    def block(self, samples: int) -> list[Sample]:
        """Train so many epochs."""
        return self._fit(samples)

    def close(self) -> None:
        train = self.made["train"]
        self.evidence |= {"source": describe_generator(train, train[0][0]), "metrics": metric_names(self.model)}

    def _fit(self, epochs: int) -> list[Sample]:
        marks, fit = EpochMarks(), self.model.fit

        def marked_fit(*arguments: Any, callbacks: list[Any], **words: Any) -> Any:
            return fit(*arguments, callbacks=[*callbacks, marks], **words)

        with (
            tempfile.TemporaryDirectory(dir=self.driver.settings["scratch"]) as folder,
            patch.object(self.model, "fit", marked_fit),
        ):
            prefix = f"{folder}/best_weights"
            traintest.train_model(self.model, self.made["train"], self.made["val"], NO_WEIGHTS, prefix, epochs)
        return split_epochs(marks.marks)


def endless(batch: tuple[np.ndarray, ...]) -> Iterator[Any]:
    """Return an iterator over a resident batch, as `fit` and `predict` have one over a data set."""
    return iter(tf.data.Dataset.from_tensors(batch).repeat())


def describe_generator(source: Any, images: np.ndarray) -> dict[str, Any]:
    """Return the evidence of a generator that has handed over these images."""
    return describe_files(source.images, transform_names(source.augment), images)


def count_images(model: tf.keras.Model) -> int:
    """Return how many images the accuracy of a compiled model has counted since it was emptied."""
    return int(next(metric for metric in model.metrics if metric.name == "metrics/accuracy").count)


def metric_names(model: tf.keras.Model) -> list[str]:
    """Return the names of the metrics that a compiled model computes, once it has seen a batch."""
    return sorted(name for name in model.metrics_names if name != "loss")


def observed_dtype(model: tf.keras.Model) -> str:
    """Return the dtype of what a convolution of the model returns."""
    return str(model.get_layer(PROBE).output.dtype.name)


def _versions(names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name in names:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue
