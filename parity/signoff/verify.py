"""Is the sign-off still that of this code? VALID, STALE (what changed), TAMPERED (which file)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from parity.artefact import hash_file
from parity.dataset import read_dataset
from parity.errors import bad_input
from parity.signoff.covered import (
    APPROVER_FILE,
    AUTHOR_FILE,
    CODE,
    EVIDENCE,
    GOLDEN,
    LEGACY,
    REPORT,
    WEIGHTS,
    covered_files,
    digests,
    kind_of,
)
from parity.signoff.envelope import Statement, Unsigned, find_signer, read_digests, read_envelope
from parity.signoff.keys import APPROVER, AUTHOR, SIGNERS_FILE, Trusted, keys_of, read_signers
from parity.signoff.retired import is_legacy, legacy_is_gone
from parity.signoff.statement import APPROVAL, TEST_RESULT


class Status(str, Enum):
    """What a verification says, and its exit code."""

    VALID = "VALID"
    TAMPERED = "TAMPERED"
    STALE = "STALE"
    UNAPPROVED = "UNAPPROVED"

    @property
    def exit_code(self) -> int:
        return {"VALID": 0, "TAMPERED": 1, "STALE": 3, "UNAPPROVED": 4}[self.value]


@dataclass(kw_only=True)
class Verification:
    """What was found.

    Attributes:
        tampered: Sentences, each naming a file that is not what was signed and may never change.
        stale: Sentences of what changed since, by kind: code (the legacy's too), limits, locks, weights, data.
        author, approver: Names of the signers; none where nobody has signed.
        author_key: Id of the author's key.
        statement: The author's.
        notes: What was not looked at, and why.
    """

    tampered: list[str] = field(default_factory=list)
    stale: dict[str, list[str]] = field(default_factory=dict)
    author: str = ""
    author_key: str = ""
    approver: str = ""
    statement: Statement = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def status(self) -> Status:
        if self.tampered:
            return Status.TAMPERED
        if self.stale:
            return Status.STALE
        return Status.VALID if self.approver else Status.UNAPPROVED

    @property
    def said(self) -> Mapping[str, Any]:
        """What the author's statement says under ``parity``."""
        said: Mapping[str, Any] = self.statement.get("predicate", {}).get("parity", {})
        return said

    def add_stale(self, kind: str, sentence: str) -> None:
        self.stale.setdefault(CODE if kind == LEGACY else kind, []).append(sentence)

    def render(self) -> str:
        """Return the result for the terminal."""
        lines = [f"{self.status.value}: {self.said.get('headline', 'no statement that can be trusted')}"]
        lines += self.tampered
        lines += [f"{kind} changed: {_shorten(sentences)}" for kind, sentences in self.stale.items()]
        if self.author:
            lines.append(f"author: {self.author}, {self.said['signed']}; approver: {self.approver or 'nobody yet'}")
        if self.said.get("demo"):
            lines.append("DEMO: of synthetic tissue. It shows how a sign-off goes and says nothing about real data.")
        return "\n".join([*lines, *self.notes])


def verify(
    root: Path, *, signers: Path | None = None, signers_sha256: str | None = None, data: Path | None = None
) -> Verification:
    """Hold a project against its sign-off.

    Args:
        root: Folder of the project.
        signers: Who may sign; default ``signers.toml`` of the project.
        signers_sha256: What that file's SHA-256 must be, known from elsewhere.
        data: The users' images, to see whether they have changed.

    Raises:
        BadInputError: There is no sign-off, or a file of it cannot be read.
    """
    found, path = Verification(), signers or root / SIGNERS_FILE
    trusted = read_signers(path)
    if signers_sha256 is not None and hash_file(path) != signers_sha256:
        found.tampered.append(f"{path.name} is not the file of SHA-256 {signers_sha256}")
    envelope, statement = read_envelope(root / AUTHOR_FILE, TEST_RESULT)
    try:
        author = find_signer(envelope, keys_of(trusted, AUTHOR))
    except Unsigned:
        found.tampered.append(f"{AUTHOR_FILE} is not signed by an author in {path.name}")
        return found
    found.author, found.author_key, found.statement = author.name, author.key.keyid, statement
    try:
        _check_files(found, root)
    except OSError as error:
        what = f"{error.strerror}: {error.filename}"
        raise bad_input("project", "hold files that can be read", what, str(root), "mend or remove it") from error
    _check_data(found, data)
    if (root / APPROVER_FILE).exists():
        _check_approval(found, root, trusted, path)
    return found


def _check_approval(found: Verification, root: Path, trusted: tuple[Trusted, ...], signers: Path) -> None:
    envelope, statement = read_envelope(root / APPROVER_FILE, APPROVAL)
    try:
        approver = find_signer(envelope, keys_of(trusted, APPROVER))
    except Unsigned:
        found.tampered.append(f"{APPROVER_FILE} is not signed by an approver in {signers.name}")
        return
    if approver.key.keyid == found.author_key or approver.name == found.author:
        found.tampered.append(f"{APPROVER_FILE} is signed by the author, {found.author}")
    elif read_digests(statement) != digests(root, [AUTHOR_FILE]):
        found.tampered.append(f"{AUTHOR_FILE} is not the statement that {approver.name} approved")
    else:
        found.approver = approver.name


def _check_files(found: Verification, root: Path) -> None:
    signed = read_digests(found.statement)
    missing = {GOLDEN, WEIGHTS, f"{REPORT}/report.json"} - set(signed)
    found.tampered += [f"{AUTHOR_FILE} does not cover {name}" for name in sorted(missing)]
    present = covered_files(root)
    gone = legacy_is_gone(root)
    for name, digest in signed.items():
        kind = "weights" if name == WEIGHTS else kind_of(name)
        if not (root / name).is_file():
            if name == WEIGHTS:
                found.notes.append(f"{WEIGHTS} is not here: it was not looked at")
            elif kind == EVIDENCE:
                found.tampered.append(f"{name} is missing")
            elif not (gone and is_legacy(name)):
                found.add_stale(kind, f"{name} is missing")
        elif hash_file(root / name) != digest:
            if kind == EVIDENCE:
                found.tampered.append(f"{name} is not the file that was signed")
            else:
                found.add_stale(kind, name)
    for name in sorted(set(present) - set(signed)):
        shown = name if name.isprintable() else ascii(name)  # it may be called anything
        found.add_stale(present[name], f"{shown} is new")
    if gone:
        found.notes.append("legacy_tf is retired")


def _check_data(found: Verification, data: Path | None) -> None:
    if data is None:
        found.notes.append("data: not looked at (--data DIR)")
        return
    rows = [row for row in found.statement["predicate"].get("configuration", []) if row.get("uri") == "urn:parity:data"]
    try:
        resolution, digest = rows[0]["annotations"]["resolution"], rows[0]["digest"]["sha256"]
    except (IndexError, KeyError, TypeError) as error:
        raise bad_input("sign-off", "say which data it is of", f"no {error}", AUTHOR_FILE, "leave --data out") from error
    if read_dataset(data, resolution).sha256 != digest:
        found.add_stale("data", str(data))


def _shorten(names: list[str], shown: int = 8) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def require_valid(root: Path, **words: Any) -> Verification:
    """Return a verification that says VALID.

    Raises:
        BadInputError: It says something else.
    """
    found = verify(root, **words)
    if found.status is not Status.VALID:
        must, remedy = "be valid and signed with two keys", "see nox -s signoff -- verify"
        raise bad_input("sign-off", must, found.render().replace("\n", "; "), str(root / AUTHOR_FILE), remedy)
    return found
