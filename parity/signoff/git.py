"""The few questions that a sign-off has for git."""

from __future__ import annotations

import subprocess
from pathlib import Path

from parity.errors import bad_input


def git(root: Path, *words: str) -> str:
    """Return what a git command prints.

    Raises:
        BadInputError: There is no git or no repository, or the command fails.
    """
    try:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, encoding="utf-8", check=False)
    except OSError as error:
        raise bad_input("git", "be installed", str(error), str(root), "install git") from error
    if done.returncode:
        found = done.stderr.strip() or f"exit code {done.returncode}"
        raise bad_input("repository", f"answer git {words[0]}", found, str(root), "see git status")
    return done.stdout


def find_uncommitted(root: Path, *, beside: tuple[str, ...] = ()) -> list[str]:
    """Return the files that are changed or new and not committed, those below the folders `beside` left out."""
    spare = [f":(exclude){folder}" for folder in beside]
    lines = git(root, "status", "--porcelain", "--untracked-files=all", "--", ".", *spare).splitlines()
    return [line[3:] for line in lines]
