"""Decoded images on disk: what is kept and what is not, under a limit, on a full disk, by several processes, until the end."""

from __future__ import annotations

import hashlib
import pickle
import random
import resource
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import DataLoader

from torch_port import image_cache
from torch_port.data import LungHistDataset
from torch_port.errors import DataError
from torch_port.image_cache import IMAGE_BYTES, ImageCache, decoded_images
from torch_port.images import read_image
from torch_port.transforms import test_augmentations as prepare_evaluation_image
from torch_port.transforms import train_augmentations

ROOM = 100 * IMAGE_BYTES


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, write_image: Callable[..., None]) -> list[str]:
    """Five files, which no test changes."""
    folder = tmp_path_factory.mktemp("images")
    for seed in range(5):
        write_image(folder / f"{seed}.jpg", seed)
    return [str(folder / f"{seed}.jpg") for seed in range(5)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kept").mkdir()
    return tmp_path / "kept"


def name_of(image: str | Path) -> str:
    return hashlib.sha256(Path(image).read_bytes()).hexdigest()


def levels_of(image: str | Path) -> np.ndarray:
    """Return what Pillow decodes."""
    with Image.open(image) as opened:
        return np.array(opened)


def mark(folder: Path, image: str | Path) -> None:
    """Keep an image that is all zeros, which shows when it is read."""
    (folder / name_of(image)).write_bytes(bytes(IMAGE_BYTES))


def sizes_of(folder: Path) -> dict[tuple[str, int], int]:
    """Return the size of each file by its name and inode, of a folder that is changing."""
    sizes = {}
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            status = path.stat()
            sizes[path.name, status.st_ino] = status.st_size
    return sizes


def make_loader(images: list[str], **words: Any) -> DataLoader:
    dataset = LungHistDataset(images, [0] * len(images), 3, prepare_evaluation_image(0.05))
    return DataLoader(dataset, **words)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let this process and those that it starts write no larger files: a write then fails as on a full disk."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


def test_an_image_is_decoded_once_and_kept_as_its_levels(images: list[str], folder: Path):
    cache = ImageCache(folder, images, ROOM)
    first = cache.read(images[0])
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [(name_of(images[0]), first.tobytes())]
    again = cache.read(Path(images[0]))
    for levels in (first, again):
        assert type(levels) is np.ndarray
        assert levels.dtype == np.uint8
        np.testing.assert_array_equal(levels, levels_of(images[0]))
    mark(folder, images[0])
    assert not cache.read(images[0]).any()
    assert not ImageCache(folder, images, ROOM).read(images[0]).any()


def test_nothing_that_is_done_to_an_image_changes_its_file(images: list[str], folder: Path):
    cache = ImageCache(folder, images[:1], ROOM)
    cache.read(images[0])
    levels = cache.read(images[0])
    levels[...] = 0
    pipeline = train_augmentations(0.25)
    random.seed(0)
    for _ in range(20):
        pipeline(image=cache.read(images[0]))
    for transform in pipeline.transforms[:-1]:  # the last one takes small images
        transform(image=cache.read(images[0]), force_apply=True)
    assert (folder / name_of(images[0])).read_bytes() == levels_of(images[0]).tobytes()


def test_a_file_that_changes_is_decoded_every_time(images: list[str], folder: Path, tmp_path: Path):
    path = tmp_path / "changing.jpg"
    shutil.copy(images[0], path)
    cache = ImageCache(folder, [path], ROOM)
    mark(folder, path)
    assert not cache.read(path).any()
    shutil.copy(images[1], path)
    for _ in range(2):
        np.testing.assert_array_equal(cache.read(path), levels_of(images[1]))
    assert [kept.name for kept in folder.iterdir()] == [name_of(images[0])]


def test_a_file_that_changes_while_it_is_decoded_is_not_kept(
    images: list[str], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "changing.jpg"
    shutil.copy(images[0], path)
    cache = ImageCache(folder, [path], ROOM)

    def read(path: str | Path) -> np.ndarray:
        shutil.copy(images[1], path)
        return read_image(path)

    monkeypatch.setattr(image_cache, "read_image", read)
    np.testing.assert_array_equal(cache.read(path), levels_of(images[1]))
    assert list(folder.iterdir()) == []


def test_errors_are_those_of_read_image(images: list[str], folder: Path, tmp_path: Path, write_image: Callable[..., None]):
    content = Path(images[0]).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(content[:9000])
    write_image(tmp_path / "small.jpg", size=(300, 400))
    shutil.copy(images[0], tmp_path / "gone.jpg")
    paths = [tmp_path / name for name in ("cut.jpg", "small.jpg", "gone.jpg", "missing.jpg")]
    cache = ImageCache(folder, paths, ROOM)
    cache.read(tmp_path / "gone.jpg")
    (tmp_path / "gone.jpg").unlink()
    for path in paths:
        with pytest.raises(DataError) as expected:
            read_image(path)
        for _ in range(2):
            with pytest.raises(DataError) as found:
                cache.read(path)
            assert found.value.text() == expected.value.text()
    assert [kept.name for kept in folder.iterdir()] == [name_of(images[0])]


@pytest.mark.parametrize("size", [0, IMAGE_BYTES - 1, IMAGE_BYTES + 1])
def test_a_file_of_another_size_is_written_again(images: list[str], folder: Path, size: int):
    kept = folder / name_of(images[0])
    kept.write_bytes(bytes(size))
    np.testing.assert_array_equal(ImageCache(folder, images, ROOM).read(images[0]), levels_of(images[0]))
    assert kept.read_bytes() == levels_of(images[0]).tobytes()


@pytest.mark.parametrize(("room", "count"), [(0, 0), (IMAGE_BYTES - 1, 0), (3 * IMAGE_BYTES - 1, 2), (3 * IMAGE_BYTES, 3)])
def test_the_first_images_that_fit_are_kept(images: list[str], folder: Path, room: int, count: int):
    cache = ImageCache(folder, [images[0], *images], room)  # one comes twice
    for image in reversed(images):
        np.testing.assert_array_equal(cache.read(image), levels_of(image))
    assert {path.name for path in folder.iterdir()} == {name_of(image) for image in images[:count]}


def test_the_limit_holds_at_any_time_for_all_workers_of_two_loaders(images: list[str], folder: Path):
    """Every worker reads all images at once; while they do, the folder is watched."""
    cache = ImageCache(folder, images, 3 * IMAGE_BYTES)
    loaders = [make_loader([image for image in images for _ in range(8)], num_workers=2) for _ in range(2)]
    expected = [image for image, _ in loaders[0]]
    totals: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            before, after = sizes_of(folder), sizes_of(folder)
            totals.append(sum(size for file, size in before.items() if file in after))  # these were there at the same time

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for loader in loaders:
            loader.dataset.read = cache.read
        found = list(zip(*loaders, strict=True))
    finally:
        done.set()
        watcher.join()
    assert IMAGE_BYTES < max(totals) <= 3 * IMAGE_BYTES
    assert {path.name for path in folder.iterdir()} == {name_of(image) for image in images[:3]}
    for image in images[:3]:
        assert (folder / name_of(image)).read_bytes() == levels_of(image).tobytes()
    for batch, parts in zip(expected, found, strict=True):
        for part, _ in parts:
            assert np.array_equal(part, batch)


def test_what_another_process_is_writing_is_left_to_it(images: list[str], folder: Path, capfd: pytest.CaptureFixture[str]):
    unfinished = folder / (name_of(images[0]) + ".unfinished")
    unfinished.write_bytes(b"begun")
    np.testing.assert_array_equal(ImageCache(folder, images, ROOM).read(images[0]), levels_of(images[0]))
    assert [(path, path.read_bytes()) for path in folder.iterdir()] == [(unfinished, b"begun")]
    assert capfd.readouterr().err == ""


def test_without_its_folder_nothing_is_kept(images: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    cache = ImageCache(tmp_path / "kept", images, ROOM)
    np.testing.assert_array_equal(cache.read(images[0]), levels_of(images[0]))
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err == ""
    cache.make_folder()
    cache.read(images[0])
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [name_of(images[0])]


def test_a_full_disk_is_said_once_by_each_process_and_ends_nothing(
    images: list[str], folder: Path, capfd: pytest.CaptureFixture[str]
):
    cache = ImageCache(folder, images, ROOM)
    mark(folder, images[4])
    loader = make_loader(images[:4], num_workers=2, persistent_workers=True)
    expected = [image for image, _ in loader]
    loader = make_loader(images[:4], num_workers=2, persistent_workers=True)
    loader.dataset.read = cache.read
    with file_size_limit(1 << 20):
        for _ in range(2):
            for (image, _), right in zip(loader, expected, strict=True):
                assert np.array_equal(image, right)
        np.testing.assert_array_equal(cache.read(images[0]), levels_of(images[0]))
        assert not cache.read(images[4]).any()  # what there is, is used
    assert [path.name for path in folder.iterdir()] == [name_of(images[4])]
    warning = f"warning: images are decoded again in every epoch: File too large in {folder}"
    assert capfd.readouterr().err.splitlines() == [warning] * 3


def test_a_folder_that_cannot_be_made_is_said_and_ends_nothing(
    images: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    (tmp_path / "kept").touch()
    cache = ImageCache(tmp_path / "kept", images, ROOM)
    cache.make_folder()
    np.testing.assert_array_equal(cache.read(images[0]), levels_of(images[0]))
    assert capfd.readouterr().err == f"warning: images are decoded again in every epoch: File exists in {tmp_path / 'kept'}\n"


def test_of_an_old_folder_only_what_is_of_use_stays(images: list[str], folder: Path):
    mark(folder, images[0])
    for name in (name_of(images[2]), "0" * 64, name_of(images[1]) + ".unfinished", "notes.txt"):
        (folder / name).touch()
    ImageCache(folder, images, 2 * IMAGE_BYTES).make_folder()
    assert {path.name for path in folder.iterdir()} == {name_of(images[0]), "notes.txt"}


def test_no_descriptors_are_left_open(images: list[str], folder: Path):
    cache = ImageCache(folder, images, ROOM)
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    for _ in range(3):
        for image in images:
            cache.read(image)
    assert len(list(descriptors.iterdir())) == before


def test_a_pickled_cache_reads_the_same_files(images: list[str], folder: Path):
    cache = pickle.loads(pickle.dumps(ImageCache(folder, images, ROOM)))
    mark(folder, images[0])
    assert not cache.read(images[0]).any()


def test_inside_the_block_images_are_kept_and_afterwards_none_is_left(images: list[str], tmp_path: Path):
    loaders = [make_loader(images[:2]), make_loader(images[2:])]
    with decoded_images(tmp_path, loaders, 3 * IMAGE_BYTES, first=True):
        for loader in loaders:
            list(loader)
        names = {path.name for path in (tmp_path / "decoded_images").iterdir()}
    assert names == {name_of(image) for image in images[:3]}
    assert list(tmp_path.iterdir()) == []
    list(loaders[0])
    assert list(tmp_path.iterdir()) == []


def test_only_the_first_process_makes_and_removes_the_folder(images: list[str], tmp_path: Path):
    loader = make_loader(images)
    with decoded_images(tmp_path, [loader], ROOM, first=False):
        list(loader)
        assert list(tmp_path.iterdir()) == []
        (tmp_path / "decoded_images").mkdir()
        list(loader)
    assert len(list((tmp_path / "decoded_images").iterdir())) == len(images)


def test_workers_that_read_ahead_leave_nothing_behind(images: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    loader = make_loader(images * 4, num_workers=2, batch_size=1, prefetch_factor=10, persistent_workers=True)

    def interrupt() -> None:
        for _ in loader:
            assert any((tmp_path / "decoded_images").iterdir())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), decoded_images(tmp_path, [loader], ROOM, first=True):
        interrupt()
    assert list(tmp_path.iterdir()) == []
    list(loader)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err == ""


def test_a_file_that_is_added_while_the_folder_is_removed_goes_too(
    images: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    remove, calls = Path.rmdir, []

    def remove_too_late(folder: Path) -> None:
        """Remove, but once another process adds a file before the folder itself is removed."""
        calls.append(folder)
        if len(calls) == 1:
            (folder / ("0" * 64)).touch()
        remove(folder)

    monkeypatch.setattr(image_cache.Path, "rmdir", remove_too_late)
    with decoded_images(tmp_path, [make_loader(images)], ROOM, first=True):
        pass
    assert len(calls) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_somebody_in_the_folder_stays(
    images: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(image_cache, "REMOVALS", 1)
    loader = make_loader(images)
    with decoded_images(tmp_path, [loader], ROOM, first=True):
        loader.dataset[0]
        (tmp_path / "decoded_images" / "notes.txt").write_text("mine")
    assert [path.name for path in (tmp_path / "decoded_images").iterdir()] == ["notes.txt"]
    assert "could not be removed" in capfd.readouterr().err


def test_what_cannot_be_removed_is_said(
    images: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(image_cache, "REMOVALS", 2)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "decoded_images").symlink_to(tmp_path / "elsewhere")
    with decoded_images(tmp_path, [make_loader(images)], ROOM, first=True):
        pass
    expected = f"warning: decoded images could not be removed: remove {tmp_path / 'decoded_images'}\n"
    assert capfd.readouterr().err == expected


def test_an_interruption_while_they_are_removed_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A signal may come at any moment; a second one is not heard."""
    signals = iter([KeyboardInterrupt])
    remove = image_cache._remove_folder

    def interrupted(folder: Path) -> None:
        for error in signals:
            raise error
        remove(folder)

    monkeypatch.setattr(image_cache, "_remove_folder", interrupted)
    with pytest.raises(KeyboardInterrupt), decoded_images(tmp_path, [], 1 << 30, first=True):
        (tmp_path / image_cache.FOLDER / ("a" * 64)).touch()
    assert not (tmp_path / image_cache.FOLDER).exists()
