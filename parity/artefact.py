"""A recording on disk: a folder with ``manifest.json`` and one ``.npy`` file for each array.

Arrays are written one by one and read memory-mapped, so a recording is never held in memory. A folder appears under
its name only when it is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from parity.files import writing
from parity.reduction import SAMPLE, reduce

SCHEMA = "parity-recording/1"
MANIFEST = "manifest.json"
_CHUNK_BYTES = 1 << 22


class ArtefactError(Exception):
    """A recording is missing, damaged or not what its manifest says."""


@dataclass(frozen=True, kw_only=True)
class ArrayEntry:
    """An array as the manifest describes it; `axes` has one letter of ``N H W C K I O`` for each dimension.

    Attributes:
        reduced: How the array was reduced, where it is not kept whole; `file` then holds the reduction.
        rounded: File of the whole array as float32, where it is kept beside a reduction.
    """

    file: str
    dtype: str
    shape: tuple[int, ...]
    axes: str
    sha256: str
    reduced: str = ""
    rounded: str = ""


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def hash_array(array: np.ndarray) -> str:
    """Return the SHA-256 of an array's type, shape and values in C order."""
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def permute_axes(array: np.ndarray, source: str, target: str) -> np.ndarray:
    """Return `array` with its axes moved from the letters of `source` to those of `target`.

    Raises:
        ArtefactError: The letters do not fit the array or each other.

    >>> permute_axes(np.zeros((3, 3, 64, 256)), "HWIO", "OIHW").shape
    (256, 64, 3, 3)
    """
    if len(source) != array.ndim or len(set(source)) != len(source) or sorted(source) != sorted(target):
        raise ArtefactError(f"`axes` must be a permutation, got {source!r} to {target!r} for shape {array.shape}")
    return array.transpose([source.index(letter) for letter in target])


