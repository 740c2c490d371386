"""Copies of the project in which mutants are real edits of files; the project itself is never touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from parity.errors import bad_input
from parity.reuse import hash_files
from parity.workspace import PROJECT
from tests.mutants.generate import Mutant, read_mutants

PACKAGE = "torch_port"
TESTS = "tests/torch_port"
SHARED = (".nox", ".cache")
CODE = (PACKAGE, "parity", "legacy_tf", "gates.toml")  # what the gates' part of a verdict depends on


class Copy:
    """The project's files, as they are now, in another folder.

    Args:
        folder: Where; what is there is replaced.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        for name in list_files():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, target, follow_symlinks=False)
        for name in SHARED:
            if (PROJECT / name).exists():
                (folder / name).symlink_to((PROJECT / name).resolve())

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which a process imports this copy, and writes no byte code: edits may come within one second."""
        return {"PYTHONPATH": str(self.folder), "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}

    @contextmanager
    def planted(self, mutant: Mutant) -> Iterator[None]:
        """Have a mutant in the copy inside the block."""
        path = self.folder / PACKAGE / f"{mutant.module}.py"
        text = path.read_bytes()
        try:
            path.write_bytes(mutant.apply(text.decode()).encode())
            yield
        finally:
            path.write_bytes(text)


def list_files() -> list[str]:
    """Return the files of the project that git knows or would add."""
    words = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    found = subprocess.run(words, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    return sorted(name for name in set(found.split("\0")) if name and (PROJECT / name).is_file())


def hash_code(*names: str) -> str:
    """Return one hash of the project's files below these names."""
    return hash_files(PROJECT / name for name in list_files() if name.startswith(names))


def changed_since(revision: str, mutants: list[Mutant]) -> list[Mutant]:
    """Return the mutants of definitions that are new or other than they were in a revision.

    Raises:
        BadInputError: There is no such revision, or it has no port.
    """
    archive = subprocess.run(("git", "archive", revision, PACKAGE), cwd=PROJECT, check=False, capture_output=True)
    if archive.returncode:
        said = archive.stderr.decode(errors="replace").strip()
        raise bad_input("--since", f"be a revision with {PACKAGE}", said, revision, "see git log")
    with TemporaryDirectory() as folder, tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
        known = {(mutant.module, mutant.place.name, mutant.place.sha256) for mutant in read_mutants(Path(folder, PACKAGE))}
    return [mutant for mutant in mutants if (mutant.module, mutant.place.name, mutant.place.sha256) not in known]


def variables(copy: Copy, **more: str) -> Mapping[str, str]:
    """Return the environment of a process that runs in a copy, in one thread."""
    return {**os.environ, **copy.environment, "OMP_NUM_THREADS": "1", **more}
