"""Deliberate differences, read from ``declared.toml``: shown in every report, and never a reason to pass."""

from __future__ import annotations

import tomllib
from pathlib import Path

from parity.errors import bad_input

FIELDS = ("difference", "reason", "owner")


def read_declared(path: Path) -> list[dict[str, str]]:
    """Return one row for each declared difference: name, difference, reason, owner.

    Raises:
        BadInputError: The file is missing, is not TOML, or an entry lacks a field.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
        return [{"name": name, **{field: str(entry[field]) for field in FIELDS}} for name, entry in entries.items()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = f"give every entry {', '.join(FIELDS)}"
        raise bad_input("declared.toml", "list differences with reasons and owners", str(error), path.name, remedy) from error
