"""What a fault's results come to, and what the scorecard says of all of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from parity.faults.fault import Fault, Tier
from parity.faults.runs import judge
from parity.faults.scorecard import (
    describe_power,
    gate_rows,
    hash_code,
    headline,
    is_as_expected,
    make_scorecard,
    read_summary,
    render,
)
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import PROJECT

TENSOR = "conv2_block1_1_conv/kernel"


def make_fault(*gates: str, place: str = "", tier: Tier = Tier.ONE) -> Fault:
    return Fault(id="f", stage="weights", sentence="A mistake.", gates=gates, plants=(), place=place, tier=tier)


def gate(name: str, verdict: Verdict = Verdict.PASS, worst: str = "", what: str = "loss") -> GateResult:
    """Return a gate's result: a check that passed, and one with the verdict."""
    checks = (
        Check(id=f"{name}/float64/first/max_rel", verdict=Verdict.PASS, observed=0.0, limit=1e-9, n=1, worst="first"),
        Check(id=f"{name}/float64/{what}/max_rel", verdict=verdict, observed=0.5, limit=1e-9, n=1, worst=worst),
    )
    return GateResult(gate=name, checks=checks, expected=2, compared=2)


def summary(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("verdict", "detected", "localised", "first_failing_gate", "config_named"))


def test_a_fault_that_is_seen_where_it_should_be_is_localised():
    row = judge(make_fault("loss"), [gate("config"), gate("weights"), gate("loss", Verdict.FAIL, "batch 3")])
    assert summary(row) == ("FAIL", True, True, "loss", None)
    assert row["place"] == "loss/float64/loss/max_rel at batch 3"


def test_a_fault_that_is_seen_elsewhere_is_not_localised():
    row = judge(make_fault("loss", "gradients"), [gate("config"), gate("blocks", Verdict.FAIL)])
    assert summary(row) == ("FAIL", True, False, "blocks", None)


def test_the_second_gate_that_is_named_is_a_right_place_too():
    row = judge(make_fault("loss", "gradients"), [gate("loss"), gate("gradients", Verdict.FAIL)])
    assert summary(row) == ("FAIL", True, True, "gradients", None)


def test_a_fault_that_only_config_can_know_is_seen_there():
    row = judge(make_fault("config"), [gate("config", Verdict.FAIL, "learning_rate"), gate("numerics"), gate("gradcam")])
    assert summary(row) == ("FAIL", True, True, None, "learning_rate")


def test_a_fault_that_only_config_can_know_and_does_not_is_not_seen():
    row = judge(make_fault("config"), [gate("config"), gate("numerics"), gate("gradcam")])
    assert summary(row) == ("PASS", False, False, None, None)


def test_config_is_passed_over_where_numbers_must_say():
    fault = make_fault("config", "optimizer")
    config = gate("config", Verdict.FAIL, "learning_rate")
    assert summary(judge(fault, [config, gate("optimizer", Verdict.FAIL)])) == (
        "FAIL",
        True,
        True,
        "optimizer",
        "learning_rate",
    )
    assert summary(judge(fault, [config, gate("optimizer")])) == ("PASS", False, False, None, "learning_rate")
    assert summary(judge(make_fault("optimizer"), [config])) == ("PASS", False, False, None, "learning_rate")


def test_a_control_that_config_names_has_not_failed():
    row = judge(make_fault("config", tier=Tier.CONTROL), [gate("config", Verdict.FAIL, "dropout"), gate("numerics")])
    assert summary(row) == ("PASS", False, False, None, "dropout")


def test_a_fault_that_nothing_sees_is_not_seen():
    row = judge(make_fault("loss"), [gate("config"), gate("loss"), gate("gradcam")])
    assert summary(row) == ("PASS", False, False, None, None)
    assert row["place"] == ""


@pytest.mark.parametrize("verdict", [Verdict.INCONCLUSIVE, Verdict.NOT_RUN])
def test_a_gate_that_cannot_tell_has_not_seen_the_fault(verdict: Verdict):
    row = judge(make_fault("loss"), [gate("config"), gate("loss", verdict), gate("gradcam")])
    assert summary(row) == (verdict.value, False, False, None, None)


