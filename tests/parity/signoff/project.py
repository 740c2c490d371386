"""A small project that is signed off: real keys, and the functions that ``nox -s signoff`` calls."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from securesystemslib.signer import CryptoSigner

from parity.golden.bundle import pack
from parity.report import write_report
from parity.signoff.covered import covered_files, digests, evidence_files
from parity.signoff.envelope import Statement, write_envelope
from parity.signoff.keys import make_key, read_key
from parity.signoff.statement import make_approval, make_statement
from tests.parity.report.fixture_report import make_report

AUTHOR, APPROVER = "signoff/author.dsse.json", "signoff/approver.dsse.json"
GOLDEN, WEIGHTS, REPORT = "signoff/golden.npz", "signoff/weights.safetensors", "signoff/report/report.json"
# Every file that a sign-off covers, by what its change is called.
CODE = (
    "torch_port/__init__.py", "torch_port/model.py", "torch_port/tables/names.csv", "parity/__init__.py", "parity/judge.py",
    "parity/gates/blocks/compare.py", "parity/gates/blocks/port.py", "parity/report/templates/page.html",
    "benchmarks/speed.py", "noxfile.py",
)  # fmt: skip
RETIRED_CODE = (
    "legacy_tf/__init__.py", "legacy_tf/models.py", "legacy_tf/demo/cohort.py", "parity/gates/blocks/legacy.py",
    "parity/sides/legacy.py", "parity/sides/legacy_inputs.py", "parity/demo/checkpoint.py", "parity/faults/legacy_worker.py",
)  # fmt: skip
LIMITS = ("gates.toml", "declared.toml", "waivers.toml")
LOCKS = ("requirements-core.txt", "requirements-torch.txt")
RETIRED_LOCKS = ("requirements-tf.txt", "requirements-tf-cuda.txt", "requirements-tf-test.txt")
EVIDENCE = (GOLDEN, REPORT, "signoff/report/report.html", "signoff/report/assets/gradcam-0.png")
KINDS = {
    **dict.fromkeys((*CODE, *RETIRED_CODE), "code"),
    **dict.fromkeys(LIMITS, "limits"),
    **dict.fromkeys((*LOCKS, *RETIRED_LOCKS), "locks"),
}
# What nobody signs.
OUTSIDE = (
    "README.md", "docs/notes.md", "tests/parity/test_judge.py", "tests/data/image.jpg", "pyproject.toml", "CHANGELOG.md",
    "torch_port/__pycache__/model.cpython-311.pyc", "parity/gates/blocks/__pycache__/compare.cpython-311.pyc",
    "runs/quick/report/report.json", ".cache/demo/weights.h5", "signoff/notes.txt",
)  # fmt: skip
NAMES = {"author": "Ada", "approver": "Grace"}


@dataclass(frozen=True)
class Project:
    """A folder, who may sign for it, and where their private keys are.

    Attributes:
        root: Folder of the project.
        keys: Folder of the private keys, outside of it.
    """

    root: Path
    keys: Path

    def signer(self, name: str) -> CryptoSigner:
        return read_key(self.keys / f"{name}.pem")

    def sign(self, name: str = "Ada", **changes: Any) -> None:
        """Sign for everything as it is now."""
        write_envelope(self.root / AUTHOR, self.statement(**changes), self.signer(name))

    def statement(self, **changes: Any) -> Statement:
        """Return what the author says of everything as it is now; `changes` are of the report."""
        files = covered_files(self.root)
        configuration = [name for name, kind in files.items() if kind in ("locks", "legacy")]
        subjects = [*(name for name in files if name not in configuration), *evidence_files(self.root)]
        report = {**make_report(images=6), **changes}
        return make_statement(report, digests(self.root, subjects), digests(self.root, configuration), name="Ada")

    def approve(self, name: str = "Grace") -> None:
        write_envelope(self.root / APPROVER, self.approval(), self.signer(name))

    def approval(self) -> Statement:
        subjects = digests(self.root, [AUTHOR])
        return make_approval("Ada", "PASS (11 of 11 required gates)", subjects, name="Grace", demo=False)

    def path(self, name: str) -> Path:
        return self.root / name

    def change(self, name: str) -> None:
        self.path(name).write_bytes(self.path(name).read_bytes() + b"\n")

    def write(self, name: str, content: bytes = b"x = 1\n") -> Path:
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_bytes(content)
        return self.path(name)

    def list_signers(self, *entries: tuple[str, str, str]) -> Path:
        """Write signers.toml: name, role and whose key."""
        tables = [
            f'[[signer]]\nname = "{name}"\nrole = "{role}"\nkey = "{self.signer(key).public_key.keyval["public"]}"\n'
            for name, role, key in entries
        ]
        return self.write("signers.toml", "\n".join(tables).encode())

    def copy(self, root: Path) -> Project:
        shutil.copytree(self.root, root, symlinks=True)
        return replace(self, root=root)

    def listing(self) -> dict[str, str]:
        """Everything there is: files by name and hash, folders by name."""
        found = {path.relative_to(self.root).as_posix(): path for path in sorted(self.root.rglob("*"))}
        return {name: _hash(path) if path.is_file() else "folder" for name, path in found.items()}


def make_project(folder: Path, *, code: Path | None = None) -> Project:
    """Return a project below `folder` that an author and an approver have signed.

    Args:
        folder: Keys go beside the project.
        code: A real project, whose harness and limits are taken instead of small stand-ins.
    """
    project = Project(folder / "project", folder / "keys")
    for number, name in enumerate((*KINDS, *OUTSIDE)):
        project.write(name, f"# {name}\nVALUE = {number}\n".encode() * (1 + number % 5))
    if code is not None:
        shutil.rmtree(project.path("parity"))
        for package in ("parity", "benchmarks"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(code / package, project.path(package), ignore=ignored, dirs_exist_ok=True)
        for name in LIMITS:
            shutil.copyfile(code / name, project.path(name))
    for name in ("Ada", "Grace", "Mallory"):
        make_key(project.keys / f"{name}.pem")
    project.list_signers(("Ada", "author", "Ada"), ("Grace", "approver", "Grace"))
    write_evidence(project, folder / "evidence")
    project.sign()
    project.approve()
    return project


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_evidence(project: Project, folder: Path) -> None:
    rng = np.random.default_rng(17)
    folder.mkdir()
    np.save(folder / "00000.npy", rng.normal(size=(3, 5)))
    (folder / "spec.json").write_text('{"profile": "guard"}')
    pack(folder, project.path(GOLDEN), {"seed": 17})
    write_report(make_report(images=6), project.path(REPORT))
    project.write("signoff/report/report.html", b"<!doctype html><title>PASS</title>")
    project.write("signoff/report/assets/gradcam-0.png", rng.bytes(300))
    project.write(WEIGHTS, rng.bytes(500))


def names_in(text: str, names: Iterable[str] = (*KINDS, *EVIDENCE, WEIGHTS, AUTHOR, APPROVER, *OUTSIDE)) -> set[str]:
    """Return the files of the project that a text names."""
    return {name for name in names if name in text}
