"""What goes with the legacy, and what stays."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

# Paths below the project; a * stands for anything, slashes too.
RETIRED = (
    "legacy_tf/*",
    "requirements-tf.txt",
    "requirements-tf-cuda.txt",
    "requirements-tf-test.txt",
    "parity/sides/legacy*.py",
    "parity/gates/*/legacy.py",
    "parity/demo/checkpoint.py",
    "parity/demo/training.py",
    "parity/demo/settling.py",
    "parity/faults/legacy_worker.py",
    "benchmarks/legacy.py",
    "tests/legacy_tf/*",
    "tests/parity/faults/*",  # the suite of planted faults records the legacy
    "tests/mutants/*",  # mutants are judged by gates, against the legacy
    "tests/end_to_end/*",
)


def is_legacy(name: str) -> bool:
    """Return whether a file goes with the legacy.

    >>> is_legacy("parity/gates/blocks/legacy.py"), is_legacy("parity/gates/blocks/port.py")
    (True, False)
    """
    return any(fnmatchcase(name, pattern) for pattern in RETIRED)


def legacy_is_gone(root: Path) -> bool:
    """Return whether the frozen pipeline has been removed from a project."""
    return not any((root / "legacy_tf").glob("*.py"))
