"""What a suite has found so far, kept in files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from parity.files import write_whole


class Results:
    """What has been found, a file each: a suite that is stopped goes on from there.

    Args:
        folder: Of the files.
        key: Of what they depend on; results with another key are found again.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self.key = key

    def read(self, name: str) -> dict[str, Any] | None:
        """Return a result that is there."""
        path = self.folder / f"{name}.json"
        if not path.is_file():
            return None
        kept = json.loads(path.read_text(encoding="utf-8"))
        found: dict[str, Any] | None = kept["result"] if kept["key"] == self.key else None
        return found

    def find(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return a result; it is made if there is none, and kept unless it could not be found out."""
        if (found := self.read(name)) is not None:
            return found
        made = make()
        if made.get("verdict") != "NOT_RUN":
            write_whole(self.folder / f"{name}.json", json.dumps({"key": self.key, "result": made}))
        return made
