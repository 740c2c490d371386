"""The port's driver [torch]: its own loaders, training module, trainer and Grad-CAM, as tasks to time."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch_port import memory

memory.keep_freed_memory()  # before torch allocates anything

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.inputs import describe_batch, describe_files, read_batch, transform_names, write_batches
from benchmarks.plan import GRADCAM_IMAGES
from benchmarks.timing import Mark, Sample, Task, split_epochs
from torch_port import data, evaluate, gradcam, inference, training, weights
from torch_port.device_augmentation import DrawnImages
from torch_port.image_cache import decoded_images
from torch_port.losses import make_class_weights
from torch_port.training_module import ClassifierTraining

PRECISIONS = {"fp32": "32-true", "tf32": "32-true", "bf16": "bf16-mixed"}
CACHE_BYTES = 8 << 30  # what the command takes by default
WAIT = "called a synchronizing CUDA operation"  # what torch says of each, once it is asked
PROBE = "conv3.block1.conv2"  # a convolution, whose output says in what precision the network computes


class Driver:
    """The port in one process.

    Args:
        settings: ``data``, ``checkpoint``, ``resolution``, ``split``, ``image_scale``, ``device``, ``precision`` (fp32, tf32,
            bf16) and ``inputs``, the folder of the resident batches.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.device = evaluate.select_device(settings["device"])
        self.precision = settings["precision"]
        self.allow_tf32()
        self.folder = tempfile.TemporaryDirectory(prefix="bench-port-", dir=settings["scratch"])

    def about(self) -> dict[str, Any]:
        """Return versions and flags."""
        names = ("torch", "lightning", "torchmetrics", "albumentations", "opencv-python-headless", "numpy", "pillow")
        cuda = self.device.type == "cuda"
        return {
            "versions": {name: version(name) for name in names},
            "threads": torch.get_num_threads(),
            "device": torch.cuda.get_device_name(self.device) if cuda else "cpu",
            "flags": {
                "tf32": torch.backends.cudnn.allow_tf32,
                "cudnn_benchmark": torch.backends.cudnn.benchmark,
                "onednn": torch.backends.mkldnn.is_available(),
                "channels_last": True,
            },
        }

    def device_peak_bytes(self) -> int | None:
        """Return the most memory that tensors took on the GPU; None on a CPU."""
        return torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None

    def write_inputs(self, folder: str, batch_sizes: list[int]) -> None:
        """Write a batch of validation images of each size: not augmented, they are the same on every machine."""
        images, labels = next(iter(self.loaders(max(batch_sizes), splits=["val"], num_workers=0)["val"]))
        write_batches(Path(folder), images.permute(0, 2, 3, 1).numpy(), labels.numpy(), batch_sizes)

    def make_task(self, name: str, **options: Any) -> Task:
        tasks: dict[str, type[PortTask]] = {
            "forward": Forward, "training_step": TrainingStep, "data": Data, "epoch": Epochs, "predict": Predict,
            "gradcam": GradCam,
        }  # fmt: skip
        return tasks[name](self, **options)

    def model(self) -> Any:
        """Return the network in its shipped settings, with the checkpoint's weights."""
        made = evaluate.prepare_model(weights.load_checkpoint(self.settings["checkpoint"]), self.device)
        self.allow_tf32()  # which the shipped settings do not
        return made

    def allow_tf32(self) -> None:
        """Let the GPU compute in TF32 if that is what is measured."""
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = self.precision == "tf32"

    def autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.precision == "bf16" else nullcontext()

    def loaders(self, batch_size: int, **options: Any) -> dict[str, DataLoader]:
        """Return the loaders of training and validation, by default with as many processes as training takes."""
        settings = self.settings
        options.setdefault("num_workers", data.default_workers("permutation", self.device))
        made, _ = data.make_loaders(
            settings["data"], settings["resolution"], settings["split"], settings["image_scale"], batch_size, **options
        )
        return made

    def keep_images(self, loaders: Iterable[DataLoader]) -> AbstractContextManager[None]:
        """Return the block in which loaders keep decoded images, as training does."""
        return decoded_images(Path(tempfile.mkdtemp(dir=self.folder.name)), loaders, CACHE_BYTES, first=True)


