"""Data sets and loaders: `legacy_tf.generator`, and what it uses of `legacy_tf.utils`."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, SequentialSampler, default_collate

from torch_port.device_augmentation import DeviceAugmentation, DrawnImages, Parameters
from torch_port.errors import DataError
from torch_port.image_loader import ImageLoader
from torch_port.images import check_images, read_image
from torch_port.metadata import get_classes_labels, get_dataframe
from torch_port.names import EPOCH_ORDERS, SPLITS
from torch_port.order import Draw, EpochSampler, LegacyBatchSampler, SharedBatchSampler, random_stream
from torch_port.quirks import DEFAULT, Quirks
from torch_port.splits import get_reproducible_ids, make_split, take_balanced, train_test_split
from torch_port.transforms import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX, test_augmentations, train_augmentations

__all__ = [
    "LungHistDataset",
    "compute_weights",
    "default_workers",
    "get_classes_labels",
    "get_dataframe",
    "get_reproducible_ids",
    "make_evaluation_loader",
    "make_loaders",
    "read_image",
    "test_augmentations",
    "train_augmentations",
    "train_test_split",
]

LEGACY_SEED = 17
PREFETCHED_BATCHES = 2  # of each process, torch's default


class LungHistDataset(Dataset[tuple[Tensor, Tensor]]):
    """Images and one-hot labels: what `legacy_tf.generator.CustomDataGenerator` reads, one by one.

    Deliberate difference: channels first. Batches, their order and the shuffling are the loader's.

    Args:
        images: Paths.
        labels: Class indices.
        num_classes: Number of classes.
        augmentations: Pipeline that turns levels (H, W, 3) uint8 into float32.
        read: Returns the levels of a file, as `read_image` does, which None stands for.
    """

    def __init__(
        self,
        images: Iterable[str],
        labels: Iterable[int],
        num_classes: int,
        augmentations: Callable[..., dict[str, Any]],
        read: Callable[[str], np.ndarray] | None = None,
    ) -> None:
        self.images = list(images)
        self.labels = [int(label) for label in labels]
        self.num_classes = num_classes
        self.augment = augmentations
        self.read = read

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, item: int | Draw) -> tuple[Tensor, Tensor]:
        """Return an image (3, H, W) and its label (num_classes,), both float32.

        Args:
            item: A position draws from the global random numbers, a `Draw` from its own.
        """
        if isinstance(item, Draw):
            with random_stream(item.stream):
                return self._read(item.index)
        return self._read(item)

    def _read(self, index: int) -> tuple[Tensor, Tensor]:
        levels = (self.read or read_image)(self.images[index])
        image = self.augment(image=levels)["image"]  # (H, W, 3), float32
        return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))), self._label(index)

    def _label(self, index: int) -> Tensor:
        label = torch.zeros(self.num_classes)
        label[self.labels[index]] = 1
        return label


class DrawnDataset(LungHistDataset):
    """Images that are augmented later, on the device: their levels, and what is drawn for them.

    The augmentation is a `DeviceAugmentation`. An item is ``((levels, parameters), label)``: levels (3, 1200, 1600) uint8.
    """

    def _read(self, index: int) -> Any:
        levels = (self.read or read_image)(self.images[index])
        drawn = self.augment.draw()
        return (torch.from_numpy(np.ascontiguousarray(levels.transpose(2, 0, 1))), drawn), self._label(index)


def collate_drawn(items: Sequence[tuple[tuple[Tensor, Parameters], Tensor]]) -> tuple[DrawnImages, Tensor]:
    """Return a batch of a `DrawnDataset`: images to augment, and labels (N, num_classes)."""
    images, labels = zip(*items, strict=True)
    levels, parameters = zip(*images, strict=True)
    return DrawnImages(default_collate(levels), list(parameters)), default_collate(labels)


def compute_weights(loader: DataLoader) -> dict[int, float]:
    """Return scikit-learn's balanced class weights: `legacy_tf.utils.compute_weights`.

    Deliberate differences: the labels are read from the data set, so no image is decoded and no random number is drawn;
    and the keys are labels, where the legacy's are positions among the labels that are there.

    Returns:
        Weight by label, for the labels that are there.
    """
    labels = np.array(loader.dataset.labels)
    present = np.unique(labels)
    weights = compute_class_weight("balanced", classes=present, y=labels)
    return {int(label): float(weight) for label, weight in zip(present, weights, strict=True)}


def make_loaders(
    data_dir: str | Path,
    resolution: str,
    split: str | Path,
    image_scale: float = 0.25,
    batch_size: int = 8,
    images: int | None = None,
    splits: Sequence[str] | None = None,
    epoch_order: str | None = None,
    seed: int = 0,
    num_workers: int = 0,
    pin_memory: bool = False,
    device_augmentation: bool = False,
    quirks: Quirks = DEFAULT,
) -> tuple[dict[str, DataLoader], list[str]]:
    """Make the loaders of a data set: `legacy_tf.generator.get_patient_generators`.

    Deliberate differences: everything that is read later is checked first; by default every training epoch is
    a new permutation of the images.

    Args:
        data_dir: Folder with ``data.csv`` and ``images/``.
        resolution: 20x or 40x.
        split: ``published``, ``random``, or the path of a CSV file with the columns ``patient_id`` and
            ``split``.
        image_scale: Size of the network's input as a fraction of 1200 x 1600.
        batch_size: Images in a batch; the last one may be short.
        images: Take so many images of each split, balanced over classes; None takes all.
        splits: Splits to make; None makes all.
        epoch_order: ``permutation``: every training image once, see `EpochSampler`; ``legacy``: the order of Keras'
            ``fit``, and the legacy's global random seed. None follows the quirk ``mid_epoch_reshuffle``.
        seed: Seed of order and augmentation of the training images; the legacy order has its own.
        num_workers: Worker processes of each loader; the legacy order needs 0.
        pin_memory: Hand batches over in memory from which a GPU can copy while it computes.
        device_augmentation: Make training batches of `DrawnImages`, which are to be augmented on the device.
        quirks: Switches.

    Returns:
        Loaders by split in the order train, val, test, and the class names.

    Raises:
        DataError: The data set, the split or an option cannot be used.
    """
    epoch_order = epoch_order or ("legacy" if quirks.mid_epoch_reshuffle else "permutation")
    check_options(image_scale, batch_size, splits, seed)
    _check_order(epoch_order, num_workers)
    frames, class_names = _read_frames(Path(data_dir), resolution, split, images)
    wanted = [name for name in SPLITS if splits is None or name in splits]
    for name in wanted:
        if frames[name].empty:
            raise DataError.about(
                "split", must=f"have images for {name}", got="none", place=f"--split {split}", remedy="leave it out of --splits"
            )
    check_images(path for name in wanted for path in frames[name]["image_path"])
    if epoch_order == "legacy":
        random.seed(LEGACY_SEED)  # every generator of the legacy does so when it is made
    loaders = {}
    for name in wanted:
        drawn = device_augmentation and name == "train"
        make_dataset = DrawnDataset if drawn else LungHistDataset
        make_augmentations = train_augmentations if name == "train" else test_augmentations
        dataset = make_dataset(
            frames[name]["image_path"],
            frames[name]["targetclass"],
            len(class_names),
            (DeviceAugmentation if drawn else make_augmentations)(image_scale, quirks=quirks),
        )
        batches = _make_batches(dataset, batch_size, order=epoch_order, seed=seed if name == "train" else None)
        loaders[name] = ImageLoader(
            dataset,
            batch_sampler=batches,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            pin_memory=pin_memory,
            collate_fn=collate_drawn if drawn else None,
        )
    return loaders, class_names


def default_workers(epoch_order: str, device: torch.device) -> int:
    """Return the number of processes that read images.

    The legacy order needs this very process. A GPU waits for as many as there are; two cores have none to spare.
    """
    cores = len(os.sched_getaffinity(0))
    if epoch_order == "legacy" or (device.type == "cpu" and cores <= 2):
        return 0
    return min(cores, 16 if device.type == "cuda" else 2)


def count_fitting_workers(batch_size: int, folder: str = "/dev/shm") -> int:
    """Return how many processes can have their batches of a `DrawnDataset` waiting in half of the free shared memory.

    Such a batch holds whole images: 16 processes would keep 12 GB of batches of 64. Where not one fits, the answer is 0: this
    process then reads the images itself.

    Args:
        batch_size: Images in a batch.
        folder: Where Linux keeps shared memory.
    """
    waiting = PREFETCHED_BATCHES * batch_size * IMAGE_HEIGHT_PX * IMAGE_WIDTH_PX * 3  # bytes of one process
    return shutil.disk_usage(folder).free // 2 // waiting


def make_evaluation_loader(source: DataLoader, image_scale: float, *, quirks: Quirks = DEFAULT) -> DataLoader:
    """Return a loader of the same images in their order, neither augmented nor shuffled.

    Counterpart of `legacy_tf.datasets.evaluation_generator`.
    """
    known = source.dataset
    augmentations = test_augmentations(image_scale, quirks=quirks)
    dataset = LungHistDataset(known.images, known.labels, known.num_classes, augmentations, known.read)
    return ImageLoader(dataset, batch_size=source.batch_sampler.batch_size, num_workers=source.num_workers)


def _make_batches(dataset: LungHistDataset, batch_size: int, *, order: str, seed: int | None) -> Sampler:
    """Return the batches of a training, or where `seed` is None, the images in their order."""
    if order == "legacy":
        return LegacyBatchSampler(dataset, batch_size, shuffle=seed is not None)
    sampler = SequentialSampler(dataset) if seed is None else EpochSampler(len(dataset), seed)
    return SharedBatchSampler(sampler, batch_size)


def _read_frames(data_dir: Path, resolution: str, split: str | Path, images: int | None) -> tuple[dict, list[str]]:
    if not data_dir.is_dir():
        raise DataError.about(
            "data", must="be a folder with data.csv and images/", got="no such folder", place=data_dir, remedy="check --data"
        )
    df = get_dataframe(data_dir / "data.csv", resolution, data_dir / "images")
    if df.empty:
        raise DataError.about(
            "data.csv", must=f"have images of resolution {resolution}", got="none", place=data_dir, remedy="check --resolution"
        )
    class_names, df["targetclass"] = get_classes_labels(data_dir / "images", df["image_path"])
    known = None if split in ("published", "random") else get_dataframe(data_dir / "data.csv")["patient_id"]
    frames = make_split(df, resolution, split, known)
    return frames if images is None else {name: take_balanced(frame, images) for name, frame in frames.items()}, class_names


def check_options(image_scale: float, batch_size: int, splits: Sequence[str] | None, seed: int) -> None:
    """Refuse options that no loader can be made with.

    Raises:
        DataError: One of them cannot be used.
    """
    unknown = sorted(set(splits or ()) - set(SPLITS))
    if unknown or (splits is not None and not splits):
        raise DataError.about(
            "splits",
            must=f"be some of {', '.join(SPLITS)}",
            got=repr(",".join(unknown)),
            place="--splits",
            remedy="choose of these",
        )
    if not 32 / 1200 <= image_scale <= 1:
        raise DataError.about(
            "image_scale",
            must="give images of 32 to 1200 rows",
            got=str(image_scale),
            place="--image-scale",
            remedy="take 0.25",
        )
    if batch_size < 1:
        raise DataError.about("batch_size", must="be at least 1", got=str(batch_size), place="--batch-size", remedy="take 8")
    if seed < 0:
        raise DataError.about("seed", must="be at least 0", got=str(seed), place="--seed", remedy="take 0")


def _check_order(epoch_order: str, num_workers: int) -> None:
    if epoch_order not in EPOCH_ORDERS:
        raise DataError.about(
            "epoch_order",
            must=f"be one of {', '.join(EPOCH_ORDERS)}",
            got=repr(epoch_order),
            place="make_loaders",
            remedy="choose one",
        )
    if epoch_order != "permutation" and num_workers:
        raise DataError.about(
            "num_workers",
            must=f"be 0 for epoch order {epoch_order}",
            got=str(num_workers),
            place="make_loaders",
            remedy="leave it out",
        )
