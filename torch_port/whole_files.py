"""Writing files: each appears only when it is whole, and a place that cannot be written is one message."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from torch_port.errors import PlaceError

UNFINISHED = ".unfinished"
# What the system says of a place, and not of a mistake in this program.
OF_A_PLACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


def cannot_write(error: Exception, place: object, option: str = "out") -> PlaceError:
    """Return the message for a place that the system refuses to write.

    Args:
        error: What was raised.
        place: What was to be written.
        option: The option that says where to write.
    """
    said = re.search(r"I/O error: (.+?) \(os error", str(error))  # as safetensors quotes the system
    return PlaceError.about(
        option,
        must="be a place that can be written",
        got=said[1] if said else getattr(error, "strerror", None) or str(error),
        place=place,
        remedy=f"make room, then give the command again (a training with --resume), or choose another --{option}",
    )


@contextmanager
def writing(place: object, option: str = "out") -> Iterator[None]:
    """Make bad input of what cannot be written in the block.

    Raises:
        PlaceError: The system refuses it.
    """
    try:
        yield
    except PlaceError:
        raise
    except (OSError, SafetensorError) as error:
        raise cannot_write(error, place, option) from error


@contextmanager
def whole_file(path: Path, option: str = "out") -> Iterator[Path]:
    """Yield where to write a file. After the block it gets its name; if the block fails, what was there before stays.

    Raises:
        PlaceError: It cannot be written.
    """
    unfinished = path.with_name(path.name + UNFINISHED)
    with writing(path, option), made_folder(path.parent, option):
        try:
            yield unfinished
            unfinished.replace(path)
        finally:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file, text in UTF-8; until it is whole, what was there stays."""
    with whole_file(path) as unfinished:
        unfinished.write_bytes(content.encode() if isinstance(content, str) else content)


def refuse_place(folder: Path, option: str = "out") -> None:
    """Refuse a folder that could not be made or written, before anything is computed; nothing is made.

    Raises:
        PlaceError: It is no folder, or the system allows no file in it.
    """
    present = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not present.is_dir():
        got = os.strerror(errno.EEXIST if present == folder else errno.ENOTDIR)
        remedy = f"choose another --{option}"
        raise PlaceError.about(option, must="be a folder that can be made", got=got, place=folder, remedy=remedy)
    if not os.access(present, os.W_OK | os.X_OK):
        raise cannot_write(PermissionError(errno.EACCES, os.strerror(errno.EACCES)), present, option)


@contextmanager
def made_folder(folder: Path, option: str = "out") -> Iterator[None]:
    """Make a folder with its parents; if the block fails, those that were made and are empty go again.

    Raises:
        PlaceError: It cannot be made.
    """
    refuse_place(folder, option)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        with writing(folder, option):
            folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        with suppress(OSError):
            for path in made:
                path.rmdir()
        raise
