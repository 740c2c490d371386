"""Stamps each lock with a digest of what it was compiled from, so that a stale lock is seen without a network."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from parity.workspace import PROJECT

STAMP = "# Compiled by `nox -s lock` from group {group!r} of pyproject.toml, digest {digest}\n"
STAMPED = re.compile(
    r"\A# Compiled by `nox -s lock` from group '(?P<group>[\w-]+)' of pyproject\.toml, digest (?P<digest>\w+)\n"
)


def group_digest(group: str, project: dict[str, Any]) -> str:
    """Return the SHA-256 of a dependency group with the groups it includes and the overrides."""
    parts = {"group": _expand(group, project), "overrides": project["tool"]["uv"]["override-dependencies"]}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _expand(group: str, project: dict[str, Any]) -> list[str]:
    found: list[str] = []
    for entry in project["dependency-groups"][group]:
        found += _expand(entry["include-group"], project) if isinstance(entry, dict) else [entry]
    return found


def read_project() -> dict[str, Any]:
    """Return pyproject.toml."""
    return tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))


def stamp_lock(path: Path, group: str) -> None:
    """Write the stamp over an older one, at the top of the lock."""
    content = STAMPED.sub("", path.read_text(encoding="utf-8"))
    path.write_text(STAMP.format(group=group, digest=group_digest(group, read_project())) + content, encoding="utf-8")


def is_stale(path: Path) -> bool:
    """Return whether the lock was compiled from other dependencies than those of pyproject.toml now."""
    found = STAMPED.match(path.read_text(encoding="utf-8"))
    return found is None or found["digest"] != group_digest(found["group"], read_project())


if __name__ == "__main__":
    for name, group in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        stamp_lock(PROJECT / name, group)
