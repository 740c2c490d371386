from __future__ import annotations

from pathlib import Path

import pytest

from .project import Project, make_project


@pytest.fixture(scope="session")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that is signed off; nobody changes it."""
    return make_project(tmp_path_factory.mktemp("signed"))


@pytest.fixture
def project(signed: Project, tmp_path: Path) -> Project:
    """A copy, to be changed."""
    return signed.copy(tmp_path / "project")
