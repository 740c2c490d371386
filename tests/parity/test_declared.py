from __future__ import annotations

from pathlib import Path

import pytest

from parity.declared import read_declared
from parity.errors import BadInputError
from parity.workspace import PROJECT


def test_the_declared_differences_of_the_project_are_whole():
    rows = read_declared(PROJECT / "declared.toml")
    assert "epoch_order" in [row["name"] for row in rows]
    assert all(len(row["reason"]) > 20 and row["owner"] for row in rows)


@pytest.mark.parametrize("content", ["nonsense", "[a]\nreason = 'r'\n", "a = 1\n"])
def test_an_entry_without_reason_or_owner_is_bad_input(tmp_path: Path, content: str):
    path = tmp_path / "declared.toml"
    path.write_text(content)
    with pytest.raises(BadInputError, match="list differences"):
        read_declared(path)
    with pytest.raises(BadInputError, match="list differences"):
        read_declared(tmp_path / "nowhere.toml")
