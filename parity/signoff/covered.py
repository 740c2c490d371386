"""Which files a sign-off covers, and what they are: a change of any of them is found, a change of any other does not count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from parity.artefact import hash_file

FOLDER = "signoff"
GOLDEN, WEIGHTS, REPORT = f"{FOLDER}/golden.npz", f"{FOLDER}/weights.safetensors", f"{FOLDER}/report"
AUTHOR, APPROVER = f"{FOLDER}/author.dsse.json", f"{FOLDER}/approver.dsse.json"

CODE, LIMITS, LOCKS, LEGACY, EVIDENCE = "code", "limits", "locks", "legacy", "evidence"
PACKAGES = ("torch_port", "parity", "benchmarks")
FILES: Mapping[str, str] = {"noxfile.py": CODE, "gates.toml": LIMITS, "declared.toml": LIMITS, "waivers.toml": LIMITS}
NOT_COVERED = ("__pycache__",)  # what Python makes of code, and may make again


def covered_files(root: Path) -> dict[str, str]:
    """Return every file of the project that a sign-off covers, relative to `root`, and its kind.

    The files below `FOLDER` are evidence: they are listed by the statement, not by what is there.
    """
    found = {path.relative_to(root).as_posix(): CODE for package in PACKAGES for path in _files(root / package)}
    found |= {path.relative_to(root).as_posix(): LEGACY for path in _files(root / "legacy_tf")}
    found |= {name: kind for name, kind in FILES.items() if (root / name).is_file()}
    found |= {path.name: LOCKS for path in root.glob("requirements-*.txt")}
    return dict(sorted(found.items()))


def kind_of(name: str) -> str:
    """Return the kind of a covered file by its name.

    >>> kind_of("torch_port/model.py"), kind_of("signoff/golden.npz"), kind_of("requirements-tf.txt")
    ('code', 'evidence', 'locks')
    """
    folder = name.partition("/")[0]
    kinds = {FOLDER: EVIDENCE, "legacy_tf": LEGACY, **dict.fromkeys(PACKAGES, CODE), **FILES}
    return kinds.get(folder, LOCKS)


def evidence_files(root: Path) -> list[str]:
    """Return what is signed beside the code: golden bundle, converted weights, every file of the report."""
    report = [path.relative_to(root).as_posix() for path in _files(root / REPORT)]
    return [GOLDEN, WEIGHTS, *sorted(report)]


def digests(root: Path, names: Iterator[str] | list[str]) -> dict[str, str]:
    """Return the SHA-256 of files by name."""
    return {name: hash_file(root / name) for name in names}


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not set(NOT_COVERED) & set(path.parts):
            yield path
