"""A new sign-off replaces the old one whole, and nothing that nobody has signed; a retirement that fails has not happened."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from parity.errors import BadInputError
from parity.files import write_whole
from parity.signoff.covered import FOLDER
from parity.signoff.evidence import gathered, refuse_evidence, replace_evidence
from parity.signoff.retire import BRANCH, retire
from parity.signoff.verify import Status, verify
from tests.places import FULL_DISKS, contents_of, full_disk

from .project import APPROVER, AUTHOR, GOLDEN, REPORT, WEIGHTS, Project


def test_what_is_signed_may_be_replaced_and_what_is_beside_it_stays(project: Project):
    refuse_evidence(project.root)
    with gathered(project.root) as fresh:
        for name in (GOLDEN, REPORT, WEIGHTS, AUTHOR):
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            (fresh / name).write_text(f"new {name}")
        replace_evidence(project.root, fresh)
    found = contents_of(project.root / FOLDER)
    assert {name: content for name, content in found.items() if content} == {
        **{name.partition("/")[2]: f"new {name}".encode() for name in (GOLDEN, REPORT, WEIGHTS, AUTHOR)},
        "notes.txt": found["notes.txt"],
    }


@pytest.mark.parametrize("name", [GOLDEN, WEIGHTS, REPORT, "signoff/report/mine.txt"])
@pytest.mark.parametrize("has_statement", [True, False])
def test_a_file_that_nobody_has_signed_is_refused(project: Project, name: str, has_statement: bool):
    if not has_statement:
        shutil.rmtree(project.path(FOLDER))
    project.write(name, b"somebody's")
    before = contents_of(project.root)
    with pytest.raises(
        BadInputError, match=rf"`sign-off` must hold signed files alone under its names, got '{name}' in .*; move"
    ):
        refuse_evidence(project.root)
    assert contents_of(project.root) == before


@pytest.mark.parametrize("name", [AUTHOR, APPROVER])
def test_a_statement_that_is_none_is_refused(project: Project, name: str):
    project.write(name, b"somebody's")
    with pytest.raises(BadInputError, match="`sign-off` must be a signed statement"):
        refuse_evidence(project.root)


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("kind", FULL_DISKS)
def test_on_a_full_disk_the_old_sign_off_stays(project: Project, kind: str, is_new: bool):
    folder = project.path(FOLDER)
    if is_new:
        shutil.rmtree(folder)
        folder.mkdir()
    before = contents_of(folder)

    def sign() -> None:
        with gathered(project.root) as fresh:
            write_whole(fresh / GOLDEN, b"x" * 100_000)

    with full_disk(folder, kind, 8192):
        with pytest.raises(BadInputError, match=r"`file` must be one that can be written, got '(No space left|File too large)"):
            sign()
        assert contents_of(folder) == before


def git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout


def test_a_retirement_that_git_refuses_changes_nothing(project: Project):
    assert verify(project.root).status is Status.VALID
    git(project.root, "init", "--quiet", "--initial-branch", "main")
    git(project.root, "config", "user.name", "Team")
    git(project.root, "config", "user.email", "team@example.org")
    git(project.root, "add", "--all", "--force")
    git(project.root, "commit", "--quiet", "--message", "The project")
    hook = project.root / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)
    project.write("docs/mine.txt", b"somebody's, and ignored")
    (project.root / ".git" / "info" / "exclude").write_text("docs/mine.txt\n")
    before = {name: content for name, content in contents_of(project.root).items() if not name.startswith(".git/")}
    with pytest.raises(BadInputError, match="got 'not today' in"):
        retire(project.root, dry_run=False)
    after = {name: content for name, content in contents_of(project.root).items() if not name.startswith(".git/")}
    assert after == before
    assert git(project.root, "branch", "--format", "%(refname:short)").split() == ["main"]
    hook.unlink()
    assert "legacy_tf/models.py" in retire(project.root, dry_run=False)
    assert git(project.root, "branch", "--show-current").strip() == BRANCH
    assert project.path("docs/mine.txt").read_bytes() == b"somebody's, and ignored"
