"""The scorecard that is committed, and the README, whose numbers are taken from it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from parity.faults.kept import KEPT, SCHEMA, describe_age, make_kept, read_kept
from parity.faults.scorecard import hash_code, make_scorecard
from parity.workspace import PROJECT

from .test_scorecard import perfect, update


def keep(folder: Path, **changes: Any) -> Path:
    path = folder / "kept.json"
    path.write_text(json.dumps({**make_kept(make_scorecard(**perfect())), **changes}), encoding="utf-8")
    return path


def test_counts_and_the_smallest_faults_are_kept():
    found = perfect()
    update("clean_02", verdict="FAIL", as_expected=False)(found)
    update("hazard_0", verdict="FAIL", first_failing_gate="loss")(found)
    kept = make_kept(make_scorecard(**found))
    assert kept["score"] == {"detected": 41, "localised": 41, "of": 41}
    assert kept["clean"] == {"passed": 1, "of": 2}
    assert (kept["controls"], kept["hazards"], kept["unexpected"]) == (1, 2, ["hazard_0"])
    assert kept["caught"] == {"weights": 0, "loss": 41}
    assert kept["smallest"] == {"loss": 2.0**-33, "weights": 2.0**-33}
    assert len(kept["shortcomings"]) == 2


def test_what_was_kept_of_other_code_is_old_and_says_so(tmp_path: Path):
    current, old = read_kept(keep(tmp_path, code=hash_code())), read_kept(keep(tmp_path, code="of yesterday"))
    assert current is not None
    assert old is not None
    assert (current["old"], old["old"]) == (False, True)
    assert describe_age(current) == describe_age(None) == []
    (line,) = describe_age(old)
    assert line.endswith("is old: of code of yesterday. nox -s faults -- --keep parity/faults/scorecard.json")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": "parity-faults/1", "code": "a"}'])
def test_what_is_no_such_scorecard_is_not_read(tmp_path: Path, content: str):
    path = tmp_path / "kept.json"
    path.write_text(content, encoding="utf-8")
    assert read_kept(path) is None
    assert read_kept(tmp_path / "nowhere.json") is None


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    if not KEPT.is_file():
        pytest.skip(f"no whole suite has been kept yet: nox -s faults -- --keep {KEPT.relative_to(PROJECT)}")
    found = json.loads(KEPT.read_text(encoding="utf-8"))
    assert found["schema"] == SCHEMA
    return dict(found)


@pytest.fixture(scope="module")
def section() -> str:
    """What the README says of planted faults, in one line."""
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    return text[text.index("## What the harness would have caught") : text.index("## Signing off")]


def test_the_readme_says_how_many_were_seen(kept: dict[str, Any], section: str):
    words = " ".join(section.split())
    seen = re.search(
        r"it sees (\d+) of (\d+), among them all (\d+) mistakes .*? silence, (\d+) at the right gate and place", words
    )
    assert seen is not None
    score, first = kept["score"], kept["by_tier"]["1"]
    assert first["detected"] == first["of"]
    assert tuple(map(int, seen.groups())) == (score["detected"], score["of"], first["of"], score["localised"])
    clean = re.search(r"(\d+) of (\d+) clean runs PASS, in (\d+) minutes", words)
    assert clean is not None
    minutes = round(kept["elapsed_s"] / 60)
    assert tuple(map(int, clean.groups())) == (kept["clean"]["passed"], kept["clean"]["of"], minutes)
    planted = re.search(r"plants (\d+) known mistakes .*? then plants (\d+) equivalent mutants", words)
    assert planted is not None
    assert tuple(map(int, planted.groups())) == (score["of"], kept["controls"])
    assert kept["shortcomings"] == kept["unexpected"] == []


def test_the_readme_shows_the_smallest_fault_of_every_gate(kept: dict[str, Any], section: str):
    shown: dict[str, float] = {}
    for row in re.findall(r"^\| ([a-z_, ]+) \| ([\d.e, -]+) \|", section, re.MULTILINE):
        gates, numbers = (cell.split(", ") for cell in row)
        shown |= dict(zip(gates, map(float, numbers * len(gates) if len(numbers) == 1 else numbers), strict=False))
    assert shown == {gate: float(f"{smallest:.2g}") for gate, smallest in kept["smallest"].items()}
