"""The guard takes the bundle that was signed, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from parity.errors import BadInputError
from parity.golden.bundle import pack
from parity.golden.guard import GuardOptions, guard
from tests.parity.signoff.project import GOLDEN, Project


def refusal(project: Project, folder: Path) -> str:
    options = GuardOptions(bundle=project.path(GOLDEN), out=folder / "guard")
    with pytest.raises(BadInputError) as caught:
        guard(options, lambda message: None)
    return str(caught.value)


def test_another_bundle_than_the_signed_one_is_not_opened(project: Project, tmp_path: Path):
    assert "is no part of such a bundle" in refusal(project, tmp_path), "the signed one is opened, and is none of a run"
    pack(project.keys, project.path(GOLDEN), {})
    assert "be the one that was signed, of SHA-256" in refusal(project, tmp_path)
