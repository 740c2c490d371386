"""From a verdict to a project without TensorFlow, as the README tells it: sign, approve, verify, retire, guard."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from parity.demo.cache import DEMO, GUARD, cache_folder
from parity.workspace import PROJECT

pytestmark = pytest.mark.slow
VERIFY_LIMIT_S = 10
MOST_BYTES = 40_000_000


class Clone:
    """A clone of the project, with what is not committed yet, and the synthetic cohorts that are made already."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in git(PROJECT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
            if name and (PROJECT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(PROJECT / name, folder / name)
        for which in (DEMO, GUARD):
            if cache_folder(which).is_dir():
                made = cache_folder(which)
                shutil.copytree(made, folder / made.relative_to(PROJECT))
        git(folder, "init", "--quiet", "--initial-branch", "main")
        git(folder, "config", "user.name", "Team")
        git(folder, "config", "user.email", "team@example.org")
        self.commit("The project")

    def commit(self, message: str) -> None:
        git(self.folder, "add", "--all")
        git(self.folder, "commit", "--quiet", "--message", message)

    def parity(self, *words: object, code: int = 0) -> str:
        start = time.monotonic()
        command = [sys.executable, "-m", "parity", *map(str, words)]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        said = done.stdout if code != 2 else done.stderr
        print(f"$ parity {' '.join(map(str, words))}  # {time.monotonic() - start:.0f} s, exit code {done.returncode}\n{said}")
        assert done.returncode == code, done.stdout + done.stderr
        return said


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout


def test_the_demo_is_signed_off_retired_and_guarded(tmp_path: Path):
    clone = Clone(tmp_path / "project")
    run, signoff = clone.folder / "runs" / "full", clone.folder / "signoff"
    keys = {role: tmp_path / f"{role}.pem" for role in ("author", "approver")}
    with (clone.folder / "signers.toml").open("a", encoding="utf-8") as signers:
        for role, key in keys.items():
            signers.write(clone.parity("signoff", "keygen", "--key", key, "--name", f"the {role}", "--role", role))
    clone.parity("run", "--profile", "full", "--out", run)

    author = ("signoff", "sign", run, "--name", "the author", "--role", "author", "--key", keys["author"])
    approver = ("signoff", "sign", run, "--name", "the approver", "--role", "approver", "--key", keys["approver"])
    assert "1 files are not committed: signers.toml" in clone.parity(*author, "--demo", code=2)
    clone.commit("Who may sign")
    assert "sign that it is one with --demo" in clone.parity(*author, code=2)
    assert not signoff.exists(), "what is refused leaves nothing behind"
    assert "UNAPPROVED" in clone.parity(*author, "--demo")
    assert (signoff / "golden.npz").stat().st_size <= MOST_BYTES
    clone.parity("retire", code=2)
    assert "VALID: PASS (20 of 20 required gates" in clone.parity(*approver, "--demo")
    start = time.monotonic()
    said = clone.parity("signoff", "verify")
    assert time.monotonic() - start <= VERIFY_LIMIT_S
    assert said.startswith("VALID: ")
    assert "DEMO" in said

    assert "legacy_tf/models.py" in clone.parity("retire", "--dry-run")
    assert (clone.folder / "legacy_tf" / "models.py").is_file()
    clone.commit("The sign-off")
    clone.parity("retire")
    assert git(clone.folder, "branch", "--show-current").strip() == "retire-legacy"
    assert len(git(clone.folder, "log", "--oneline", "main..").splitlines()) == 1
    assert not list((clone.folder / "legacy_tf").glob("*.py"))
    assert not list((clone.folder / "parity").rglob("legacy.py"))
    assert not git(clone.folder, "status", "--porcelain")
    said = clone.parity("signoff", "verify")
    assert said.startswith("VALID: ")
    assert "legacy_tf is retired" in said
    assert "it is retired" in clone.parity("run", code=2)

    assert "PASS (19 of 19 required gates" in clone.parity("guard")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/parity", "tests/guard", "-m", "not slow", "-p", "no:cacheprovider"],
        cwd=clone.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    print(done.stdout.splitlines()[-1])
    assert done.returncode == 0, done.stdout[-3000:]

    model = clone.folder / "torch_port" / "model.py"
    code = model.read_text(encoding="utf-8")
    model.write_text(code.replace("BATCH_NORM_EPSILON = 1.001e-5", "BATCH_NORM_EPSILON = 1e-5"), encoding="utf-8")
    assert "first failing gate: blocks" in " ".join(clone.parity("guard", code=1).split())
    assert "code changed: torch_port/model.py" in clone.parity("signoff", "verify", code=3)
    model.write_text(code, encoding="utf-8")
    assert clone.parity("signoff", "verify").startswith("VALID: ")