class PortTask(Task):
    """A task of the port.

    Args:
        driver: The port.
    """

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.device = driver.device
        self.stack = ExitStack()

    def close(self) -> None:
        self.stack.close()

    def synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def fetch(self, result: Any) -> None:
        result.flatten()[0].item()

    def resident(self, size: int) -> tuple[Tensor, Tensor, dict[str, Any]]:
        """Return a resident batch in the port's layout, and its evidence."""
        images, labels = read_batch(Path(self.driver.settings["inputs"]), size)
        tensor = torch.from_numpy(images).permute(0, 3, 1, 2).to(self.device, memory_format=torch.channels_last)
        return tensor, torch.from_numpy(labels).to(self.device), describe_batch(images)


class Forward(PortTask):
    """Probabilities of a resident batch."""

    def __init__(self, driver: Driver, batch_size: int, compiled: bool = False) -> None:
        super().__init__(driver)
        self.images = batch_size
        self.batch, _, source = self.resident(batch_size)
        model = driver.model()
        self.predict = inference.make_predictor(model, precision=PRECISIONS[driver.precision], compiled=compiled)
        with observed_dtype(model) as dtypes:
            inference.make_predictor(model, precision=PRECISIONS[driver.precision])(self.batch)
        self.evidence = {"source": source, "precision": dtypes, "metrics": [], "probabilities": self.run().float().tolist()}

    def run(self) -> Tensor:
        return self.predict(self.batch)


class TrainingStep(PortTask):
    """One step of training on a resident batch: loss, metrics, gradients, Adam."""

    def __init__(self, driver: Driver, batch_size: int) -> None:
        super().__init__(driver)
        self.images = batch_size
        *self.batch, source = self.resident(batch_size)
        self.training = make_training(driver).to(self.device).train()
        self.optimizer = self.training.configure_optimizers()
        with observed_dtype(self.training.model) as dtypes:
            self.run()
        self.evidence = {"source": source, "precision": dtypes, "metrics": sorted(self.training.metrics["trained"].keys())}
        if self.device.type == "cuda":
            self.evidence["host_waits"] = find_host_waits(self.run)
        self.counted = self._count_all()

    def count(self, result: Tensor) -> int:
        """Return on how many more images the training has counted a loss."""
        before, self.counted = self.counted, self._count_all()
        return self.counted - before

    def _count_all(self) -> int:
        return int(self.training.losses["trained"].images)

    def run(self) -> Tensor:
        with self.driver.autocast():
            loss = self.training.training_step(self.batch, 0)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss


class Data(PortTask):
    """Every training image once, decoded (or read from the cache), augmented and batched."""

    def __init__(self, driver: Driver, batch_size: int, workers: int, cached: bool) -> None:
        super().__init__(driver)
        (self.loader,) = driver.loaders(batch_size, splits=["train"], num_workers=workers).values()
        if cached:
            self.stack.enter_context(driver.keep_images([self.loader]))
        self.images = len(self.loader.dataset)
        self.evidence = {"source": describe_loader(self.loader, self.run()), "metrics": []}

    def run(self) -> Tensor:
        self.found, largest = 0, torch.empty(0)
        for images, _ in self.loader:
            self.found += len(images)
            largest = max(largest, images, key=len)
        return largest

    def count(self, result: Tensor) -> int:
        return self.found


class Predict(PortTask):
    """Probabilities of the validation and test images, from their files."""

    def __init__(self, driver: Driver, batch_size: int) -> None:
        super().__init__(driver)
        loaders = driver.loaders(batch_size, splits=["val", "test"])
        self.loaders = list(loaders.values())
        self.images = sum(len(loader.dataset) for loader in self.loaders)
        self.model = driver.model()
        with observed_dtype(self.model) as dtypes:
            probabilities = self.run()
        files = [path for loader in self.loaders for path in loader.dataset.images]
        images = next(iter(self.loaders[0]))[0].numpy()
        source = describe_files(files, transform_names(self.loaders[0].dataset.augment), images)
        self.evidence = {"source": source, "precision": dtypes, "metrics": [], "probabilities": probabilities.float().tolist()}

    def run(self) -> Tensor:
        with self.driver.autocast():
            parts = [evaluate.predict_batches(self.model, loader, self.device) for loader in self.loaders]
            return torch.cat([probabilities for part in parts for probabilities, _ in part])


