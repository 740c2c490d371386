"""The files beside a statement: all are replaced when the new ones are whole, and none that nobody has signed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from parity.artefact import hash_file
from parity.errors import bad_input
from parity.files import made_folder, refuse_place, remove, writing
from parity.signoff import covered
from parity.signoff.envelope import read_digests, read_envelope
from parity.signoff.statement import APPROVAL, TEST_RESULT

GATHERED = "gathered.partial"
# In the order in which they are replaced: the statement last.
PARTS = (covered.APPROVER_FILE, covered.GOLDEN, covered.REPORT, covered.WEIGHTS, covered.AUTHOR_FILE)


def refuse_evidence(root: Path) -> None:
    """Refuse a folder of the sign-off with files that the next sign-off would replace and that nobody has signed.

    Raises:
        BadInputError: There are such files, or the folder cannot be written.
    """
    refuse_place(root / covered.FOLDER, "sign-off")
    signed: dict[str, str] = {}
    if (root / covered.AUTHOR_FILE).exists():
        signed = read_digests(read_envelope(root / covered.AUTHOR_FILE, TEST_RESULT)[1])
    if (root / covered.APPROVER_FILE).exists():
        read_envelope(root / covered.APPROVER_FILE, APPROVAL)
    present = [name for name in covered.evidence_files(root) if (root / name).is_file()]
    others = [name for name in present if signed.get(name) != hash_file(root / name)]
    if others:
        remedy = "move them: the next sign-off would replace them"
        raise bad_input("sign-off", "hold signed files alone under its names", ", ".join(others[:5]), str(root), remedy)


@contextmanager
def gathered(root: Path) -> Iterator[Path]:
    """Yield a folder for new evidence, laid out as the project; it is removed after the block."""
    fresh = root / covered.FOLDER / GATHERED
    with made_folder(root / covered.FOLDER):
        try:
            with writing(fresh):
                remove(fresh)
                (fresh / covered.FOLDER).mkdir(parents=True)
            yield fresh
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def replace_evidence(root: Path, fresh: Path) -> None:
    """Put new evidence in the place of the old, whose approval goes with it."""
    for name in PARTS:
        remove(root / name)
        if (fresh / name).exists():
            (fresh / name).replace(root / name)
