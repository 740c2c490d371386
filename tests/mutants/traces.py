"""Where the functions that a test runs are noted: known to the process that runs the tests, and to the one that reads them."""

from __future__ import annotations

import hashlib
from pathlib import Path

FOUND = "MUTANTS_TESTS"  # variable: the folder


def trace_file(folder: Path, node: str, phase: str) -> Path:
    """Return the file of a phase (setup, call) of a test."""
    return folder / f"{hashlib.sha256(node.encode()).hexdigest()[:24]}.{phase}.txt"
