"""The frozen modules are held against their hashes, one by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from parity.gates.freeze import compare as freeze
from parity.signoff.retired import legacy_is_gone
from parity.tolerance import read_gates_file
from parity.verdict import Verdict
from parity.workspace import PROJECT, Workspace

FROZEN = ("generator", "gradcam", "models", "traintest", "utils")
pytestmark = pytest.mark.skipif(legacy_is_gone(PROJECT), reason="legacy_tf is retired")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the frozen modules in a project of their own."""
    (tmp_path / "legacy_tf").mkdir()
    for name in FROZEN:
        (tmp_path / "legacy_tf" / f"{name}.py").write_bytes((PROJECT / "legacy_tf" / f"{name}.py").read_bytes())
    monkeypatch.setattr(freeze, "PROJECT", tmp_path)
    return tmp_path


def found(project: Path):
    return freeze.compare(Workspace(project / "run"), read_gates_file(PROJECT / "gates.toml"))


def test_what_is_frozen_passes(project: Path):
    result = found(project)
    assert result.verdict is Verdict.PASS
    assert result.checks[0].n == len(FROZEN)


@pytest.mark.parametrize("name", FROZEN)
def test_one_changed_byte_fails_and_is_named(project: Path, name: str):
    path = project / "legacy_tf" / f"{name}.py"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    result = found(project)
    assert result.verdict is Verdict.FAIL
    assert result.checks[0].worst == f"legacy_tf/{name}.py"


def test_a_module_that_is_gone_fails(project: Path):
    (project / "legacy_tf" / "models.py").unlink()
    assert found(project).checks[0].worst == "legacy_tf/models.py"
