import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from parity.report import write_gradcam_triptych
from parity.report.triptych import LIMIT_BYTES, SIDES

RANDOM = np.random.default_rng(1)
IMAGE = RANDOM.uniform(0, 1, (300, 400, 3))
MAP = np.tile(np.linspace(0, 1, 400), (300, 1))
DEAD = np.full((300, 400), np.nan)


def read(folder: Path, row: dict[str, object]) -> np.ndarray:
    with Image.open(folder / str(row["path"])) as picture:
        assert picture.format == "WEBP"
        return np.asarray(picture.convert("RGB"), dtype=np.float64) / 255


def test_writes_three_small_pictures_with_their_hashes(tmp_path: Path) -> None:
    rows = write_gradcam_triptych(IMAGE, MAP, MAP[:, ::-1], folder=tmp_path, name="gradcam-7")
    assert [row["path"] for row in rows] == [f"assets/gradcam-7-{side}.webp" for side in SIDES]
    for row in rows:
        content = (tmp_path / row["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row["sha256"]
        assert len(content) <= LIMIT_BYTES
    assert [set(row) for row in rows] == [{"path", "sha256"}, {"path", "sha256"}, {"path", "sha256", "scale"}]


def test_same_maps_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write_gradcam_triptych(IMAGE, MAP, MAP, folder=tmp_path / name, name="a") for name in ("x", "y"))
    assert first == second
    assert first[0]["sha256"] == first[1]["sha256"]


def test_identical_maps_differ_nowhere(tmp_path: Path) -> None:
    row = write_gradcam_triptych(IMAGE, MAP, MAP, folder=tmp_path, name="a")[2]
    assert row["scale"] == 0.0
    assert read(tmp_path, row).max() == 0.0


def test_the_difference_is_drawn_on_its_own_scale(tmp_path: Path) -> None:
    moved = MAP.copy()
    moved[:150] += 1e-6
    row = write_gradcam_triptych(IMAGE, MAP, moved, folder=tmp_path, name="a")[2]
    assert row["scale"] == pytest.approx(1e-6)
    picture = read(tmp_path, row)
    height = len(picture)
    assert picture[: height // 2 - 8].min() > 0.95
    assert picture[height // 2 + 8 :].max() < 0.05


def test_the_overlay_is_coloured_where_the_map_is_strong(tmp_path: Path) -> None:
    grey = np.full((300, 400, 3), 0.6)
    picture = read(tmp_path, write_gradcam_triptych(grey, MAP, MAP, folder=tmp_path, name="a")[0])
    colourfulness = np.ptp(picture, axis=2).mean(axis=0)
    assert colourfulness[:20].max() < 0.05
    assert colourfulness[-20:].min() > 0.4


@pytest.mark.parametrize(("reference", "candidate"), [(DEAD, MAP), (MAP, DEAD), (DEAD, DEAD)], ids=["legacy", "port", "both"])
def test_dead_maps_are_hatched(tmp_path: Path, reference: np.ndarray, candidate: np.ndarray) -> None:
    grey = np.full((300, 400, 3), 0.6)
    rows = write_gradcam_triptych(grey, reference, candidate, folder=tmp_path, name="a")
    assert rows[2]["scale"] is None
    for row, dead in zip(rows, (reference is DEAD, candidate is DEAD, True), strict=True):
        picture = read(tmp_path, row)
        hatched = np.ptp(picture, axis=2).max() < 0.1 and np.ptp(picture) > 0.3
        assert hatched == dead


@pytest.mark.parametrize("shape", [(64, 96), (96, 128), (37, 53), (450, 600), (1, 1)])
def test_any_size_becomes_small(tmp_path: Path, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(2).uniform(0, 1, (*shape, 3))
    noise = np.random.default_rng(3).uniform(0, 1, shape)
    for row in write_gradcam_triptych(image, noise, noise[::-1], folder=tmp_path, name="a"):
        picture = read(tmp_path, row)
        assert picture.shape[1] <= min(400, shape[1])
        assert (tmp_path / row["path"]).stat().st_size <= LIMIT_BYTES


@pytest.mark.parametrize("image", [IMAGE[:, :, 0], IMAGE[:, :, :2], IMAGE[np.newaxis]])
def test_an_image_has_three_channels(tmp_path: Path, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"`image` must have the shape \(H, W, 3\), got"):
        write_gradcam_triptych(image, MAP, MAP, folder=tmp_path, name="a")


@pytest.mark.parametrize(("side", "index"), [("reference", 0), ("candidate", 1)])
def test_a_map_has_the_size_of_its_image(tmp_path: Path, side: str, index: int) -> None:
    maps = [MAP, MAP]
    maps[index] = MAP[:10, :13]
    with pytest.raises(ValueError, match=rf"`{side}` must have the shape \(300, 400\), got \(10, 13\) in a; resize it first"):
        write_gradcam_triptych(IMAGE, *maps, folder=tmp_path, name="a")
    assert not list(tmp_path.iterdir())
