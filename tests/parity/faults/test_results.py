"""What is found once is not found again, unless what it depends on has changed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from parity.faults.results import Results


class Maker:
    """Counts how often it is asked for its result."""

    def __init__(self, **result: Any) -> None:
        self.result = result
        self.asked = 0

    def __call__(self) -> dict[str, Any]:
        self.asked += 1
        return {**self.result, "asked": self.asked}


def fail() -> dict[str, Any]:
    raise ZeroDivisionError


def test_a_result_is_made_once(tmp_path: Path):
    make = Maker(verdict="FAIL", place="here")
    found = [Results(tmp_path, "key").find("loss/a", make) for _ in range(3)]
    assert found == [{"verdict": "FAIL", "place": "here", "asked": 1}] * 3
    assert make.asked == 1


def test_there_is_nothing_before_it_is_made(tmp_path: Path):
    results = Results(tmp_path / "not yet", "key")
    assert results.read("loss/a") is None
    results.find("loss/a", Maker(verdict="PASS"))
    assert results.read("loss/a") == {"verdict": "PASS", "asked": 1}


def test_a_result_with_another_key_is_made_again_and_replaced(tmp_path: Path):
    make = Maker(verdict="FAIL")
    Results(tmp_path, "old").find("loss/a", make)
    assert Results(tmp_path, "new").read("loss/a") is None
    assert Results(tmp_path, "new").find("loss/a", make)["asked"] == 2
    assert Results(tmp_path, "new").find("loss/a", make)["asked"] == 2
    assert Results(tmp_path, "old").read("loss/a") is None


def test_what_could_not_be_found_out_is_not_kept(tmp_path: Path):
    make = Maker(verdict="NOT_RUN")
    assert [Results(tmp_path, "key").find("loss/a", make)["asked"] for _ in range(2)] == [1, 2]
    assert Results(tmp_path, "key").read("loss/a") is None
    assert list(tmp_path.rglob("*.json")) == []


def test_what_has_no_verdict_is_kept(tmp_path: Path):
    make = Maker(gate="loss", smallest=None)
    assert [Results(tmp_path, "key").find("power/loss", make)["asked"] for _ in range(2)] == [1, 1]


@pytest.mark.parametrize("make", [Maker(verdict="NOT_RUN"), fail], ids=["not run", "raised"])
def test_a_result_that_could_not_be_made_again_leaves_the_old_one(tmp_path: Path, make: Callable[[], dict[str, Any]]):
    Results(tmp_path, "old").find("loss/a", Maker(verdict="FAIL"))
    with suppress(ZeroDivisionError):
        Results(tmp_path, "new").find("loss/a", make)
    assert Results(tmp_path, "old").read("loss/a") == {"verdict": "FAIL", "asked": 1}
    assert Results(tmp_path, "new").read("loss/a") is None


def test_a_half_written_file_is_no_result(tmp_path: Path):
    (tmp_path / "loss").mkdir()
    (tmp_path / "loss" / "a.json.partial").write_text('{"key": "key", "result": {"verdict": "PA', encoding="utf-8")
    results = Results(tmp_path, "key")
    assert results.read("loss/a") is None
    assert results.find("loss/a", Maker(verdict="FAIL"))["verdict"] == "FAIL"
    assert results.read("loss/a") == {"verdict": "FAIL", "asked": 1}
    assert [path.name for path in (tmp_path / "loss").iterdir()] == ["a.json"]


def test_names_with_dots_and_in_other_folders_are_kept_apart(tmp_path: Path):
    names = ("bn_state/momentum_0.1", "bn_state/momentum_0.2", "bn_state/momentum_0", "loss/momentum_0.1")
    results = Results(tmp_path, "key")
    for name in names:
        results.find(name, Maker(verdict="FAIL", name=name))
    assert [(results.read(name) or {}).get("name") for name in names] == list(names)
