"""Files that appear only when they are whole."""

from __future__ import annotations

from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file, text in UTF-8; until it is whole, what was there stays, and what was begun goes if it cannot be ended."""
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        unfinished.write_bytes(content.encode() if isinstance(content, str) else content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
