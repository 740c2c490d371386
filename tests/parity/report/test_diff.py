"""What changed between two runs, in words."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from parity.report import render_diff

from .fixture_report import make_report


@pytest.fixture
def before() -> dict[str, Any]:
    return make_report()


@pytest.fixture
def after(before: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(before)


def checks_of(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [check for gate in report["gates"] for check in gate["checks"]]


def rows_of(text: str, title: str) -> list[str]:
    """The lines of one table, without its head."""
    part = next(part for part in text.split("\n\n") if part.startswith(title))
    return part.splitlines()[2:]


def test_a_run_is_no_different_from_itself(before: dict[str, Any], after: dict[str, Any]):
    after["run"] |= {"id": "another", "started": "2027-01-01T00:00:00Z", "elapsed_s": 1.0}
    after["timings"] = {"legacy": 1.0}
    assert render_diff(before, after) == ""


def test_what_was_run_is_compared_to_the_last_part(before: dict[str, Any], after: dict[str, Any]):
    after["run"]["data"]["images"] += 1
    after["run"]["gates_toml"] = "0" * 64
    after["run"]["witness"] = {"sha256": "1" * 64}
    found = rows_of(render_diff(before, after), "what was run")
    assert [line.split()[0] for line in found] == ["data/images", "gates_toml", "witness"]


def test_verdicts_come_with_the_headline(before: dict[str, Any], after: dict[str, Any]):
    after["headline"] = "FAIL (10 of 11)"
    after["gates"][3]["verdict"] = "FAIL"
    run, gate = rows_of(render_diff(before, after), "verdicts")
    assert run.startswith("run ")
    assert run.endswith("FAIL (10 of 11)")
    assert gate.split() == [before["gates"][3]["gate"], before["gates"][3]["verdict"], "FAIL"]


def test_another_verdict_comes_before_another_error_and_the_largest_factor_first(before: dict[str, Any], after: dict[str, Any]):
    found, was = (
        [
            check
            for check in checks_of(report)
            if check["verdict"] == "PASS" and isinstance(check["observed"], float) and check["observed"]
        ]
        for report in (after, before)
    )
    for check, factor in zip(found, (2.0, 0.1, 1.0, 5.0), strict=False):
        check["observed"] *= factor
    found[2]["verdict"] = "FAIL"
    ids = [line.split()[0] for line in rows_of(render_diff(before, after), "checks")]
    short = [check["id"] for check in was[:4]]
    assert len(ids) == 4
    for shown, index in zip(ids, (2, 1, 3, 0), strict=True):
        head, _, tail = shown.partition("…")
        assert short[index].startswith(head)
        assert short[index].endswith(tail)


@pytest.mark.parametrize("value", [None, "nan", 0.0, "inf"])
def test_an_error_that_is_no_number_is_a_change(before: dict[str, Any], after: dict[str, Any], value: object):
    next(check for check in checks_of(after) if check["observed"])["observed"] = value
    assert len(rows_of(render_diff(before, after), "checks")) == 1


def test_a_check_of_one_run_only_is_shown(before: dict[str, Any], after: dict[str, Any]):
    gone = after["gates"][2]["checks"].pop()
    (line,) = rows_of(render_diff(before, after), "checks")
    assert line.split()[-1] == "–"
    assert gone["verdict"] in line


def test_decisions_are_compared_image_by_image(before: dict[str, Any], after: dict[str, Any]):
    row = after["ledger"][5]
    row["candidate"] = {**row["candidate"], "prediction": "scc" if row["candidate"]["prediction"] != "scc" else "nor"}
    after["ledger"][7]["candidate"] = None
    assert len(rows_of(render_diff(before, after), "decisions of the port")) == 2


def test_long_tables_end_and_say_so(before: dict[str, Any], after: dict[str, Any]):
    for row in after["ledger"]:
        row["candidate"] = None
    found = rows_of(render_diff(before, after), "decisions of the port")
    assert len(found) == 41
    assert found[-1] == f"and {len(before['ledger']) - 40} more"


def test_hostile_names_stay_in_their_cell(before: dict[str, Any], after: dict[str, Any]):
    before["ledger"][0]["image"] = after["ledger"][0]["image"] = "new\nline\x1b[31m" + "x" * 300
    after["ledger"][0]["candidate"] = None
    text = render_diff(before, after)
    assert text.isprintable() or set(text) - set(filter(str.isprintable, text)) == {"\n"}
    assert len(rows_of(text, "decisions of the port")) == 1
    assert max(map(len, text.splitlines())) <= 3 * 44 + 4
