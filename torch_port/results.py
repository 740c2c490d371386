"""Folders of results: a command replaces the files that it has made itself, and no others."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property
from pathlib import Path

from torch_port.errors import InputError, count_of
from torch_port.whole_files import made_folder, refuse_place, whole_file


class Results:
    """The files that a command writes into a folder.

    A list beside them, ``.torch_port-<command>.sha256``, has the hash of each file that the command has made: so its own
    results can be told from files of the same names that somebody else has put there, or has changed since.

    Args:
        folder: The folder.
        command: Name of the command.
        option: The option that says which folder.
    """

    def __init__(self, folder: str | Path, command: str, option: str = "out") -> None:
        self.folder = Path(folder)
        self.option = option
        self.record = self.folder / f".torch_port-{command}.sha256"

    def refuse_others(self, names: Iterable[str]) -> None:
        """Refuse a folder that cannot be written, or in which files of these names are not the command's. Nothing is changed.

        Raises:
            InputError: It is such a folder.
        """
        refuse_place(self.folder, self.option)
        present = [name for name in names if os.path.lexists(self.folder / name)]
        others = [name for name in present if not self._is_made(name)]
        if others:
            raise InputError.about(
                self.option,
                must="be a folder without files that this command would replace and has not made",
                got=count_of(len(others), "such file"),
                place=self.folder,
                remedy=f"choose another --{self.option}, or move them",
                faults=others[:10],
            )

    def made(self) -> AbstractContextManager[None]:
        """Make the folder; if the block fails, what was made for it and is empty goes again."""
        return made_folder(self.folder, self.option)

    @contextmanager
    def file(self, name: str) -> Iterator[Path]:
        """Yield where to write a file; it gets its name after the block, as `whole_file` does.

        Raises:
            PlaceError: It cannot be written.
        """
        with whole_file(self.folder / name, self.option) as unfinished:
            yield unfinished
            self._add(_line(name, unfinished))  # before the file has its name: a file without a line is somebody else's

    def _is_made(self, name: str) -> bool:
        path = self.folder / name
        return path.is_file() and not path.is_symlink() and _line(name, path) in self._lines

    @cached_property
    def _lines(self) -> set[str]:
        try:
            return set(self.record.read_text(encoding="ascii").splitlines())
        except (OSError, ValueError):
            return set()

    def _add(self, line: str) -> None:
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


def _line(name: str, path: Path) -> str:
    """Return a file's line of the list: its hash and its name, in ASCII."""
    with path.open("rb") as file:
        return f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name!a}"
