"""A model with legacy weights, a small data set in the published split, and the data that a checkout may have beside it."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from torch_port.model import ResNet50V2
from torch_port.weight_table import TABLE
from torch_port.weights import load_legacy_weights, write_safetensors

REPOSITORY = Path(__file__).resolve().parents[2]
# Two training images, one validation and one test image of each class; the patients are those of the published 20x split.
ROWS = (
    ("aca", "bd", "20x", "1", 2),
    ("aca", "md", "20x", "2", 3),
    ("nor", "", "20x", "3", 4),
    ("nor", "", "20x", "4", 5),
    ("scc", "bd", "20x", "5", 7),
    ("scc", "pd", "20x", "6", 8),
    ("aca", "bd", "20x", "7", 1),
    ("nor", "", "20x", "8", 6),
    ("scc", "md", "20x", "9 'é\"<b>", 27),
    ("aca", "pd", "20x", "10", 9),
    ("nor", "", "20x", "11", 13),
    ("scc", "bd", "20x", "12", 31),
)


def _write_image(path: Path, seed: int = 0, size: tuple[int, int] = (1200, 1600)) -> None:
    """Write a smooth JPEG of this height and width."""
    levels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(levels).resize(size[::-1], Image.Resampling.BILINEAR).save(path, "JPEG", quality=90)


def _write_metadata(folder: Path, rows: tuple = ROWS) -> Path:
    """Write data.csv with these rows, quoted as CSV wants it."""
    with (folder / "data.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["superclass", "subclass", "resolution", "image_id", "patient_id"])
        writer.writerows(rows)
    return folder / "data.csv"


def _make_data_set(folder: Path, rows: tuple = ROWS) -> Path:
    """Write metadata and images."""
    _write_metadata(folder, rows)
    for seed, (superclass, subclass, resolution, image_id, _) in enumerate(rows):
        kind = f"{superclass}_{subclass}" if subclass else superclass
        _write_image(folder / "images" / kind / f"{kind}_{resolution}_{image_id}.jpg", seed)
    return folder


@pytest.fixture(scope="session")
def rows() -> tuple:
    return ROWS


@pytest.fixture(scope="session")
def write_image() -> Callable[..., None]:
    return _write_image


@pytest.fixture(scope="session")
def write_metadata() -> Callable[..., Path]:
    return _write_metadata


@pytest.fixture(scope="session")
def make_data_set() -> Callable[..., Path]:
    return _make_data_set


@pytest.fixture(scope="session")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that no test changes."""
    return _make_data_set(tmp_path_factory.mktemp("data set"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    folder = Path(os.environ.get("PARITY_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no shared data in {folder}; set PARITY_SHARED_DATA")
    return folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """So small a network is slower in two threads, which wait for each other where the machine has other things to do.

    The commands that run beside a test have one as well.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def legacy_arrays() -> dict[str, np.ndarray]:
    """Weights as a legacy checkpoint has them, with batch norms that do something."""
    random = np.random.default_rng(7)
    ranges = {"gamma": (0.5, 1.5), "moving_variance": (0.5, 2.0)}
    state = ResNet50V2().state_dict()
    arrays = {}
    for row in TABLE:
        shape = row.legacy_shape(tuple(state[row.port].shape))
        tensor = row.legacy.split("/")[1]
        limit = np.sqrt(3 / np.prod(shape[:-1])) if tensor == "kernel" else 0.3
        arrays[row.legacy] = random.uniform(*ranges.get(tensor, (-limit, limit)), shape).astype(np.float32)
    return arrays


@pytest.fixture(scope="session")
def model64(legacy_arrays: dict[str, np.ndarray]) -> ResNet50V2:
    """The port in float64, in evaluation mode; no test changes it."""
    model = ResNet50V2().double()
    load_legacy_weights(model, legacy_arrays)
    return model.eval()


@pytest.fixture(scope="session")
def checkpoint(legacy_arrays: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "port.safetensors"
    model = ResNet50V2()
    load_legacy_weights(model, legacy_arrays)
    write_safetensors(model, path, {"arch": "resnet50v2", "classes": "aca,nor,scc", "source": "made up"})
    return path


@pytest.fixture
def images64() -> torch.Tensor:
    """One image in [0, 1], (1, 3, 64, 64), float64."""
    return torch.rand(1, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
