"""The scorecard: what was planted, what was seen, and where; as JSON (``parity-faults/1``), as a verdict, as tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from parity.contract import GATES
from parity.faults.runs import NOT_ASKED
from parity.reuse import LOCKS, PACKAGES, hash_files
from parity.tolerance import read_gates_file
from parity.verdict import Verdict, worst
from parity.workspace import PROJECT

SCHEMA = "parity-faults/1"
FOLDER = PROJECT / "runs" / "faults"  # of whole suites; a selection must not replace what a whole one found
SELECTION_FOLDER = PROJECT / "runs" / "faults-selection"
SCORECARD = FOLDER / "scorecard.json"
MISTAKES = ("1", "2", "3")
Row = Mapping[str, Any]


def make_scorecard(
    *,
    correct: Row,
    rows: Sequence[Row],
    clean: Sequence[Row],
    power: Sequence[Row],
    code: str,
    whole: bool,
    elapsed_s: float,
    gates: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the scorecard.

    Args:
        correct: Verdict of the correct port, as the suite found it first.
        rows: Of every fault, control and hazard.
        clean: Of every further run of the correct port.
        power: The smallest fault of each gate.
        code: Hash of what the scorecard speaks of.
        whole: Whether everything that there is was planted.
        elapsed_s: How long it took.
        gates: Gates that alone were recorded of every fault; none: all, up to the first that failed.
    """
    mistakes = [row for row in rows if row["tier"] in MISTAKES]
    made = {
        "schema": SCHEMA,
        "code": code,
        "whole": whole,
        "elapsed_s": round(elapsed_s, 1),
        "gates": list(gates),
        "correct_port": {
            "verdict": worst(Verdict(row["verdict"]) for row in (correct, *(row for row in clean if row["clean"]))).value,
            "gates": dict(correct["gates"]),
            "runs": [dict(row) for row in clean if row["clean"]],
        },
        "faults": [dict(row) for row in mistakes],
        "controls": [{**row, "as_expected": is_as_expected(row)} for row in rows if row["tier"] == "control"],
        "hazards": [{**row, "as_expected": is_as_expected(row)} for row in rows if row["tier"] == "hazard"]
        + [{**row, "tier": "hazard"} for row in clean if not row["clean"]],
        "score": _score(mistakes),
        "by_tier": {tier: _score([row for row in mistakes if row["tier"] == tier]) for tier in MISTAKES},
        "power": [dict(row) for row in power],
    }
    return {**made, "shortcomings": list_shortcomings(made)}


def _score(rows: Sequence[Row]) -> dict[str, int]:
    return {
        "detected": sum(row["detected"] for row in rows),
        "localised": sum(row["localised"] for row in rows),
        "of": len(rows),
    }


def is_as_expected(row: Row) -> bool:
    """Return whether a control or a hazard passed, or failed only where it may; of a hazard `config` must not speak either."""
    if row["tier"] == "hazard" and row["config_named"] is not None:
        return False
    if row["verdict"] == Verdict.FAIL.value:
        return row["first_failing_gate"] in row["expected_gates"]
    return bool(row["verdict"] == Verdict.PASS.value)


def list_shortcomings(scorecard: Mapping[str, Any]) -> list[str]:
    """Return a line for everything that keeps the harness from being trusted; none is a pass."""
    found = _list_of_rows(scorecard)
    least_share = read_gates_file(PROJECT / "gates.toml").limit("faults/seen").value
    needed = ("faults", "controls", "hazards", "power") if scorecard["whole"] else ()
    found += [f"there are no {group}" for group in needed if not scorecard[group]]
    if scorecard["whole"] and not scorecard["correct_port"]["runs"]:
        found.append("there are no clean runs")
    if not any(scorecard[group] for group in ("faults", "controls", "hazards")):
        found.append("nothing was planted")
    if scorecard["correct_port"]["verdict"] != Verdict.PASS.value:
        bad = [row["id"] for row in scorecard["correct_port"]["runs"] if row["verdict"] != Verdict.PASS.value]
        found.append(f"the correct port must PASS, it is {scorecard['correct_port']['verdict']} {', '.join(bad)}".rstrip())
    for tier, score in scorecard["by_tier"].items():
        missed = [row["id"] for row in scorecard["faults"] if row["tier"] == tier and not row["detected"]]
        least = 1.0 if tier == "1" else least_share
        if score["detected"] < least * score["of"]:
            found.append(f"tier {tier}: {score['detected']} of {score['of']} seen; not {', '.join(missed)}")
    first = scorecard["by_tier"]["1"]
    if first["localised"] < least_share * first["of"]:
        found.append(f"tier 1: {first['localised']} of {first['of']} at the right place, at least {least_share:.0%} must be")
    for group in ("controls", "hazards"):
        found += [
            f"{row['id']} must not fail so: {row['verdict']} {row['place']}"
            for row in scorecard[group]
            if not row["as_expected"] and row["verdict"] not in (Verdict.NOT_RUN.value, NOT_ASKED)
        ]
    found += [
        f"{row['gate']} does not see: {row['sentence']} {row.get('reason', '')}".rstrip()
        for row in scorecard["power"]
        if row["smallest"] is None
    ]
    return found


