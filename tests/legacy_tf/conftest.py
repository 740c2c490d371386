"""A tiny data set in the real layout, and one model for all tests."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np
import pytest
from PIL import Image

# TensorFlow says that reading the images is not eager.
NOT_ALL_EAGER = pytest.mark.filterwarnings("ignore:Even though the `tf.config:UserWarning")
COLUMNS = ("superclass", "subclass", "resolution", "image_id", "patient_id")

# Three training, validation and test images each, and names that have to survive csv, shells and web pages.
ROWS = (
    ("aca", "bd", "20x", "007", 2),
    ("nor", "", "20x", "a b", 3),
    ("scc", "bd", "20x", "NA", 4),
    ("aca", "md", "20x", 'it\'s "quoted", twice', 1),
    ("nor", "", "20x", "<b>&amp;", 6),
    ("scc", "pd", "20x", "Gewebe ü 組織", 27),
    ("aca", "pd", "20x", "1", 9),
    ("nor", "", "20x", "2", 13),
    ("scc", "md", "20x", "3#%4", 31),
)

# The same with ids that are numbers, as the publication's are: pandas, which its functions read with, takes NA for no id.
NUMBERED_ROWS = tuple((*row[:3], str(number), row[4]) for number, row in enumerate(ROWS, start=1))


def image_name(row: tuple) -> str:
    superclass, subclass, resolution, image_id, _ = row
    return f"{superclass}{'_' if subclass else ''}{subclass}_{resolution}_{image_id}.jpg"


def write_metadata(folder: Path, rows: tuple[tuple, ...], columns: tuple[str, ...] = COLUMNS) -> None:
    with (folder / "data.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])


def write_image(path: Path, seed: int, size: tuple[int, int] = (1600, 1200), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).resize(size, Image.Resampling.BILINEAR).save(path, quality=80)


def write_dataset(folder: Path, rows: tuple[tuple, ...] = ROWS) -> Path:
    for seed, row in enumerate(rows):
        name = image_name(row)
        write_image(folder / "images" / name.split("_20x_")[0] / name, seed)
    write_metadata(folder, rows)
    return folder


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Do not change it; `own_dataset` may be changed."""
    return write_dataset(tmp_path_factory.mktemp("a data 'set' ü"))


@pytest.fixture(scope="session")
def numbered_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Do not change it."""
    return write_dataset(tmp_path_factory.mktemp("numbered"), NUMBERED_ROWS)


@pytest.fixture
def own_dataset(dataset: Path, tmp_path: Path) -> Path:
    own = tmp_path / "own"
    for source in dataset.rglob("*"):
        target = own / source.relative_to(dataset)
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    return own


@pytest.fixture(scope="module")
def eager() -> Iterator[None]:
    """Compute without graphs: making one takes 15 s, as long as dozens of the steps here. `test_main` trains with graphs."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def model():
    """Random weights for 64x64 images, with batch norm statistics that are not the initial ones; do not change it."""
    import tensorflow as tf

    from legacy_tf import models

    tf.keras.utils.set_random_seed(5)
    built, _ = models.resnet_model(3, (64, 64, 3), weights=None)
    generator = np.random.default_rng(5)
    for variable in built.weights:
        if "moving_mean" in variable.name:
            variable.assign(generator.normal(0, 0.1, variable.shape))
        elif "moving_variance" in variable.name:
            variable.assign(generator.uniform(0.5, 1.5, variable.shape))
    return built


@pytest.fixture(scope="session")
def real_metadata() -> Path:
    shared = os.environ.get("PARITY_SHARED_DATA", Path(__file__).parents[2].parent / "shared" / "data")
    path = Path(shared) / "lunghist700" / "data.csv"
    if not path.is_file():
        pytest.skip(f"no metadata of LungHist700 at {path}; set PARITY_SHARED_DATA")
    return path
