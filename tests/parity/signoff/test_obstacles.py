"""What must not be signed: each obstacle alone, in its own words, and none for a report of everything that passed."""

from __future__ import annotations

from typing import Any

import pytest

from parity.signoff.sign import find_obstacles
from tests.parity.report.fixture_report import RUN_GATES, make_report


def make_good(**run: Any) -> dict[str, Any]:
    """A report of profile full, of the users' data, witnessed; `run` changes what it says of its run."""
    report = make_report(images=6)
    report["run"] |= {"profile": "full", "witness": {"sha256": "0" * 64}, **run}
    return report


def with_gate(gate: str, verdict: str) -> dict[str, Any]:
    report = make_good()
    next(row for row in report["gates"] if row["gate"] == gate)["verdict"] = verdict
    return report


def with_splits(*splits: str) -> dict[str, Any]:
    report = make_good()
    report["run"]["data"]["splits"] = list(splits)
    return report


def test_a_full_run_that_passed_can_be_signed():
    assert list(find_obstacles(make_good(), demo=False)) == []


def test_a_run_of_the_demo_can_be_signed_as_one_and_needs_no_witness():
    assert list(find_obstacles(make_good(demo=True, witness=None), demo=True)) == []


def test_a_required_gate_may_be_waived():
    assert list(find_obstacles(with_gate("gradcam", "WAIVED"), demo=False)) == []


def test_more_splits_than_asked_for_are_no_obstacle():
    assert list(find_obstacles(with_splits("train", "val", "test"), demo=False)) == []


@pytest.mark.parametrize("gate", RUN_GATES)
@pytest.mark.parametrize("verdict", ["FAIL", "INCONCLUSIVE", "NOT_RUN"])
def test_every_required_gate_passes(gate: str, verdict: str):
    assert list(find_obstacles(with_gate(gate, verdict), demo=False)) == [f"{gate} is {verdict}"]


@pytest.mark.parametrize("verdict", ["FAIL", "INCONCLUSIVE", "NOT_RUN", "WAIVED"])
def test_the_run_passes(verdict: str):
    report = {**make_good(), "verdict": verdict}
    assert list(find_obstacles(report, demo=False)) == [f"the run is {verdict}"]


@pytest.mark.parametrize("profile", ["probe", "quick", "guard"])
def test_the_profile_is_full(profile: str):
    assert list(find_obstacles(make_good(profile=profile), demo=False)) == [f"its profile is {profile}, not full"]


def test_every_image_is_used():
    command = ["nox", "-s", "parity", "--", "--images", "6"]
    (obstacle,) = find_obstacles(make_good(command=command), demo=False)
    assert obstacle == "it used 6 images (--images), not every one"


@pytest.mark.parametrize("splits", [("val",), ("test",), ("train", "val"), ()])
def test_both_splits_are_used(splits: tuple[str, ...]):
    (obstacle,) = find_obstacles(with_splits(*splits), demo=False)
    assert obstacle == f"it used the splits {', '.join(splits)}, not val and test"


def test_the_demo_is_not_signed_by_mistake():
    (obstacle,) = find_obstacles(make_good(demo=True), demo=False)
    assert "sign that it is one with --demo" in obstacle


def test_nothing_is_signed_as_the_demo_that_is_not():
    (obstacle,) = find_obstacles(make_good(), demo=True)
    assert "leave --demo out" in obstacle


def test_the_legacy_is_witnessed():
    (obstacle,) = find_obstacles(make_good(witness=None), demo=False)
    assert "--witness predictions.csv" in obstacle


def test_all_obstacles_are_named_at_once():
    report = make_report(verdict="FAIL", images=6)
    report["run"]["command"] += ["--images", "6"]
    report["run"]["data"]["splits"] = ["val"]
    found = list(find_obstacles(report, demo=False))
    failed = [gate["gate"] for gate in report["gates"] if gate["verdict"] == "FAIL"]
    assert len(failed) == 4
    assert found[: len(failed)] == [f"{gate} is FAIL" for gate in failed]
    assert [sentence.split()[0] for sentence in found[len(failed) :]] == ["the", "its", "it", "it", "the"]


def test_a_run_of_the_demo_with_an_unwitnessed_legacy_has_one_obstacle():
    assert len(list(find_obstacles(make_good(demo=True, witness=None), demo=False))) == 1