def _list_of_rows(scorecard: Mapping[str, Any]) -> list[str]:
    """Return a line for each row that says nothing about the harness."""
    rows = [row for group in ("faults", "controls", "hazards") for row in scorecard[group]]
    return [
        *(f"{row['id']} has no verdict: {row['place']}" for row in rows if row["verdict"] == Verdict.NOT_RUN.value),
        *(f"{row['id']} is NOT ASKED: no gate runs what it changes" for row in rows if row["verdict"] == NOT_ASKED),
        *(f"{row['id']} {row['misplanted']}" for row in rows if row.get("misplanted")),
    ]


def hash_code() -> str:
    """Return one hash over what a scorecard speaks of: the harness, both sides, the limits and the locks."""
    code = [path for package in ("parity", *PACKAGES.values()) for path in (PROJECT / package).rglob("*.py")]
    return hash_files([*code, PROJECT / "gates.toml", *(path for lock in LOCKS.values() if (path := PROJECT / lock).is_file())])


def read_summary(path: Path) -> dict[str, Any] | None:
    """Return what a report says of a whole suite; None if there is none, or none of this code."""
    try:
        scorecard = json.loads(path.read_text(encoding="utf-8"))
        if scorecard["schema"] != SCHEMA or not scorecard["whole"] or scorecard["code"] != hash_code():
            return None
        gates = [
            {"gate": row["gate"], "caught": len(row["caught"]), "smallest": describe_power(row["power"])}
            for row in gate_rows(scorecard)
        ]
        return {"headline": headline(scorecard), "gates": gates, "shortcomings": list(scorecard["shortcomings"])}
    except (OSError, ValueError, LookupError, TypeError):
        return None


def headline(scorecard: Mapping[str, Any]) -> str:
    """Return what the scorecard says, in one line."""
    score = scorecard["score"]
    words = f"this harness catches {score['detected']} of {score['of']} planted faults, {score['localised']} at the right place"
    clean = scorecard["correct_port"]["runs"]
    if clean:
        words += f"; {sum(row['verdict'] == 'PASS' for row in clean)} of {len(clean)} clean runs PASS"
    return words


def gate_rows(scorecard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return for each gate what it protects from, and the smallest fault that it sees."""
    smallest = {row["gate"]: row for row in scorecard["power"]}
    caught: dict[str, list[str]] = {gate: [] for gate in GATES}
    for row in scorecard["faults"]:
        if row["detected"]:
            caught[row["first_failing_gate"] or "config"].append(row["sentence"])
    return [
        {"gate": gate, "caught": sentences, "power": smallest.get(gate)}
        for gate, sentences in caught.items()
        if sentences or gate in smallest
    ]


def describe_power(row: Row | None) -> str:
    """Return the smallest fault of a gate in words.

    >>> describe_power({"smallest": 2.0**-33, "exact": False, "sentence": "relative change of one kernel"})
    '1.2e-10: relative change of one kernel'
    """
    if row is None or row["smallest"] is None:
        return ""
    return f"{row['smallest']:.2g}: {row['sentence']}" if not row["exact"] else f"1: {row['sentence']}"


def render(scorecard: Mapping[str, Any], folder: Path) -> str:
    """Return the tables and the headline for the console."""
    mistakes = scorecard["faults"]
    stages = list(dict.fromkeys(row["stage"] for row in mistakes))
    by_stage = [_stage_row(stage, [row for row in mistakes if row["stage"] == stage]) for stage in stages]
    parts = [tabulate([*by_stage, _stage_row("all", mistakes)], headers=("stage", "planted", "seen", "right place", "seconds"))]
    elsewhere = [
        (row["id"], ", ".join(row["expected_gates"]), row["first_failing_gate"] or "none", row["place"][:90])
        for row in mistakes
        if not (row["detected"] and row["localised"])
    ]
    if elsewhere:
        parts.append(tabulate(elsewhere, headers=("not seen, or elsewhere", "expected at", "failed at", "place")))
    if scorecard["gates"]:
        parts.append(_gates_table(scorecard))
    others = [*scorecard["controls"], *scorecard["hazards"]]
    if others:
        rows = [(row["tier"], row["id"], row["verdict"], "yes" if row["as_expected"] else "NO") for row in others]
        parts.append(tabulate(rows, headers=("", "must not fail", "verdict", "as it should")))
    if scorecard["power"]:
        seen = [(row["gate"], len(row["caught"]), describe_power(row["power"])) for row in gate_rows(scorecard)]
        parts.append(tabulate(seen, headers=("gate", "faults caught", "smallest fault it sees")))
    emulated = [f"  {row['id']}: {row['emulates']}" for row in mistakes if row.get("emulates")]
    if emulated:
        parts.append("emulated:\n" + "\n".join(emulated))
    verdict = "FAIL" if scorecard["shortcomings"] else "PASS"
    parts.append("\n".join([f"{verdict}: {headline(scorecard)}", *(f"  {line}" for line in scorecard["shortcomings"])]))
    return "\n\n".join([*parts, f"scorecard: {folder / 'scorecard.json'}"])


def _gates_table(scorecard: Mapping[str, Any]) -> str:
    """Return the verdict of each gate that was asked for, fault by fault."""
    faults = [row for group in ("faults", "controls", "hazards") for row in scorecard[group] if "tier" in row]
    rows = [(row["id"], *(row["gates"].get(gate, "") for gate in scorecard["gates"])) for row in faults]
    return str(tabulate(rows, headers=("fault", *scorecard["gates"])))


def _stage_row(stage: str, rows: Iterable[Row]) -> tuple[str, int, int, int, float]:
    rows = list(rows)
    score = _score(rows)
    return stage, score["of"], score["detected"], score["localised"], round(sum(row["seconds"] or 0.0 for row in rows), 1)