def test_a_place_must_name_the_tensor():
    fault = make_fault("weights", place=TENSOR)
    right = gate("weights", Verdict.FAIL, "conv2.block1.conv1.weight", what=TENSOR)
    other = gate("weights", Verdict.FAIL, "conv2.block1.conv3.weight", what="conv2_block1_3_conv/kernel")
    assert summary(judge(fault, [right])) == ("FAIL", True, True, "weights", None)
    assert summary(judge(fault, [other])) == ("FAIL", True, False, "weights", None)


def test_a_place_may_be_named_as_the_worst_one():
    row = judge(make_fault("weights", place="conv3.bias"), [gate("weights", Verdict.FAIL, "conv2.block1.conv3.bias")])
    assert row["localised"]


def test_the_right_tensor_at_the_wrong_gate_is_not_localised():
    row = judge(make_fault("weights", place=TENSOR), [gate("blocks", Verdict.FAIL, TENSOR)])
    assert summary(row) == ("FAIL", True, False, "blocks", None)


def test_a_gate_that_compared_too_little_has_seen_the_fault():
    passed = Check(id="loss/float64/loss/max_rel", verdict=Verdict.PASS, observed=0.0, limit=1e-9, n=1)
    row = judge(make_fault("loss"), [GateResult(gate="loss", checks=(passed,), expected=3, compared=2)])
    assert summary(row) == ("FAIL", True, True, "loss", None)
    assert row["place"] == "loss: 2 of 3 compared"


def test_a_place_without_a_number_says_why():
    check = Check(id="loss/none/batch1/present", verdict=Verdict.FAIL, reason="port: batch1 is missing")
    row = judge(make_fault("loss"), [GateResult(gate="loss", checks=(check,), expected=1, compared=0)])
    assert row["place"] == "loss/none/batch1/present; port: batch1 is missing"


def raised(said: str, *types: str, file: str = "torch_port/losses.py") -> dict[str, Any]:
    return {"chain": [{"said": said, "types": [*types, "Exception"], "file": file}]}


PLANTED = "<fault in torch_port.losses:image_losses>"
SHAPES = raised("RuntimeError: shapes", "RuntimeError")
MISTYPED = raised("NameError: name 'loss' is not defined", "NameError", file=PLANTED)
WRAPPED = {"chain": [*raised("InputError: no loss", "InputError")["chain"], *MISTYPED["chain"]]}
UNSAID = "raises without saying so (raises=True): RuntimeError: shapes"
OWN_TEXT = "is mistyped: its own text raises NameError: name 'loss' is not defined"
RAISED: dict[str, tuple[bool, dict[str, Any], str]] = {
    "a fault about raising": (True, SHAPES, ""),
    "one that does not say so": (False, SHAPES, UNSAID),
    "a refusal of the port's own": (False, raised("InputError: no loss", "InputError"), ""),
    "a misspelt name": (False, MISTYPED, OWN_TEXT),
    "a misspelt name in a fault about raising": (True, MISTYPED, OWN_TEXT),
    "a misspelt name that the port explains": (True, WRAPPED, OWN_TEXT),
    "an attribute, of the port's own code": (True, raised("AttributeError: x", "AttributeError"), ""),
    "an argument, in a replacement": (
        True,
        raised("TypeError: x", "TypeError", file=str(PROJECT / "parity/faults/port_parts.py")),
        "is mistyped: its own text raises TypeError: x",
    ),
    "a value, in a replacement": (
        True,
        raised("ValueError: x", "ValueError", file=str(PROJECT / "parity/faults/port_parts.py")),
        "",
    ),
    "a key error in one's own file": (True, raised("KeyError: x", "KeyError", "LookupError", file="/own/faults.py"), ""),
    "an attribute in one's own file": (
        True,
        raised("AttributeError: x", "AttributeError", file="/own/faults.py"),
        "is mistyped: its own text raises AttributeError: x",
    ),
}


