"""A recording is used again only when everything it came from is the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from parity import reuse
from parity.artefact import RecordingWriter
from parity.contract import PROFILES, RunSpec
from parity.reuse import is_current, recording_key
from parity.workspace import Workspace

FILES = (
    "parity/contract.py",
    "parity/sides/port.py",
    "parity/gates/blocks/port.py",
    "parity/gates/blocks/legacy.py",
    "torch_port/model.py",
    "legacy_tf/models.py",
    "requirements-torch.txt",
    "requirements-tf.txt",
)
SPEC = RunSpec(
    data="/d", data_sha256="1", checkpoint="/c", checkpoint_sha256="2", resolution="20x", split="published", split_sha256="",
    splits=("val",), image_scale=0.08, images=None, profile=next(iter(PROFILES)), arch="resnet50v2", device="cpu",
    gates=("blocks",),
)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small tree with the files that a key reads."""
    for name in (*FILES, *(f"parity/{module}.py" for module in reuse._SHARED_CODE)):
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("one")
    monkeypatch.setattr(reuse, "PROJECT", tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def key(project: Path, tmp_path: Path) -> Callable[..., str]:
    def make(side: str = "port", **options: object) -> str:
        workspace = Workspace(tmp_path / "run")
        workspace.fixtures.mkdir(parents=True, exist_ok=True)
        reuse.hash_code.cache_clear()  # as another process would
        RunSpec.from_dict({**SPEC.to_dict(), **options}).write_json(workspace.spec_path)
        return recording_key(side, "blocks", workspace, depends={"inputs": "a"})

    return make


def test_nothing_changed_nothing_is_recorded_again(key):
    assert key() == key()
    assert key(gates=["config"]) == key(), "which gates were asked for does not matter"


@pytest.mark.parametrize(
    ("file", "port", "legacy"),
    [
        ("torch_port/model.py", True, False),
        ("legacy_tf/models.py", False, True),
        ("parity/contract.py", True, True),
        ("parity/sides/port.py", True, False),
        ("parity/gates/blocks/port.py", True, False),
        ("parity/gates/blocks/legacy.py", False, True),
        ("requirements-torch.txt", True, False),
        ("requirements-tf.txt", False, True),
    ],
)
def test_an_edited_file_makes_its_side_stale(project: Path, key, file: str, port: bool, legacy: bool):
    before = key("port"), key("legacy")
    (project / file).write_text("two")
    assert (key("port") != before[0], key("legacy") != before[1]) == (port, legacy)


def test_a_new_module_of_the_port_makes_it_stale(project: Path, key):
    before = key()
    (project / "torch_port" / "extra.py").write_text("")
    assert key() != before


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("data_sha256", "9"),
        ("checkpoint_sha256", "9"),
        ("image_scale", 0.1),
        ("images", 3),
        ("device", "cuda"),
        ("split_sha256", "9"),
    ],
)
def test_another_input_or_option_makes_it_stale(key, option: str, value: object):
    assert key(**{option: value}) != key()


@pytest.mark.parametrize("name", ["FLAGS", "INSTALLED"])
def test_another_flag_or_installed_version_makes_it_stale(key, monkeypatch: pytest.MonkeyPatch, name: str):
    before = key()
    monkeypatch.setattr(reuse, name, {"name": "another"})
    assert key() != before


def test_flags_are_those_of_the_start(key, monkeypatch: pytest.MonkeyPatch):
    """tensorflow sets variables of its own while it is imported, in the middle of a recording."""
    before = key()
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    assert key() == before


def test_another_fixture_makes_it_stale(key, tmp_path: Path):
    before = key()
    (tmp_path / "run" / "fixtures" / "a.jpg").write_bytes(b"x")
    assert key() != before


def test_code_edited_during_a_run_is_not_credited(project: Path, key):
    before = reuse.hash_code("port", "blocks")
    (project / "torch_port" / "model.py").write_text("two")
    assert reuse.hash_code("port", "blocks") == before


def test_a_gate_that_raised_is_tried_again(tmp_path: Path):
    folder = tmp_path / "port" / "blocks"
    with RecordingWriter(folder, key="k") as out:
        out.write_value("error", "RuntimeError: out of memory")
    assert not is_current(folder, "k")


def test_only_a_whole_recording_with_the_same_key_is_current(tmp_path: Path):
    folder = tmp_path / "port" / "blocks"
    assert not is_current(folder, "k")
    with RecordingWriter(folder, key="k") as out:
        out.write_array("a", np.zeros(3), "C")
    assert is_current(folder, "k")
    assert not is_current(folder, "other")
    (folder / "00000.npy").unlink()
    assert not is_current(folder, "k")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["key"] == "k"


def test_the_lock_is_that_of_what_is_installed(key, project: Path, monkeypatch: pytest.MonkeyPatch):
    """On a machine with a GPU the legacy's environment comes from another lock."""
    cuda, usual = project / "requirements-tf-cuda.txt", project / "requirements-tf.txt"
    cuda.write_text("one")
    monkeypatch.setattr(reuse, "INSTALLED", {"tensorflow": "2.15.1"})
    assert reuse.find_lock("legacy") == usual.name
    before = key("legacy")
    cuda.write_text("two")
    assert key("legacy") == before
    monkeypatch.setattr(reuse, "INSTALLED", {"tensorflow": "2.15.1", "nvidia-cudnn-cu12": "8.9.4.25"})
    assert reuse.find_lock("legacy") == cuda.name
    assert reuse.find_lock("port") == "requirements-torch.txt"
    before = key("legacy")
    usual.write_text("two")
    assert key("legacy") == before
    cuda.write_text("three")
    assert key("legacy") != before
