"""Which files a sign-off covers, and what they are: a change of any of them is found, a change of any other does not count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib.machinery import all_suffixes
from importlib.util import MAGIC_NUMBER
from pathlib import Path

from parity.artefact import hash_file
from parity.errors import bad_input

FOLDER = "signoff"
GOLDEN, WEIGHTS, REPORT = f"{FOLDER}/golden.npz", f"{FOLDER}/weights.safetensors", f"{FOLDER}/report"
AUTHOR_FILE, APPROVER_FILE = f"{FOLDER}/author.dsse.json", f"{FOLDER}/approver.dsse.json"

CODE, LIMITS, LOCKS, LEGACY, EVIDENCE = "code", "limits", "locks", "legacy", "evidence"
PACKAGES = ("torch_port", "parity", "benchmarks")
FILES: Mapping[str, str] = {"noxfile.py": CODE, "gates.toml": LIMITS, "declared.toml": LIMITS, "waivers.toml": LIMITS}
NOT_COVERED = ("__pycache__",)  # what Python makes of code, and may make again


def covered_files(root: Path) -> dict[str, str]:
    """Return every file of the project that a sign-off covers, relative to `root`, and its kind.

    The files below `FOLDER` are evidence: they are listed by the statement, not by what is there.
    """
    found = {path.relative_to(root).as_posix(): CODE for package in PACKAGES for path in _files(root / package)}
    found |= {path.relative_to(root).as_posix(): CODE for path in _modules_beside(root)}
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
    return kinds.get(folder, LOCKS if name.startswith("requirements-") else CODE)


def evidence_files(root: Path) -> list[str]:
    """Return what is signed beside the code: golden bundle, converted weights, every file of the report."""
    report = [path.relative_to(root).as_posix() for path in _files(root / REPORT)]
    return [GOLDEN, WEIGHTS, *sorted(report)]


def digests(root: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of files by name.

    Raises:
        BadInputError: One is no file, or cannot be read.
    """
    try:
        return {name: hash_file(root / name) for name in names}
    except OSError as error:
        found = f"{error.strerror}: {error.filename}"
        raise bad_input("project", "hold files that can be read", found, str(root), "mend or remove it") from error


def _modules_beside(root: Path) -> Iterator[Path]:
    """Yield what Python, started in `root`, would import in the place of an installed package of that name."""
    suffixes = tuple(all_suffixes())
    for path in root.iterdir():
        if path.is_file() and path.name.endswith(suffixes):
            yield path
        elif path.name not in (*PACKAGES, "legacy_tf") and any((path / f"__init__{suffix}").exists() for suffix in suffixes):
            yield from _files(path)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder. A link to a folder counts as one: Python imports from it, and nothing looks behind it."""
    for path in sorted(folder.rglob("*")):
        made_by_python = set(NOT_COVERED) & set(path.relative_to(folder).parts)
        if (path.is_file() or path.is_symlink()) and (not made_by_python or _runs_unchecked(path)):
            yield path


def _runs_unchecked(path: Path) -> bool:
    """Return whether Python runs a compiled file without asking whether it is that of its source (PEP 552)."""
    if path.suffix != ".pyc":
        return False
    with path.open("rb") as file:
        magic, flags = file.read(4), int.from_bytes(file.read(4), "little")
    return magic == MAGIC_NUMBER and flags & 0b11 == 0b01
