import doctest
from typing import Any

import pytest

from parity.report import summary

CHECK = {
    "verdict": "PASS",
    "observed": 1.0,
    "limit": 2.0,
    "noise_floor": None,
    "reason": "",
    "worst": "",
    "unit": "",
    "n": 1,
}


def make_check(name: str, **values: Any) -> dict[str, Any]:
    return {**CHECK, "id": name, **values}


def make_row(**values: Any) -> dict[str, Any]:
    side = {"prediction": "aca", "probabilities": [0.7, 0.2, 0.1]}
    return {"reference": side, "candidate": side, "changed": False, "tie": False, "margin": [0.5, 0.5], **values}


def make_gate_report(**values: Any) -> dict[str, Any]:
    return {"gates": [{"gate": "g", "verdict": "PASS", "required": True, "question": "?", "checks": [], **values}]}


def test_examples_of_the_docstrings() -> None:
    assert doctest.testmod(summary) == doctest.TestResults(failed=0, attempted=1)


@pytest.mark.parametrize(
    ("checks", "worst"),
    [
        ([make_check("roomy"), make_check("tight", observed=1.9)], "tight"),
        ([make_check("tight", observed=1.9), make_check("failed", observed=0.1, verdict="FAIL")], "failed"),
        ([make_check("unclear", verdict="INCONCLUSIVE"), make_check("absent", verdict="NOT_RUN")], "absent"),
        ([make_check("exact", observed=0, limit=0), make_check("small", observed=1e-16)], "small"),
        ([make_check("far", observed=9.0, verdict="FAIL"), make_check("nan", observed="nan", verdict="FAIL")], "nan"),
        ([make_check("none", observed=None), make_check("some")], "some"),
        ([make_check("first"), make_check("second")], "first"),
    ],
)
def test_worst_check(checks: list[dict[str, Any]], worst: str) -> None:
    found = summary.find_worst_check(checks)
    assert found is not None
    assert found["id"] == worst


def test_a_gate_without_checks_has_no_worst() -> None:
    assert summary.find_worst_check([]) is None


def test_a_gate_that_compared_too_little_says_so() -> None:
    report = make_gate_report(
        verdict="FAIL", checks=[make_check("a")], expected=5, compared=3, waived=1, follows_from="weights"
    )
    (row,) = summary.make_gate_rows(report)
    assert row.note == "follows from weights; 3 of 5 recorded pairs compared, 1 waived"
    assert not row.is_explained


def test_a_gate_that_was_not_run_says_why() -> None:
    rows = summary.make_gate_rows(make_gate_report(verdict="NOT_RUN", reason="interrupted"))
    assert [(row.why_not, row.ran) for row in summary.find_left_out(rows)] == [("interrupted", False)]
    rows = summary.make_gate_rows(
        make_gate_report(verdict="NOT_RUN", checks=[make_check("a", verdict="NOT_RUN", reason="no data")])
    )
    assert [(row.why_not, row.ran) for row in summary.find_left_out(rows)] == [("no data", True)]


@pytest.mark.parametrize(
    ("row", "status"),
    [
        (make_row(), "same"),
        (make_row(changed=True), "changed"),
        (make_row(changed=True, tie=True), "tie"),
        (make_row(candidate=None), "missing"),
        (make_row(reference=None, changed=True), "missing"),
    ],
)
def test_status_of_a_decision(row: dict[str, Any], status: str) -> None:
    assert summary.decision_status(row) == status


def test_changed_decisions_come_with_ties_last() -> None:
    ledger = [make_row(), make_row(changed=True, tie=True), make_row(changed=True), make_row(candidate=None)]
    found = summary.find_changed_decisions({"ledger": ledger})
    assert [summary.decision_status(row) for row in found] == ["missing", "changed", "tie"]
    assert summary.count_decisions({"ledger": ledger}) == {"same": 1, "changed": 1, "tie": 1, "missing": 1}


def test_rows_are_grouped_in_order() -> None:
    rows = [{"kind": "raw", "split": "val"}, {"kind": "evaluation", "split": None}, {"kind": "raw", "split": "val"}]
    assert {key: len(group) for key, group in summary.group_by_source(rows).items()} == {
        ("raw", "val"): 2,
        ("evaluation", ""): 1,
    }


@pytest.mark.parametrize(("limit", "shown"), [(1e-10, [1e-10, 1e-10]), ([1, 2], [1, 2]), (None, [None, None])])
def test_one_limit_holds_for_every_tap(limit: Any, shown: list[Any]) -> None:
    curve = {"taps": ["a", "b"], "float64": [3, 4], "float32": [5, 6], "noise_floor": [7, 8]}
    rows = summary.make_curve_rows({**curve, "limit_float64": limit, "limit_float32": 9})
    assert rows == [("a", 3, shown[0], 5, 7, 9), ("b", 4, shown[1], 6, 8, 9)]


def test_leaves_of_nested_lists_have_a_place() -> None:
    value = {"a": [{"b": True}, {"b": None}], "c": 1.5}
    assert list(summary.flatten(value)) == [("a[0].b", "yes"), ("a[1].b", "none"), ("c", "1.5")]