@pytest.mark.parametrize("case", RAISED)
def test_what_is_raised_counts_only_where_it_is_meant(case: str):
    says_so, found, misplanted = RAISED[case]
    fault = replace(make_fault("loss"), raises=says_so)
    row = judge(fault, [gate("config"), gate("loss", Verdict.FAIL)], {"loss": found}, file=Path("/own/faults.py"))
    assert (row["raised"], row["exception"], row["misplanted"]) == (True, found["chain"][0]["said"], misplanted)
    assert (row["verdict"], row["detected"], row["localised"]) == ("FAIL", not misplanted, not misplanted)


def test_what_is_raised_after_a_number_has_failed_is_not_looked_at():
    row = judge(make_fault("loss"), [gate("config", Verdict.FAIL), gate("loss", Verdict.FAIL)], {"config": SHAPES})
    assert (row["raised"], row["detected"]) == (False, True)


def test_what_is_raised_while_weights_are_converted_is_found_at_the_first_gate_that_fails():
    row = judge(make_fault("weights"), [gate("config"), gate("weights", Verdict.FAIL)], {"convert": MISTYPED})
    assert (row["raised"], row["misplanted"], row["detected"]) == (True, OWN_TEXT, False)


def test_what_only_config_can_know_must_not_be_an_exception_there():
    row = judge(make_fault("config"), [gate("config", Verdict.FAIL), gate("loss")], {"config": SHAPES})
    assert (row["raised"], row["detected"], row["localised"], row["misplanted"]) == (True, False, False, UNSAID)


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE])
def test_a_fault_that_no_gate_runs_is_not_asked_unless_something_fails(verdict: Verdict):
    row = judge(make_fault("numerics"), [gate("config"), gate("numerics", verdict)], asked=False)
    assert row["verdict"] == ("NOT_ASKED" if verdict is Verdict.PASS else verdict.value)
    assert row["detected"] == (verdict is Verdict.FAIL)


def test_every_gate_that_was_recorded_has_its_verdict():
    row = judge(make_fault("loss"), [gate("config"), gate("loss", Verdict.FAIL), gate("gradcam", Verdict.INCONCLUSIVE)])
    assert row["gates"] == {"config": "PASS", "loss": "FAIL", "gradcam": "INCONCLUSIVE"}


def fault_row(id: str, tier: str = "1", **changes: Any) -> dict[str, Any]:
    """Return the row of a mistake that was seen at its place, or with other values."""
    return {
        "id": id, "stage": "loss", "tier": tier, "sentence": f"Sentence of {id}.", "expected_gates": ["loss"],
        "expected_place": "", "emulates": "", "verdict": "FAIL", "config_named": None, "first_failing_gate": "loss",
        "place": f"place of {id}", "detected": True, "localised": True, "raised": False, "exception": "", "misplanted": "",
        "gates": {"loss": "FAIL"}, "seconds": 1.5, **changes,
    }  # fmt: skip


MISSED = {"verdict": "PASS", "first_failing_gate": None, "place": "", "detected": False, "localised": False}
NOT_PLANTED = {**MISSED, "verdict": "NOT_RUN", "place": "not planted: no such text"}
Change = Callable[[dict[str, Any]], object]


def control_row(id: str, tier: str, **changes: Any) -> dict[str, Any]:
    return fault_row(id, tier, **{**MISSED, "expected_gates": [], **changes})


def clean_row(id: str, *, clean: bool = True, verdict: str = "PASS", expected: str = "PASS") -> dict[str, Any]:
    return {
        "id": id, "sentence": f"Sentence of {id}.", "clean": clean, "verdict": verdict, "expected": expected,
        "as_expected": verdict == expected, "gates": {}, "place": f"place of {id}", "seconds": 2.0,
    }  # fmt: skip


def power_row(gate: str, smallest: float | None = 2.0**-33) -> dict[str, Any]:
    return {"gate": gate, "sentence": f"change for {gate}", "exact": False, "smallest": smallest}


