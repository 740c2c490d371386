"""What of the suite may be chosen, and what results are kept for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from parity.errors import BadInputError
from parity.faults.choice import Choice, check_choice
from parity.faults.kept import run_faults
from parity.faults.suite import hash_choice

OWN = """
import helper
from parity.faults.fault import Fault

FAULTS = (Fault(id="own", stage="own", sentence="My own.", gates=("loss",), plants=()),)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that imports another beside it, which imports a third."""
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    (tmp_path / "helper.py").write_text("from further import x", encoding="utf-8")
    (tmp_path / "further.py").write_text("x = 1", encoding="utf-8")
    return tmp_path / "own.py"


UNKNOWN: dict[str, tuple[dict[str, Any], str]] = {
    "faults": ({"only": ("cam_logits", "cam_logit", "nothing")}, "got 'cam_logit, nothing' .* did you mean cam_logits"),
    "stages": ({"stages": ("los",)}, "`--stage` must .* got 'los' .* did you mean loss"),
    "tiers": ({"tiers": ("4",)}, "`--tier` must name some of 1, 2, 3, control, hazard, got '4'"),
    "gates": ({"gates": ("gradcams",)}, "`--gates` must .* got 'gradcams' .* did you mean gradcam"),
    "gates that cannot be recorded": ({"gates": ("throughput",)}, "`--gates` must .* got 'throughput'"),
    "together": (
        {"only": ("cam_logits", "adam_eps_value"), "stages": ("loss",)},
        "`faults` must be some, got 'none' in adam_eps_value is of stage optimizer and tier 1; cam_logits is of stage gradcam",
    ),
    "stage and tier": ({"stages": ("layout",), "tiers": ("3",)}, "got 'none' in stage layout, tier 3; choose those that exist"),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_words_that_are_unknown_or_exclude_one_another_are_named(case: str, tmp_path: Path):
    words, message = UNKNOWN[case]
    with pytest.raises(BadInputError, match=message):
        check_choice(Choice(**words, out=tmp_path))


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        ({}, True), ({"jobs": 3, "limit_s": 9.0}, True), ({"only": ("cam_logits",)}, False), ({"stages": ("loss",)}, False),
        ({"tiers": ("1",)}, False), ({"file": Path("own.py")}, False), ({"gates": ("loss",)}, False),
        ({"data": Path("data")}, False), ({"checkpoint": "c.h5"}, False), ({"image_scale": 0.1}, False),
    ],
)  # fmt: skip
def test_only_everything_on_the_demo_is_whole(words: dict[str, Any], whole: bool):
    assert Choice(**words).whole is whole


def test_only_a_whole_suite_is_kept(tmp_path: Path):
    with pytest.raises(BadInputError, match="`--keep` must be given with a whole suite"):
        run_faults(Choice(only=("cam_logits",), out=tmp_path / "out"), lambda _: None, tmp_path / "kept.json")
    assert list(tmp_path.iterdir()) == []


FOLDERS = {
    "new": ((), True),
    "stopped while it was fitted": (("log/port.txt",), True),
    "stopped at its beginning": (("log/port.txt", "base/.lock"), True),
    "somebody's": (("log/mine.txt",), False),
    "somebody's beside": (("log/port.txt", "mine.txt"), False),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_a_folder_of_somebody_is_refused(case: str, tmp_path: Path):
    names, taken = FOLDERS[case]
    for name in names:
        path = tmp_path / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    choice = Choice(only=("cam_logits",), out=tmp_path / "out")
    if taken:
        assert [fault.id for fault in check_choice(choice)] == ["cam_logits"]
    else:
        with pytest.raises(BadInputError, match=re.escape("`--out` must be a new or empty folder")):
            check_choice(choice)


def test_results_depend_on_all_that_a_file_imports_and_on_the_gates(file: Path):
    assert hash_choice(Choice()) == ""
    known = hash_choice(Choice(file=file))
    assert known == hash_choice(Choice(file=file, jobs=2))
    assert known != hash_choice(Choice(file=file, gates=("loss",)))
    for name in ("own.py", "helper.py", "further.py"):
        path = file.with_name(name)
        before = path.read_text(encoding="utf-8")
        path.write_text(before + "\n", encoding="utf-8")
        assert hash_choice(Choice(file=file)) != known, name
        path.write_text(before, encoding="utf-8")
    assert hash_choice(Choice(file=file)) == known
