"""Removing the legacy: one commit on a new branch, which leaves the bundle, the statements and the guard."""

from __future__ import annotations

from pathlib import Path

from parity.errors import bad_input
from parity.signoff.covered import AUTHOR_FILE
from parity.signoff.git import find_uncommitted, git
from parity.signoff.retired import is_legacy
from parity.signoff.verify import require_valid

BRANCH = "retire-legacy"
MESSAGE = """Retire the legacy: the port is signed off

{headline}
Author {author}, approver {approver}. What the legacy did is kept in signoff/golden.npz; nox -s guard holds the port against it.
"""


def retire(root: Path, *, dry_run: bool, signers: Path | None = None, signers_sha256: str | None = None) -> list[str]:
    """Remove what goes with the legacy; return its files.

    Args:
        root: Folder of the project.
        dry_run: Only list them.
        signers: Who may sign.
        signers_sha256: What that file's SHA-256 must be, known from elsewhere.

    Raises:
        BadInputError: The sign-off is not valid, something is not committed, or the branch is there; nothing has changed.
    """
    found = require_valid(root, signers=signers, signers_sha256=signers_sha256)
    files = [name for name in git(root, "ls-files", "-z").split("\0") if is_legacy(name)]
    if not files:
        raise bad_input("legacy", "be there", "nothing to retire", str(root), "it is gone already")
    if dry_run:
        return files
    uncommitted = find_uncommitted(root)
    if uncommitted:
        remedy = "commit the sign-off, and what else is changed"
        raise bad_input("repository", "have nothing uncommitted", ", ".join(uncommitted[:5]), str(root), remedy)
    if not git(root, "ls-files", AUTHOR_FILE):
        raise bad_input("sign-off", "be committed", f"{AUTHOR_FILE} is ignored", str(root), "commit the folder signoff")
    message = MESSAGE.format(headline=found.said["headline"], author=found.author, approver=found.approver)
    git(root, "switch", "--quiet", "--create", BRANCH)
    try:
        git(root, "rm", "--quiet", "--", *files)
        git(root, "commit", "--quiet", "--message", message)
    except BaseException:
        # Nothing was uncommitted: what git removed comes back as it was.
        git(root, "reset", "--quiet", "--hard")
        git(root, "switch", "--quiet", "-")
        git(root, "branch", "--quiet", "--delete", "--force", BRANCH)
        raise
    return files
