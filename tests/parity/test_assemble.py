"""Headline and place: what the reader of a verdict sees first."""

from __future__ import annotations

import pytest

from parity.assemble import _gate_dict, _place_dict, find_place, make_headline
from parity.contract import GATES
from parity.verdict import Check, GateResult, Verdict

REQUIRED = ("config", "weights", "blocks")


def gate(name: str, verdict: Verdict, worst: str = "here") -> GateResult:
    if verdict is Verdict.NOT_RUN:
        return GateResult(gate=name, checks=(), expected=0, compared=0)
    check = Check(id=f"{name}/float64/tap/max_rel", verdict=verdict, observed=1.0, limit=0.5, n=1, worst=worst)
    return GateResult(gate=name, checks=(check,), expected=1, compared=1)


def results(**verdicts: Verdict) -> list[GateResult]:
    return [gate(name, verdicts.get(name, Verdict.NOT_RUN)) for name in GATES]


def test_the_headline_counts():
    found = results(config=Verdict.PASS, weights=Verdict.PASS, blocks=Verdict.PASS, throughput=Verdict.PASS)
    line = make_headline(Verdict.PASS, found, REQUIRED, witnessed=False, demo=True)
    assert line.startswith("PASS (3 of 3 required gates; 17 not run: freeze, numerics,")
    assert line.endswith("legacy unwitnessed; DEMO)")
    assert "unwitnessed" not in make_headline(Verdict.PASS, found, REQUIRED, witnessed=True, demo=False)


def test_the_first_failing_gate_is_the_place():
    found = results(config=Verdict.PASS, weights=Verdict.FAIL, blocks=Verdict.FAIL)
    place = find_place(found)
    assert place is not None
    assert place.gate == "weights"
    follows = {row["gate"]: row["follows_from"] for row in (_gate_dict(result, REQUIRED, place) for result in found)}
    assert follows["blocks"] == "weights"
    assert follows["weights"] is None
    assert follows["config"] is None


def test_config_may_fail_before_the_place_and_names_the_parameter():
    found = results(config=Verdict.FAIL, blocks=Verdict.FAIL)
    place = _place_dict(found)
    assert place is not None
    assert place["gate"] == "blocks"
    assert place["check"] == "blocks/float64/tap/max_rel"
    assert place["words"].endswith("config names here")


def test_config_is_the_place_when_it_alone_can_know():
    place = _place_dict(results(config=Verdict.FAIL, blocks=Verdict.PASS))
    assert place is not None
    assert place["gate"] == "config"


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.NOT_RUN])
def test_without_a_failure_there_is_no_place(verdict: Verdict):
    assert _place_dict(results(config=verdict)) is None
