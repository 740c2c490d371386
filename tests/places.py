"""Places that cannot be written, and folders compared byte by byte: for the tests of every package."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FULL_DISKS = ("tmpfs", "file size")


def contents_of(folder: Path) -> dict[str, bytes | None]:
    """Return every file below a folder with its bytes, and every folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))
    }


@contextmanager
def full_disk(folder: Path, kind: str, size: int) -> Iterator[None]:
    """Let no more than some bytes be written into a folder, in this process and those that it starts.

    Args:
        folder: The folder; what is in it stays.
        kind: ``tmpfs``: a real disk of its own, which a user who is not root cannot mount: the test is then skipped.
            ``file size``: the system's limit for one file.
        size: In bytes; for a disk beside what is in the folder.
    """
    if kind == "file size":
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        return
    before = contents_of(folder)
    with _mounted(folder, "size=1g"):
        _restore(folder, before)
        used = os.statvfs(folder)
        pages = used.f_blocks - used.f_bfree + -(-size // used.f_frsize)
        subprocess.run(["mount", "-o", f"remount,size={max(1, pages) * used.f_frsize}", str(folder)], check=True)
        yield
        after = contents_of(folder)
    _restore(folder, after)
    for name in set(before) - set(after):
        (folder / name).unlink()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nothing be written into an empty folder, by root neither."""
    if os.geteuid():
        folder.chmod(0o555)
        try:
            yield
        finally:
            folder.chmod(0o755)
        return
    with _mounted(folder, "ro"):
        yield


@contextmanager
def _mounted(folder: Path, options: str) -> Iterator[None]:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _restore(folder: Path, contents: dict[str, bytes | None]) -> None:
    for name, content in contents.items():
        if content is None:
            (folder / name).mkdir(exist_ok=True)
        else:
            (folder / name).write_bytes(content)
