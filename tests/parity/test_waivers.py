"""Waivers: what they cover, what is said of them, and what makes them fail a run."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

import pytest

from parity.assemble import judge_run, make_headline
from parity.errors import BadInputError
from parity.verdict import Check, GateResult, Verdict
from parity.waivers import Waiver, apply_waivers, find_broken, read_waivers, waiver_rows
from parity.workspace import PROJECT

TODAY = date(2026, 11, 24)
RAW = "gradcam/float32/raw/evaluation/max_rel"
WAIVER = f"""
[[waiver]]
check = "{RAW}"
reason = "maps of another size"
owner = "imaging group"
expires = 2026-11-24
"""


def waiver(check: str = RAW, expires: date = TODAY) -> Waiver:
    return Waiver(check=check, reason="maps of another size", owner="imaging group", expires=expires)


def results(**verdicts: Verdict) -> list[GateResult]:
    """A gate gradcam with four checks, and a gate loss that passes."""
    names = {"evaluation": RAW, "augmented": RAW.replace("evaluation", "augmented"), "exact": "gradcam/exact/batch/refused"}
    names["present"] = "gradcam/none/float32/evaluation/raw/present"
    checks = tuple(
        Check(id=check_id, verdict=verdicts.get(name, Verdict.PASS), observed=1.0) for name, check_id in names.items()
    )
    passed = Check(id="loss/float64/tied/loss", verdict=Verdict.PASS)
    return [
        GateResult(gate="gradcam", checks=checks, expected=4, compared=3 if "present" in verdicts else 4),
        GateResult(gate="loss", checks=(passed,), expected=1, compared=1),
    ]


def test_the_waivers_of_the_project_can_be_read():
    written = tomllib.loads((PROJECT / "waivers.toml").read_text(encoding="utf-8")).get("waiver", [])
    assert [waiver.check for waiver in read_waivers(PROJECT / "waivers.toml")] == [row["check"] for row in written]


def test_a_waiver_is_read_whole(tmp_path: Path):
    path = tmp_path / "waivers.toml"
    path.write_text(WAIVER)
    assert read_waivers(path) == (waiver(),)


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.INCONCLUSIVE])
def test_what_is_waived_is_counted_and_does_not_pass(verdict: Verdict):
    found = apply_waivers([waiver()], results(evaluation=verdict), TODAY)
    assert [result.verdict for result in found] == [Verdict.WAIVED, Verdict.PASS]
    assert judge_run(found, ("gradcam", "loss")) is Verdict.PASS
    line = make_headline(Verdict.PASS, found, ("gradcam", "loss"))
    assert line == "PASS (1 of 2 required gates; 1 check waived: gradcam)"
    (row,) = waiver_rows([waiver()], found)
    assert row == {
        "check": RAW,
        "reason": "maps of another size",
        "owner": "imaging group",
        "expiry": "2026-11-24",
        "waived": 1,
    }


def test_a_failure_beside_the_waived_one_still_fails():
    found = apply_waivers([waiver()], results(evaluation=Verdict.FAIL, exact=Verdict.FAIL), TODAY)
    assert found[0].verdict is Verdict.FAIL
    assert judge_run(found, ("gradcam", "loss")) is Verdict.FAIL


def test_what_was_not_run_cannot_be_waived():
    found = apply_waivers([waiver()], results(evaluation=Verdict.NOT_RUN), TODAY)
    assert found[0].verdict is Verdict.NOT_RUN


def test_a_missing_pair_can_be_waived_and_is_counted():
    missing = results(present=Verdict.FAIL)
    (found, _) = apply_waivers([waiver("gradcam/none/float32/evaluation/raw/present")], missing, TODAY)
    assert (found.verdict, found.expected, found.compared, found.waived) == (Verdict.WAIVED, 4, 3, 1)
    (found, _) = apply_waivers([waiver()], results(evaluation=Verdict.FAIL, present=Verdict.PASS), TODAY)
    assert found.verdict is Verdict.FAIL, "less was compared than expected, and that is not waived"


@pytest.mark.parametrize(
    ("check", "covered"),
    [
        (RAW, ["evaluation"]),
        ("gradcam/float32/raw/*/max_rel", ["evaluation", "augmented"]),
        ("gradcam/float32/*/max_rel", []),
        ("gradcam/float32/raw/eval*/max_rel", ["evaluation"]),
        ("gradcam/float64/raw/*/max_rel", []),
    ],
)
def test_a_star_stands_for_one_part(check: str, covered: list[str]):
    failed = results(evaluation=Verdict.FAIL, augmented=Verdict.FAIL)
    checks = apply_waivers([waiver(check)], failed, TODAY)[0].checks
    assert [check.id.split("/")[3] for check in checks if check.verdict is Verdict.WAIVED] == covered


@pytest.mark.parametrize(
    ("check", "expires", "verdicts", "said"),
    [
        (RAW, TODAY, {"evaluation": Verdict.FAIL}, None),
        (RAW, date(2026, 11, 23), {"evaluation": Verdict.FAIL}, "by imaging group expired on 2026-11-23"),
        (RAW, date(2026, 11, 23), {}, "expired"),
        (RAW, TODAY, {}, "is unused"),
        ("gradcam/float32/raw/validation/max_rel", TODAY, {"evaluation": Verdict.FAIL}, "covers no check there is"),
        ("decode/float32/raw/evaluation/max_rel", TODAY, {}, None),
    ],
    ids=["in use on its last day", "expired", "expired and unused", "unused", "unknown", "of a gate that was not asked for"],
)
def test_a_waiver_must_not_outlive_its_date_or_its_failure(
    check: str, expires: date, verdicts: dict[str, Verdict], said: str | None
):
    found = list(find_broken([waiver(check, expires)], results(**verdicts), TODAY))
    assert len(found) == (said is not None)
    assert all(said in sentence and check in sentence for sentence in found)
    assert judge_run(results(), ("gradcam", "loss"), found) is (Verdict.PASS if said is None else Verdict.FAIL)


def test_a_waiver_must_not_take_on_a_whole_gate():
    checks = tuple(Check(id=f"optimizer/float64/{name}/max_rel", verdict=Verdict.FAIL) for name in ("m", "v"))
    found = [GateResult(gate="optimizer", checks=checks, expected=2, compared=2)]
    (sentence,) = find_broken([waiver("optimizer/float64/*/max_rel")], found, TODAY)
    assert "is too wide" in sentence


def test_an_expired_waiver_covers_nothing():
    found = apply_waivers([waiver(expires=date(2026, 11, 23))], results(evaluation=Verdict.FAIL), TODAY)
    assert found[0].verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("reason", "because", "'reason'"),
        ('"maps of another size"', '" "', "in {"),
        ("2026-11-24", '"2026-11-24"', "in {"),
        ("2026-11-24", "2026-11-24T10:00:00", "in {"),
        ("2026-11-24", "2026-13-24", "waivers.toml"),
        ("[[waiver]]", "[waiver]", "waivers.toml"),
        ("gradcam/", "gradcan/", "must name a gate first"),
        ("gradcam/", "*/", "must name a gate first"),
        ("float32", "*", "in full"),
        ("max_rel", "*", "in full"),
        ("/raw/evaluation/max_rel", "", "in full"),
    ],
)
def test_a_waiver_that_is_not_whole_is_bad_input(tmp_path: Path, old: str, new: str, said: str):
    path = tmp_path / "waivers.toml"
    path.write_text(WAIVER.replace(old, new, 1))
    with pytest.raises(BadInputError, match=r"waivers\.toml") as error:
        read_waivers(path)
    assert said in str(error.value)


def test_without_the_file_there_is_no_run(tmp_path: Path):
    with pytest.raises(BadInputError, match="must list waivers"):
        read_waivers(tmp_path / "waivers.toml")