class GradCam(PortTask):
    """Raw maps of a few images, one by one, as the command makes them."""

    def __init__(self, driver: Driver) -> None:
        super().__init__(driver)
        self.images = GRADCAM_IMAGES
        batch, _, source = self.resident(GRADCAM_IMAGES)
        self.batch = batch
        self.model = driver.model()
        with observed_dtype(self.model) as dtypes:
            self.run()
        self.evidence = {"source": source, "precision": dtypes, "metrics": []}

    def run(self) -> Tensor:
        maps = []
        for image in self.batch.split(1):
            predicted = gradcam.predict_class(image, self.model)
            maps.append(torch.as_tensor(gradcam.raw_gradcam_heatmap(image, self.model, gradcam.LAST_CONV_LAYER, predicted)))
        return torch.stack(maps)


class EpochMarks(Callback):
    """Notes when the parts of each epoch begin, and on how many images the network was trained and validated until then."""

    def __init__(self) -> None:
        self.marks: list[Mark] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._mark(pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._mark(pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._mark(pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the end, after the best weights are read again (some hundredths of a second, which the legacy spends later)."""
        self._mark(pl_module)

    def _mark(self, module: Any) -> None:
        if module.device.type == "cuda":
            torch.cuda.synchronize(module.device)
        trained, validated = (int(module.losses[part].images) for part in ("trained", "validated"))
        self.marks.append((time.perf_counter(), trained, validated))


class Epochs(PortTask):
    """Whole epochs by the port's own trainer; from the second on, decoded images come from the cache."""

    def __init__(self, driver: Driver, batch_size: int, device_augmentation: bool = False) -> None:
        super().__init__(driver)
        self.loaders = driver.loaders(
            batch_size, splits=["train", "val"], pin_memory=self.device.type == "cuda", device_augmentation=device_augmentation
        )  # fmt: skip
        self.stack.enter_context(driver.keep_images(self.loaders.values()))
        self.training = make_training(driver)
        if device_augmentation:
            self.training.augmentation = self.loaders["train"].dataset.augment
        self.images = len(self.loaders["train"].dataset)
        epoch_images = {"training": self.images, "validation": len(self.loaders["val"].dataset)}
        self.evidence = {"metrics": sorted(self.training.metrics["trained"].keys()), "epoch_images": epoch_images}

    def warm_up(self) -> list[Sample]:
        """Train one epoch: cold, with everything to decode."""
        return self._fit(1)

    def block(self, samples: int) -> list[Sample]:
        """Train so many epochs; workers and decoded images are there from the first one."""
        return self._fit(samples)

    def close(self) -> None:
        with observed_dtype(self.training.model) as dtypes, self.driver.autocast():
            images = next(iter(self.loaders["train"]))[0]
            if isinstance(images, DrawnImages):
                images = self.loaders["train"].dataset.augment.apply(*images)
            self.training.model.to(self.device)(images.to(self.device))
        source = describe_loader(self.loaders["train"], images)
        self.evidence |= {"source": source, "precision": dtypes}
        super().close()

    def _fit(self, epochs: int) -> list[Sample]:
        marks = EpochMarks()
        hardware = training.Hardware(
            accelerator="gpu" if self.device.type == "cuda" else "cpu", precision=PRECISIONS[self.driver.precision]
        )
        with tempfile.TemporaryDirectory(dir=self.driver.folder.name) as folder:
            training.train_model(
                self.training, self.loaders["train"], self.loaders["val"], Path(folder), num_epochs=epochs, hardware=hardware,
                callbacks=[marks],
            )  # fmt: skip
        return split_epochs(marks.marks)


def make_training(driver: Driver) -> ClassifierTraining:
    """Return the checkpoint's network with the legacy's training, balanced as for equally many images of each class."""
    model = driver.model()
    return ClassifierTraining(model, make_class_weights(None, model.last_dense.out_features), seed=0)


def describe_loader(loader: DataLoader, images: Tensor) -> dict[str, Any]:
    """Return the evidence of a loader that has handed over these images."""
    dataset: Any = loader.dataset
    return describe_files(dataset.images, transform_names(dataset.augment), images.numpy())


@contextmanager
def observed_dtype(model: nn.Module) -> Iterator[list[str]]:
    """Yield a list that takes the dtype of what a convolution of the network returns inside the block."""
    found: list[str] = []

    def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
        found[:] = [str(output.dtype).removeprefix("torch.")]

    handle = model.get_submodule(PROBE).register_forward_hook(keep)
    try:
        yield found
    finally:
        handle.remove()


def find_host_waits(run: Callable[[], Any]) -> list[str]:
    """Return the lines at which a call makes the host wait for the GPU, as torch itself reports them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            run()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return [f"{Path(found.filename).name}:{found.lineno}" for found in caught if WAIT in str(found.message)]
