from __future__ import annotations

import re
from pathlib import Path

import pytest

from parity.locks import group_digest, is_stale, read_project, stamp_lock
from parity.signoff.retired import legacy_is_gone
from parity.workspace import PROJECT

LOCKS = sorted(PROJECT.glob("requirements-*.txt"))
PIN = re.compile(r"^(?P<name>[\w.-]+)(\[[\w,-]+\])?==(?P<version>[^\s;\\]+)", re.MULTILINE)


def pins(path: Path) -> dict[str, str]:
    return {found["name"].lower(): found["version"] for found in PIN.finditer(path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_no_lock_is_stale(path: Path):
    assert not is_stale(path), "pyproject.toml has changed since: run nox -s lock"


def test_a_changed_group_makes_its_lock_stale(tmp_path: Path):
    project = read_project()
    digest = group_digest("tf", project)
    project["dependency-groups"]["tf"].append("extra")
    assert group_digest("tf", project) != digest
    assert group_digest("tf-cuda", project) != group_digest("tf-cuda", read_project()), "a group includes its groups"
    path = tmp_path / "lock.txt"
    path.write_text("numpy==1.26.4\n")
    assert is_stale(path)
    stamp_lock(path, "tf")
    assert not is_stale(path)
    path.write_text(path.read_text().replace(digest, "0" * 64))
    assert is_stale(path)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_pin_has_a_hash_and_no_registry_is_named(path: Path):
    content = path.read_text(encoding="utf-8")
    found = pins(path)
    assert len(found) > 3
    blocks = re.split(r"\n(?=\S)", "\n".join(line for line in content.splitlines() if not line.lstrip().startswith("#")))
    assert all("--hash=sha256:" in block for block in blocks if "==" in block)
    assert "://" not in content


@pytest.mark.parametrize("path", sorted(PROJECT.glob("requirements-t*.txt")), ids=lambda path: path.name)
def test_each_side_has_one_opencv_and_it_is_headless(path: Path):
    opencv = [package for package in pins(path) if package.startswith("opencv")]
    assert opencv == ["opencv-python-headless"]
    assert pins(path)["opencv-python-headless"].startswith("4.")
    assert pins(path)["albumentations"] == "1.3.1"


@pytest.mark.skipif(legacy_is_gone(PROJECT), reason="legacy_tf is retired")
def test_the_legacy_frameworks_are_the_named_ones():
    tensorflow = pins(PROJECT / "requirements-tf.txt")
    assert (tensorflow["tensorflow"], tensorflow["tensorflow-addons"]) == ("2.15.1", "0.23.0")
    assert tensorflow["numpy"].startswith("1.26.")


def test_the_frameworks_of_the_port_are_the_named_ones():
    torch = pins(PROJECT / "requirements-torch.txt")
    assert (torch["torch"], torch["torchvision"]) == ("2.13.0", "0.28.0")
    assert torch["numpy"].startswith("2.")
