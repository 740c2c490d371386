"""Writing files: each has its name only when it is whole, and a place that cannot be written is one message."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from parity.errors import BadInputError, bad_input

PARTIAL = ".partial"
# What the system says of a place, and not of a mistake in this program.
_OF_A_PLACE = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EISDIR, errno.ENOTDIR,
    errno.ENAMETOOLONG, errno.ENOTEMPTY,
}  # fmt: skip


def cannot_write(error: OSError, place: Path | str) -> BadInputError:
    """Return the message for a place that the system refuses to write."""
    found = error.strerror or str(error)
    return bad_input("file", "be one that can be written", found, str(place), "make room there, or choose another place")


def is_of_a_place(error: OSError) -> bool:
    """Return whether the system refuses a place: a full disk, a folder without permission, a name that is taken."""
    return error.errno in _OF_A_PLACE


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Make bad input of what cannot be written in the block.

    Raises:
        BadInputError: The system refuses it.
    """
    try:
        yield
    except OSError as error:
        raise cannot_write(error, place) from error


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Make a folder with its parents; if the block fails, those that were made and are empty go again.

    Raises:
        BadInputError: It cannot be made.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        with suppress(OSError):
            for path in made:
                path.rmdir()
        raise


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield where to write a file. After the block it gets its name; if the block fails, what was there before stays.

    Raises:
        BadInputError: It cannot be written.
    """
    partial = path.with_name(f"{path.name}{PARTIAL}")
    with writing(path), made_folder(path.parent):
        try:
            yield partial
            partial.replace(path)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file, text in UTF-8.

    Raises:
        BadInputError: It cannot be written; what was there before stays.
    """
    with whole_file(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


def remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def refuse_place(path: Path, option: str = "--out") -> None:
    """Refuse a folder that could not be made or written, before anything is computed; nothing is made.

    Raises:
        BadInputError: It is no folder, or the system allows no file in it.
    """
    present = next(parent for parent in (path, *path.parents) if os.path.lexists(parent))
    if not (present.is_dir() and os.access(present, os.W_OK | os.X_OK)):
        found = f"no permission in {present}" if present.is_dir() else f"{present}, which is no folder"
        raise bad_input(option, "be a folder that can be written", found, str(path), "choose another folder")
