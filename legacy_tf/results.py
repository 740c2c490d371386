"""Writing results: a file appears only when it is whole, and a command replaces only files that it has made itself."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

import numpy as np

from .errors import InputError, PlaceError

UNFINISHED = ".unfinished"
# What the system says of a place, and not of a mistake in this program.
OF_A_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


def cannot_write(said: str, place: object) -> PlaceError:
    """The message for a place that the system refuses to write."""
    return PlaceError(
        f"`--out` must be a place that can be written, got {said} in {place}; make room there, or choose another --out"
    )


@contextmanager
def writing(place: object) -> Iterator[None]:
    """Make bad input of what cannot be written in the block; TensorFlow and zip archives have errors of their own for it.

    Raises:
        PlaceError: The system refuses it.
    """
    try:
        yield
    except PlaceError:
        raise
    except OSError as error:
        raise cannot_write(error.strerror or str(error), place) from error
    except Exception as error:
        said = _find_refusal(error)
        if said is None:
            raise
        raise cannot_write(said, place) from error


def _find_refusal(error: BaseException | None) -> str | None:
    """What the system has said of a place, in an error or in one that led to it."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in OF_A_PLACE:
            return error.strerror
        said = next((text for text in map(os.strerror, OF_A_PLACE) if text in str(error)), None)
        if said is not None:
            return said
        error = error.__context__
    return None


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Make a folder with its parents; if the block fails, those that were made and are empty go again.

    Raises:
        PlaceError: It cannot be made.
    """
    refuse_place(folder)
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
        PlaceError: It cannot be written.
    """
    unfinished = path.with_name(path.name + UNFINISHED)
    with writing(path), made_folder(path.parent):
        try:
            yield unfinished
            unfinished.replace(path)
        finally:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write arrays as an npz, whatever the file is called.

    First in memory: numpy leaves an archive on a full disk open, which says so again when it is collected.
    """
    archive = io.BytesIO()
    np.savez(archive, **arrays)
    path.write_bytes(archive.getbuffer())


def refuse_place(folder: Path) -> None:
    """Refuse a folder that could not be made or written, before anything is computed; nothing is made.

    Raises:
        PlaceError: It is no folder, or the system allows no file in it.
    """
    present = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not present.is_dir():
        raise PlaceError(f"`--out` must be a folder that can be made, got {str(folder)!r} ({present} is no folder)")
    if not os.access(present, os.W_OK | os.X_OK):
        raise cannot_write(os.strerror(errno.EACCES), present)


class Results:
    """The files that a command writes into a folder.

    A list beside them, `.legacy_tf-<command>.sha256`, has the hash of each file that the command has made: so its own
    results can be told from files of the same names that somebody else has put there, or has changed since.

    Args:
        folder: The folder.
        command: Name of the command.
    """

    def __init__(self, folder: str | Path, command: str) -> None:
        self.folder = Path(folder)
        self.record = self.folder / f".legacy_tf-{command}.sha256"

    def refuse_others(self, names: Iterable[str]) -> None:
        """Refuse a folder that cannot be written, or in which files of these names are not the command's.

        Raises:
            InputError: It is such a folder; nothing has been changed.
        """
        refuse_place(self.folder)
        others = [name for name in names if os.path.lexists(self.folder / name) and not self._is_made(name)]
        if others:
            raise InputError(
                f"`--out` must be a folder without files that this command would replace and has not made, got "
                f"{', '.join(others[:10])} in {self.folder}; choose another --out, or move them"
            )

    @contextmanager
    def file(self, name: str) -> Iterator[Path]:
        """Yield where to write a file; it gets its name after the block, as `whole_file` does."""
        with whole_file(self.folder / name) as unfinished:
            yield unfinished
            self.add(name, unfinished)  # before the file has its name: a file without a line is somebody else's

    def add(self, name: str, path: Path) -> None:
        """Add a file of this name and with the bytes of `path` to the list."""
        line = _line(name, path)
        if line in self._lines:
            return
        size = self.record.stat().st_size if self.record.exists() else 0
        try:
            with self.record.open("a", encoding="ascii") as file:
                file.write(line + "\n")
        except OSError:
            with suppress(OSError):
                os.truncate(self.record, size)
                if not size:
                    self.record.unlink()
            raise
        self._lines.add(line)

    def _is_made(self, name: str) -> bool:
        path = self.folder / name
        return path.is_file() and not path.is_symlink() and _line(name, path) in self._lines

    @cached_property
    def _lines(self) -> set[str]:
        try:
            return set(self.record.read_text(encoding="ascii").splitlines())
        except (OSError, ValueError):
            return set()


def _line(name: str, path: Path) -> str:
    """A file's line of the list: its hash and its name, in ASCII."""
    with path.open("rb") as file:
        return f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {ascii(name)}"
