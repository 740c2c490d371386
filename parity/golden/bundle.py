"""A folder as one npz file: every file in it is an array, so that numpy alone opens it, without pickles.

What is read may come from anywhere: nothing is unpacked that is larger than allowed, that is no plain array, or that would
land outside the folder, and nothing has its name before everything has been looked at.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from parity.errors import BadInputError, bad_input
from parity.files import cannot_write, made_folder, remove, whole_file, writing

SCHEMA = "parity-golden/1"
INDEX = "index.npy"
UNPACKED = "unpacked.partial"
MOST_MEMBERS, MOST_BYTES = 10_000, 400_000_000
_MEMBER = re.compile(r"[0-9]{5}\.npy")
# As numpy writes it; nothing else is given to numpy, which would evaluate it.
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '[<>|][biuf][0-9]{1,2}', 'fortran_order': (?:False|True), "
    rb"'shape': \((?:|[0-9]{1,12},|[0-9]{1,12}(?:, [0-9]{1,12}){1,31})\), \} *\n",
    re.DOTALL,
)
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)
_DAMAGE = (
    ValueError, TypeError, KeyError, AttributeError, OSError, EOFError, NotImplementedError, RuntimeError, OverflowError,
    zipfile.BadZipFile, zlib.error, struct.error,
)  # fmt: skip


def pack(folder: Path, target: Path, facts: dict[str, Any]) -> None:
    """Write every file of `folder` into one npz; the same files give the same bytes.

    Args:
        folder: What to pack.
        target: File to write; it has its name only when it is whole.
        facts: What else a reader should know, as JSON.
    """
    files: dict[str, dict[str, str]] = {}
    with whole_file(target) as partial, zipfile.ZipFile(partial, "w") as archive:
        for number, path in enumerate(sorted(path for path in folder.rglob("*") if path.is_file())):
            member, content = f"{number:05d}.npy", path.read_bytes()
            _write(archive, member, content if path.suffix == ".npy" else _to_npy(content))
            files[path.relative_to(folder).as_posix()] = {"member": member, "sha256": hashlib.sha256(content).hexdigest()}
        index = {"schema": SCHEMA, "facts": facts, "files": files}
        _write(archive, INDEX, _to_npy(json.dumps(index, sort_keys=True).encode()))


def _write(archive: zipfile.ZipFile, member: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(member, _FIXED_DATE)
    archive.writestr(entry, content, zipfile.ZIP_DEFLATED)


def _to_npy(content: bytes) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.frombuffer(content, np.uint8), allow_pickle=False)
    return buffer.getvalue()


def read_facts(path: Path) -> dict[str, Any]:
    """Return the facts that a bundle was packed with.

    Raises:
        BadInputError: It is no such bundle.
    """
    with _reading(path) as archive:
        facts: dict[str, Any] = _read_index(archive)["facts"]
    return facts


def unpack(path: Path, folder: Path, parts: Collection[str]) -> None:
    """Write the files of a bundle below `folder`, in the place of files and folders of the same names.

    Args:
        path: The bundle.
        folder: Where to.
        parts: What may stand in `folder` itself.

    Raises:
        BadInputError: The bundle is damaged, holds other parts, or is not what `pack` writes; `folder` is as it was.
    """
    with unpacked(path, folder, parts) as partial:
        take_up(partial, folder)


@contextmanager
def unpacked(path: Path, folder: Path, parts: Collection[str]) -> Iterator[Path]:
    """Yield a folder inside of `folder` with the files of a bundle; it is removed after the block.

    Raises:
        BadInputError: As `unpack`, or there is no room for them.
    """
    with made_folder(folder), _removed(folder / UNPACKED) as partial:
        with _reading(path) as archive:
            for name, entry in _read_index(archive)["files"].items():
                if name.partition("/")[0] not in parts:
                    raise ValueError(f"{name}, which is no part of such a bundle")
                content = _read_member(archive, entry["member"])
                content = content if name.endswith(".npy") else _from_npy(content)
                if hashlib.sha256(content).hexdigest() != entry["sha256"]:
                    raise ValueError(f"{name} is not what its index says")
                _write_part(partial / name, content)
        yield partial


@contextmanager
def _removed(folder: Path) -> Iterator[Path]:
    """Yield an empty folder; it is removed after the block."""
    with writing(folder):
        remove(folder)
        folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_part(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except (FileExistsError, IsADirectoryError, NotADirectoryError):
        raise  # a file that is a folder as well: that is the bundle's fault
    except OSError as error:
        raise cannot_write(error, path) from error


def take_up(partial: Path, folder: Path) -> None:
    """Move what is unpacked into `folder`, in the place of files and folders of the same names."""
    for item in sorted(partial.iterdir()):
        if (folder / item.name).is_dir():
            remove(folder / item.name)
        item.replace(folder / item.name)


@contextmanager
def _reading(path: Path) -> Iterator[zipfile.ZipFile]:
    """Yield a bundle that is not larger than allowed; whatever is found wrong with it inside the block is one message."""
    if not path.is_file():
        raise bad_input("golden bundle", "be there", path.name, str(path.parent), "nox -s signoff -- sign writes it")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES:,} bytes")
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > MOST_MEMBERS or sum(entry.file_size for entry in entries) > MOST_BYTES:
                raise ValueError(f"more than {MOST_MEMBERS} members or {MOST_BYTES:,} bytes unpacked")
            if any(entry.compress_type != zipfile.ZIP_DEFLATED for entry in entries):  # of others the size is not bounded
                raise ValueError("members that are not deflated")
            yield archive
    except BadInputError:
        raise
    except _DAMAGE as error:
        must = f"be a whole bundle of schema {SCHEMA}"
        shown = f"{type(error).__name__}: {error}"[:300]
        raise bad_input("golden bundle", must, shown, str(path), "take the one that was signed") from error


def _read_index(archive: zipfile.ZipFile) -> dict[str, Any]:
    index: dict[str, Any] = json.loads(_from_npy(_read_member(archive, INDEX)))
    if index["schema"] != SCHEMA:
        raise ValueError(f"schema {index['schema']!r}")
    if not isinstance(index["facts"], dict):
        raise ValueError("facts are no table")
    for name, entry in index["files"].items():
        if not all(map(_PART.fullmatch, name.split("/"))) or not _MEMBER.fullmatch(entry["member"]):
            raise ValueError(f"a file called {name!r}, from {entry['member']!r}")
    members = [entry["member"] for entry in index["files"].values()]
    if sorted([*members, INDEX]) != sorted(archive.namelist()):
        raise ValueError("members that its index does not list, or lists twice")
    return index


def _read_member(archive: zipfile.ZipFile, member: str) -> bytes:
    """Return the bytes of a member, which is a plain array of exactly the size that its header says."""
    entry = archive.getinfo(member)
    with archive.open(entry) as stream:
        content = stream.read(entry.file_size)  # of a read without a size the length is not bounded
    header = _HEADER.match(content)
    if header is None or header.end() != 10 + int.from_bytes(content[8:10], "little"):
        raise ValueError(f"{member} is no plain array of numbers")
    file = io.BytesIO(content)
    np.lib.format.read_magic(file)
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    size = dtype.itemsize
    for length in shape:
        size *= length
    if size != len(content) - file.tell():
        raise ValueError(f"{member} is cut short, or longer than its header says")
    return content


def _from_npy(content: bytes) -> bytes:
    array: np.ndarray = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype != np.uint8 or array.ndim != 1:
        raise ValueError("bytes that are no row of bytes")
    return array.tobytes()