def perfect() -> dict[str, Any]:
    """Return what a suite without a shortcoming has found: 20 mistakes of tiers 1 and 2, one of tier 3."""
    mistakes = [fault_row(f"mistake{tier}_{number}", tier) for tier in ("1", "2") for number in range(20)]
    others = [fault_row("mistake3_0", "3"), control_row("control_0", "control"), control_row("hazard_0", "hazard")]
    return {
        "correct": {"verdict": "PASS", "gates": {"loss": "PASS"}},
        "rows": [*mistakes, *others],
        "clean": [clean_row("clean_01"), clean_row("clean_02"), clean_row("dead_maps", clean=False)],
        "power": [power_row("loss"), power_row("weights")],
        "code": "code",
        "whole": True,
        "elapsed_s": 12.34,
    }


def update(id: str, **changes: Any) -> Change:
    """Return what changes a row of the suite, or some of them: ``update("mistake2_0 mistake2_1", ...)``."""

    def change(found: dict[str, Any]) -> None:
        rows = {row.get("id", row.get("gate")): row for group in ("rows", "clean", "power") for row in found[group]}
        for name in id.split():
            rows[name].update(changes)

    return change


def shortcomings(change: Change) -> list[str]:
    found = perfect()
    change(found)
    return make_scorecard(**found)["shortcomings"]


def test_a_perfect_suite_has_no_shortcoming():
    card = make_scorecard(**perfect())
    assert card["shortcomings"] == []
    assert card["score"] == {"detected": 41, "localised": 41, "of": 41}
    assert card["by_tier"] == {
        tier: {"detected": count, "localised": count, "of": count} for tier, count in (("1", 20), ("2", 20), ("3", 1))
    }
    assert card["correct_port"]["verdict"] == "PASS"
    assert [row["id"] for row in card["controls"]] == ["control_0"]
    assert [row["id"] for row in card["hazards"]] == ["hazard_0", "dead_maps"]


SHORTCOMINGS: dict[str, tuple[Change, str]] = {
    "the correct port": (
        lambda found: found["correct"].update(verdict="INCONCLUSIVE"),
        "the correct port must PASS, it is INCONCLUSIVE",
    ),
    "a clean run": (
        update("clean_02", verdict="FAIL", as_expected=False),
        "the correct port must PASS, it is FAIL clean_02",
    ),
    "a clean run that did not run": (
        update("clean_01", verdict="NOT_RUN", as_expected=False),
        "the correct port must PASS, it is NOT_RUN clean_01",
    ),
    "one missed of tier 1": (update("mistake1_7", **MISSED), "tier 1: 19 of 20 seen; not mistake1_7"),
    "two missed of tier 2": (
        update("mistake2_3 mistake2_11", **MISSED),
        "tier 2: 18 of 20 seen; not mistake2_3, mistake2_11",
    ),
    "one missed of tier 3": (update("mistake3_0", **MISSED), "tier 3: 0 of 1 seen; not mistake3_0"),
    "one inconclusive of tier 1": (
        update("mistake1_7", **{**MISSED, "verdict": "INCONCLUSIVE"}),
        "tier 1: 19 of 20 seen; not mistake1_7",
    ),
    "two elsewhere of tier 1": (
        update("mistake1_0 mistake1_1", localised=False),
        "tier 1: 18 of 20 at the right place, at least 95% must be",
    ),
    "a control elsewhere": (
        update("control_0", verdict="FAIL", first_failing_gate="loss", place="here", expected_gates=["gradcam"]),
        "control_0 must not fail so: FAIL here",
    ),
    "a control that is inconclusive": (
        update("control_0", verdict="INCONCLUSIVE", place="here"),
        "control_0 must not fail so: INCONCLUSIVE here",
    ),
    "a hazard": (
        update("hazard_0", verdict="FAIL", first_failing_gate="loss", place="here"),
        "hazard_0 must not fail so: FAIL here",
    ),
    "a probe": (
        update("dead_maps", verdict="FAIL", expected="INCONCLUSIVE", as_expected=False, place="here"),
        "dead_maps must not fail so: FAIL here",
    ),
    "one that no gate runs": (
        update("mistake2_1", **{**MISSED, "verdict": "NOT_ASKED"}),
        "mistake2_1 is NOT ASKED: no gate runs what it changes",
    ),
    "a control that no gate runs": (
        update("control_0", verdict="NOT_ASKED"),
        "control_0 is NOT ASKED: no gate runs what it changes",
    ),
    "one that is mistyped": (
        update("mistake2_1", detected=False, localised=False, raised=True, misplanted="is mistyped: NameError"),
        "mistake2_1 is mistyped: NameError",
    ),
    "a gate without power": (update("weights", smallest=None), "weights does not see: change for weights"),
}


