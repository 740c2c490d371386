"""The page that says whether to migrate: each sentence comes from a row of the report."""

from __future__ import annotations

from typing import Any

import pytest

from parity.report.recommendation import make_recommendation, render_recommendation

from .fixture_report import make_report


@pytest.fixture
def report() -> dict[str, Any]:
    """A run that leaves nothing open."""
    found = make_report()
    found["run"] |= {"demo": False, "profile": "full", "witness": {"sha256": "0" * 64}, "command": ["nox"]}
    found["run"]["devices"] = {"legacy": "cuda", "port": "cuda"}
    found["gates"] = [gate for gate in found["gates"] if gate["verdict"] == "PASS"]
    return found


def test_a_whole_run_that_passes_recommends_to_migrate(report: dict[str, Any]):
    found = make_recommendation(report)
    assert found.verdict.startswith("Migrate: ")
    assert found.unproven == []
    assert any("same answer for all" in sentence for sentence in found.gained)


@pytest.mark.parametrize("verdict", ["FAIL", "INCONCLUSIVE", "NOT_RUN"])
def test_nothing_but_a_pass_recommends_it(verdict: str):
    assert make_recommendation(make_report(verdict=verdict)).verdict.startswith("Do not migrate")


def test_a_failure_is_named():
    assert "blocks: conv4/block2" in make_recommendation(make_report(verdict="FAIL")).verdict


def test_a_broken_rule_comes_before_all(report: dict[str, Any]):
    report["broken"] = ["gates.toml changed"]
    assert make_recommendation(report).verdict == "Do not migrate on this run: a rule of it was broken."


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"witness": None}, "--witness"),
        ({"profile": "quick"}, "this was quick"),
        ({"command": ["nox", "--images", "8"]}, "--images"),
        ({"devices": {"legacy": "cpu", "port": "cpu"}}, "on the CPU"),
    ],
)
def test_what_a_run_leaves_open_is_unproven(report: dict[str, Any], change: dict[str, Any], said: str):
    report["run"] |= change
    found = make_recommendation(report)
    assert [said in sentence for sentence in found.unproven] == [True]
    assert not found.verdict.startswith("Migrate")


def test_gates_that_were_not_run_are_unproven(report: dict[str, Any]):
    report["gates"] = make_report()["gates"]
    unproven = make_recommendation(report).unproven
    assert [sentence.partition(":")[0] for sentence in unproven] == [
        gate["gate"] for gate in report["gates"] if gate["verdict"] == "NOT_RUN"
    ]


def test_a_run_with_a_waived_gate_is_not_called_the_same_function(report: dict[str, Any]):
    report["gates"][3]["verdict"] = "WAIVED"
    found = make_recommendation(report)
    assert found.verdict.startswith("The port holds but for what is waived below")
    assert not any(report["gates"][3]["gate"] in sentence for sentence in found.gained)


def test_the_demo_decides_nothing(report: dict[str, Any]):
    report["run"]["demo"] = True
    assert make_recommendation(report).verdict.startswith("Nothing to decide: this is the demo")


@pytest.mark.parametrize(("ratio", "gained", "lost"), [(2.4, 1, 0), (0.9, 0, 1), (None, 0, 0)])
def test_speed_is_gained_or_lost_by_the_ratio_over_rounds(report: dict[str, Any], ratio: float | None, gained: int, lost: int):
    report["throughput"] = [
        {
            "what": "inference",
            "unit": "images/s",
            "reference": 10.0,
            "candidate": 25.0,
            "ratio": ratio,
            "conditions": "cpu, float32",
        }
    ]
    found = make_recommendation(report)
    assert sum("images/s" in sentence for sentence in found.gained) == gained
    assert len(found.lost) == lost
    if gained:
        assert "inference: 2.4 times the legacy's images/s (cpu, float32)." in found.gained


def test_decisions_that_changed_are_not_gained(report: dict[str, Any]):
    report["ledger"][3]["changed"] = True
    assert not any("same answer" in sentence for sentence in make_recommendation(report).gained)


def test_waivers_are_what_differs(report: dict[str, Any]):
    report["waivers"] = [
        {"check": "gradcam/float32/raw/x/max_rel", "reason": "why", "owner": "us", "expiry": "2027-01-31", "waived": 1}
    ]
    assert "waived until 2027-01-31 by us: gradcam/float32/raw/x/max_rel, why" in make_recommendation(report).declared


def test_the_page_has_every_part_and_hostile_text_is_inert(report: dict[str, Any]):
    report["declared"][0]["reason"] = "<script>alert(1)</script> @everyone"
    page = render_recommendation(report)
    assert [line for line in page.splitlines() if line.startswith("#")] == [
        "# Migration recommendation",
        "## What is gained",
        "## What is lost",
        "## What differs",
        "## What is unproven",
    ]
    assert "<script>" not in page
    assert "@everyone" not in page