class RecordingWriter:
    """Writes a recording into a temporary folder and renames it when the block ends without an exception.

    Args:
        folder: Where the finished recording stands; an older one there is replaced.
        key: What the recording depends on, from `parity.reuse`.
    """

    def __init__(self, folder: Path, *, key: str) -> None:
        self.folder = folder
        self._key = key
        self._partial = folder.with_name(folder.name + ".partial")
        self._arrays: dict[str, ArrayEntry] = {}
        self._values: dict[str, Any] = {}

    def __enter__(self) -> Self:
        shutil.rmtree(self._partial, ignore_errors=True)
        with writing(self.folder):
            self._partial.mkdir(parents=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            shutil.rmtree(self._partial, ignore_errors=True)
            return
        manifest = {
            "schema": SCHEMA,
            "key": self._key,
            "arrays": {name: asdict(entry) for name, entry in self._arrays.items()},
            "values": self._values,
        }
        try:
            with writing(self.folder):
                with (self._partial / MANIFEST).open("w", encoding="utf-8") as file:
                    json.dump(manifest, file, indent=1, ensure_ascii=False)
                    file.flush()
                    os.fsync(file.fileno())
                shutil.rmtree(self.folder, ignore_errors=True)
                self._partial.rename(self.folder)
        finally:
            shutil.rmtree(self._partial, ignore_errors=True)

    def write_array(self, name: str, array: np.ndarray, axes: str) -> None:
        """Write one array under a new name.

        Raises:
            ArtefactError: The name is taken or the axis letters do not fit.
        """
        array = np.asarray(array)
        self._add(name, array, axes, kept=array)

    def write_reduced(self, name: str, array: np.ndarray, axes: str, how: str, *, rounded: bool = False) -> None:
        """Write what `parity.reduction` keeps of an array; its manifest still says what the array was.

        Args:
            name: A new name.
            array: The whole array.
            axes: Its axis letters.
            how: Of `parity.reduction`.
            rounded: Whether the whole array is kept beside it, as float32.

        Raises:
            ArtefactError: As `write_array`.
        """
        file = self._save(f"{len(self._arrays):05d}-rounded.npy", array.astype(np.float32)) if rounded else ""
        self._add(name, array, axes, kept=reduce(array, how), reduced=how, rounded=file)

    def _add(self, name: str, array: np.ndarray, axes: str, *, kept: np.ndarray, reduced: str = "", rounded: str = "") -> None:
        if name in self._arrays:
            raise ArtefactError(f"`name` must be new in the recording, got {name!r} twice in {self.folder.name}")
        if len(axes) != array.ndim:
            raise ArtefactError(f"`axes` must name every axis, got {axes!r} for shape {array.shape} of {name}")
        self._arrays[name] = ArrayEntry(
            file=self._save(f"{len(self._arrays):05d}.npy", kept),
            dtype=str(array.dtype),
            shape=array.shape,
            axes=axes,
            sha256=hash_array(kept),
            reduced=reduced,
            rounded=rounded,
        )

    def _save(self, file: str, array: np.ndarray) -> str:
        with writing(self.folder):
            np.save(self._partial / file, np.ascontiguousarray(array), allow_pickle=False)
        return file

    def write_value(self, name: str, value: Any) -> None:
        """Write a JSON value under a new name."""
        if name in self._values:
            raise ArtefactError(f"`name` must be new in the recording, got {name!r} twice in {self.folder.name}")
        self._values[name] = value


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A finished recording; arrays are checked against the manifest each time they are read.

    Of an array that was reduced there is the reduction, and that is what is read.
    """

    folder: Path
    key: str
    arrays: Mapping[str, ArrayEntry]
    values: Mapping[str, Any]

    def read_array(self, name: str) -> np.ndarray:
        """Return an array, memory-mapped and read-only.

        Raises:
            ArtefactError: The array is not there, cut short, or not what the manifest says.
        """
        if name not in self.arrays:
            raise ArtefactError(f"{name} is missing from {self.folder.name}")
        entry = self.arrays[name]
        array = self._load(name, entry.file)
        whole = entry.reduced or (str(array.dtype), array.shape) == (entry.dtype, entry.shape)
        if not whole or hash_array(array) != entry.sha256:
            raise ArtefactError(f"{name} in {self.folder.name} is not what its manifest says")
        return array

    def read_rounded(self, name: str) -> np.ndarray:
        """Return an array rounded to float32; it is whole even where only a reduction is kept in full precision.

        Raises:
            ArtefactError: As `read_array`, or no rounded array was kept beside the reduction.
        """
        array, entry = self.read_array(name), self.arrays[name]
        if not entry.reduced:
            return array.astype(np.float32)
        rounded = self._load(name, entry.rounded)
        sample = reduce(rounded, SAMPLE)
        if rounded.shape != entry.shape or not np.array_equal(sample, array[: sample.size].astype(np.float32)):
            raise ArtefactError(f"{name} in {self.folder.name} is not the array that was reduced")
        return rounded

    def _load(self, name: str, file: str) -> np.ndarray:
        try:
            array: np.ndarray = np.load(self.folder / file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ArtefactError(f"{name} cannot be read from {self.folder.name}: {error}") from error
        return array

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest, which holds the hash of every array."""
        return hash_file(self.folder / MANIFEST)


def read_recording(folder: Path) -> Recording:
    """Open the recording in `folder`.

    Raises:
        ArtefactError: There is none, or its manifest is not one of this schema.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["schema"] != SCHEMA:
            raise ArtefactError(f"`schema` must be {SCHEMA}, got {manifest['schema']!r} in {folder.name}")
        arrays = {name: ArrayEntry(**{**entry, "shape": tuple(entry["shape"])}) for name, entry in manifest["arrays"].items()}
        if any(name != Path(name).name for entry in arrays.values() for name in (entry.file, entry.rounded) if name):
            raise ArtefactError(f"files outside {folder.name}")
        return Recording(folder=folder, key=manifest["key"], arrays=arrays, values=manifest["values"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtefactError(f"no whole recording in {folder.parent.name}/{folder.name}: {error}") from error