@pytest.mark.parametrize("case", SHORTCOMINGS)
def test_each_shortcoming_is_named(case: str):
    change, line = SHORTCOMINGS[case]
    assert shortcomings(change) == [line]


@pytest.mark.parametrize(
    "change",
    [
        update("mistake2_3", **MISSED),
        update("mistake1_3", localised=False),
        update("mistake2_3 mistake2_4 mistake3_0", localised=False),
        update("control_0", verdict="FAIL", first_failing_gate="gradcam", expected_gates=["gradcam"]),
        update("dead_maps", verdict="INCONCLUSIVE", expected="INCONCLUSIVE"),
    ],
    ids=["19 of 20 of tier 2", "19 of 20 at the place", "tiers 2 and 3 elsewhere", "control where it may", "probe as expected"],
)
def test_what_may_be_is_no_shortcoming(change: Change):
    assert shortcomings(change) == []


@pytest.mark.parametrize("id", ["mistake2_0", "mistake3_0", "control_0", "hazard_0"])
def test_what_was_not_planted_is_a_shortcoming(id: str):
    assert f"{id} has no verdict: not planted: no such text" in shortcomings(update(id, **NOT_PLANTED))


def test_a_suite_that_planted_nothing_has_a_shortcoming_for_each_fault():
    def plant_nothing(found: dict[str, Any]) -> None:
        for row in found["rows"]:
            row.update(NOT_PLANTED)

    found = shortcomings(plant_nothing)
    assert sum("has no verdict" in line for line in found) == 43
    assert sum("0 of" in line and " seen" in line for line in found) == 3


@pytest.mark.parametrize(
    ("verdict", "gate", "may", "expected"),
    [
        ("PASS", None, [], True),
        ("PASS", None, ["gradcam"], True),
        ("FAIL", "gradcam", ["gradcam"], True),
        ("FAIL", "gradcam", [], False),
        ("FAIL", "loss", ["gradcam"], False),
        ("INCONCLUSIVE", None, ["gradcam"], False),
        ("NOT_RUN", None, [], False),
    ],
)
def test_a_control_may_fail_only_where_it_says(verdict: str, gate: str | None, may: list[str], expected: bool):
    row = control_row("control", "control", verdict=verdict, first_failing_gate=gate, expected_gates=may)
    assert is_as_expected(row) is expected


def test_the_headline_counts_mistakes_and_clean_runs():
    found = perfect()
    assert headline(make_scorecard(**found)) == (
        "this harness catches 41 of 41 planted faults, 41 at the right place; 2 of 2 clean runs PASS"
    )
    update("mistake1_0", **MISSED)(found)
    update("mistake1_1", localised=False)(found)
    update("clean_01", verdict="FAIL")(found)
    assert headline(make_scorecard(**found)) == (
        "this harness catches 40 of 41 planted faults, 39 at the right place; 1 of 2 clean runs PASS"
    )


