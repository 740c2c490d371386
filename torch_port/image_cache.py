"""Decoded images on disk, so that from the second epoch on nothing is decoded.

An image is kept as its levels in one file, named by the SHA-256 of the JPEG file: another file is another image. Files are
mapped into memory, so that all processes share what the system has of them in its own cache.
"""

from __future__ import annotations

import hashlib
import re
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from torch.utils.data import DataLoader

from torch_port.images import read_image
from torch_port.transforms import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX

FOLDER = "decoded_images"
SHAPE = (IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX, 3)
IMAGE_BYTES = IMAGE_HEIGHT_PX * IMAGE_WIDTH_PX * 3
NAME = re.compile(r"[0-9a-f]{64}(\.unfinished)?")
REMOVALS, REMOVAL_PAUSE_S = 20, 0.1


class ImageCache:
    """Reads images as `images.read_image` does, and keeps the levels of as many as the limit allows.

    Which images are kept, and in which files, is settled here: so the limit holds for any number of processes. They are the
    first ones; the others are decoded every time, and so is a file that changes afterwards.

    Args:
        folder: Where they are kept; while there is no such folder, none is.
        images: The files that will be read.
        limit_bytes: Room for kept images, of 5.76 MB each.
    """

    def __init__(self, folder: Path, images: Iterable[str | Path], limit_bytes: int) -> None:
        self.folder = folder
        self._entries: dict[str, tuple[tuple[int, int] | None, Path]] = {}
        self._has_room = True
        for path in list(dict.fromkeys(map(str, images)))[: limit_bytes // IMAGE_BYTES]:
            with suppress(OSError):  # reading the image will say it
                self._entries[path] = _signature(path), folder / hashlib.sha256(Path(path).read_bytes()).hexdigest()

    def read(self, path: str | Path) -> np.ndarray:
        """Return the levels of an image, uint8 (H, W, 3); whoever changes them changes no file.

        Raises:
            DataError: As `images.read_image`.
        """
        signature, entry = self._entries.get(str(path), (None, None))
        if entry is None or _signature(path) != signature:
            return read_image(path)
        with suppress(OSError):  # it is not there yet, or no longer
            if entry.stat().st_size == IMAGE_BYTES:
                return np.memmap(entry, np.uint8, mode="c", shape=SHAPE).view(np.ndarray)
        levels = read_image(path)
        if self._has_room and _signature(path) == signature:
            self._keep(entry, levels)
        return levels

    def make_folder(self) -> None:
        """Make the folder, or remove from an old one what this cache would not keep in it."""
        entries = {entry for _, entry in self._entries.values()}
        try:
            self.folder.mkdir(exist_ok=True)
            for path in self.folder.iterdir():
                if path not in entries and NAME.fullmatch(path.name):
                    path.unlink()
        except OSError as error:
            self._stop_keeping(error)

    def _keep(self, entry: Path, levels: np.ndarray) -> None:
        """Write an image to its file, which appears when it is whole."""
        unfinished = entry.with_name(f"{entry.name}.unfinished")
        try:
            with unfinished.open("xb") as file:
                entry.unlink(missing_ok=True)  # of another size, or just written: never is there room for two
                file.write(np.ascontiguousarray(levels))
            unfinished.replace(entry)
        except (FileExistsError, FileNotFoundError):
            return  # another process is writing it, or there is no folder
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink()
            self._stop_keeping(error)

    def _stop_keeping(self, error: OSError) -> None:
        """Say why this process keeps no further images; a training goes on without."""
        self._has_room = False
        print(f"warning: images are decoded again in every epoch: {error.strerror} in {self.folder}", file=sys.stderr)


@contextmanager
def decoded_images(folder: Path, loaders: Iterable[DataLoader], limit_bytes: int, *, first: bool) -> Iterator[None]:
    """Let loaders keep decoded images while the block runs; afterwards none is left behind.

    Args:
        folder: Of the training; images are kept in `FOLDER` below it.
        loaders: Loaders over `data.LungHistDataset`.
        limit_bytes: Room for images, of all loaders together.
        first: Whether this process is the one of a training that makes and removes the folder.
    """
    datasets = [loader.dataset for loader in loaders]
    cache = ImageCache(folder / FOLDER, (path for dataset in datasets for path in dataset.images), limit_bytes)
    for dataset in datasets:
        dataset.read = cache.read
    try:
        if first:
            cache.make_folder()
        yield
    finally:
        if first:
            try:
                _remove_folder(cache.folder)
            except KeyboardInterrupt:  # it comes once: see `interruption`
                _remove_folder(cache.folder)
                raise


def _remove_folder(folder: Path) -> None:
    """Remove a folder to which other processes may still add files."""
    for _ in range(REMOVALS):
        with suppress(OSError):
            for path in folder.iterdir():
                if NAME.fullmatch(path.name):  # others are somebody's, and keep the folder
                    path.unlink()
            folder.rmdir()
        if not folder.exists():
            return
        time.sleep(REMOVAL_PAUSE_S)
    print(f"warning: decoded images could not be removed: remove {folder}", file=sys.stderr)


def _signature(path: str | Path) -> tuple[int, int] | None:
    """Return size and time of change of a file; None if there is none."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