def test_the_tables_name_what_was_missed_or_seen_elsewhere(tmp_path: Path):
    found = perfect()
    update("mistake1_7", **MISSED)(found)
    update("mistake2_4", localised=False, first_failing_gate="blocks", place="blocks/float64/stem")(found)
    update("control_0", verdict="FAIL", first_failing_gate="loss")(found)
    update("mistake3_0", emulates="another machine")(found)
    card = make_scorecard(**found)
    text = render(card, tmp_path)
    lines = text.splitlines()
    assert f"FAIL: {headline(card)}" in lines
    assert all(f"  {line}" in lines for line in card["shortcomings"])
    assert [line.split() for line in lines if line.startswith("mistake1_7 ")] == [["mistake1_7", "loss", "none"]]
    assert [line.split() for line in lines if line.startswith("mistake2_4 ")] == [
        ["mistake2_4", "loss", "blocks", "blocks/float64/stem"]
    ]
    assert [line.split() for line in lines if line.startswith("control ")] == [["control", "control_0", "FAIL", "NO"]]
    assert "  mistake3_0: another machine" in lines
    assert "mistake1_8" not in text
    assert lines[-1] == f"scorecard: {tmp_path / 'scorecard.json'}"


def test_a_perfect_suite_is_rendered_as_passed(tmp_path: Path):
    card = make_scorecard(**perfect())
    text = render(card, tmp_path)
    assert f"PASS: {headline(card)}" in text.splitlines()
    assert "not seen, or elsewhere" not in text
    assert [line.split() for line in text.splitlines() if line.startswith("all ")] == [["all", "41", "41", "41", "61.5"]]


def test_the_gates_that_were_asked_for_are_shown_fault_by_fault(tmp_path: Path):
    found = {**perfect(), "gates": ("loss", "gradcam")}
    update("mistake1_0", gates={"loss": "FAIL", "gradcam": "PASS"})(found)
    lines = [line.split() for line in render(make_scorecard(**found), tmp_path).splitlines()]
    assert ["fault", "loss", "gradcam"] in lines
    assert ["mistake1_0", "FAIL", "PASS"] in lines
    assert ["fault", "loss", "gradcam"] not in [
        line.split() for line in render(make_scorecard(**perfect()), tmp_path).splitlines()
    ]


def test_each_gate_has_its_faults_and_its_power():
    found = perfect()
    found["rows"] = [
        fault_row("a", first_failing_gate="loss"),
        fault_row("b", first_failing_gate="blocks"),
        fault_row("c", first_failing_gate=None, config_named="seed"),
        fault_row("d", **MISSED),
    ]
    rows = {row["gate"]: (row["caught"], describe_power(row["power"])) for row in gate_rows(make_scorecard(**found))}
    assert rows == {
        "config": (["Sentence of c."], ""),
        "weights": ([], "1.2e-10: change for weights"),
        "blocks": (["Sentence of b."], ""),
        "loss": (["Sentence of a."], "1.2e-10: change for loss"),
    }


@pytest.fixture(scope="module")
def code() -> str:
    return hash_code()


def write_card(folder: Path, **changes: Any) -> Path:
    path = folder / "scorecard.json"
    path.write_text(json.dumps({**make_scorecard(**perfect()), **changes}), encoding="utf-8")
    return path


def test_the_summary_of_a_whole_suite_of_this_code_is_read(tmp_path: Path, code: str):
    assert read_summary(write_card(tmp_path, code=code)) == {
        "headline": "this harness catches 41 of 41 planted faults, 41 at the right place; 2 of 2 clean runs PASS",
        "gates": [
            {"gate": "weights", "caught": 0, "smallest": "1.2e-10: change for weights"},
            {"gate": "loss", "caught": 41, "smallest": "1.2e-10: change for loss"},
        ],
        "shortcomings": [],
    }


@pytest.mark.parametrize(
    "changes",
    [{"code": "of yesterday"}, {"whole": False}, {"schema": "parity-faults/0"}],
    ids=["stale", "partial", "another schema"],
)
def test_a_scorecard_of_something_else_is_not_read(tmp_path: Path, code: str, changes: dict[str, Any]):
    assert read_summary(write_card(tmp_path, **{"code": code, **changes})) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "null", '{"schema": "parity-faults/1"}', "\xff"])
def test_a_broken_scorecard_is_not_read(tmp_path: Path, content: str):
    path = tmp_path / "scorecard.json"
    path.write_bytes(content.encode("latin-1"))
    assert read_summary(path) is None


def test_a_scorecard_that_is_not_there_is_not_read(tmp_path: Path):
    assert read_summary(tmp_path / "scorecard.json") is None
