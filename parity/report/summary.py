"""What every rendering says, worked out once from report.json: worst checks, what was not run, what changed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parity.report.notation import headroom
from parity.report.schema import Report
from parity.verdict import Verdict

Check = Mapping[str, Any]

SENTENCES: Mapping[str, str] = {
    "PASS": "Every required gate holds: on what this report covers, the port is the same function as the legacy.",
    "FAIL": "The port is not the same function as the legacy.",
    "INCONCLUSIVE": "The evidence has no power: it would look the same for a port that is wrong.",
    "NOT_RUN": "A required gate has no result, so there is no verdict on the port.",
}
BROKEN_RULE = "A rule of the run was broken, so that its gates do not count."
BUT_FOR_WAIVERS = "Every required gate holds but for what is waived: there the port is not, or need not be, the same function."
DEMO = (
    "Demo: synthetic tissue and a checkpoint trained on it. It shows that the harness works and says nothing about real data."
)
VERDICT_LABELS: Mapping[str, str] = {"NOT_RUN": "NOT RUN"}
KIND_TITLES: Mapping[str, str] = {
    "evaluation": "Evaluation batches, the same bytes into both sides",
    "augmented": "Augmented training batches, the same bytes into both sides",
    "raw": "Raw files, both command lines as shipped",
}
CURVE_TITLES: Mapping[str, str] = {
    "inference": "Free running: the error each tap inherits and adds",
    "blocks": "Block by block: each block fed with the legacy's own input",
}
SCORE_TITLES: Mapping[str, str] = {
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "roc_auc": "ROC-AUC",
    "mcc": "MCC",
}


def explain_verdict(report: Report) -> str:
    """Return what the verdict means, in a sentence."""
    if report["broken"]:
        return BROKEN_RULE
    return BUT_FOR_WAIVERS if passes_but_for_waivers(report) else SENTENCES[report["verdict"]]


def passes_but_for_waivers(report: Report) -> bool:
    """Return whether a run passes only because somebody answers for what fails."""
    waived = any(gate["verdict"] == Verdict.WAIVED.value for gate in report["gates"])
    return waived and report["verdict"] == Verdict.PASS.value


@dataclass(frozen=True, kw_only=True)
class GateRow:
    """One line of the table of gates."""

    gate: str
    verdict: str
    required: bool
    question: str
    protects_from: str
    worst: Check | None
    note: str
    counts: Mapping[str, int]
    checks: Sequence[Check]

    @property
    def ran(self) -> bool:
        """Whether there is something to show for it."""
        return bool(self.checks) or self.verdict != "NOT_RUN"

    @property
    def why_not(self) -> str:
        """Why there is no result."""
        return self.note or (self.worst["reason"] or "" if self.worst else "")

    @property
    def is_explained(self) -> bool:
        """Whether one of the checks bears the verdict of the gate."""
        return self.worst is not None and self.worst["verdict"] == self.verdict

    @property
    def headroom(self) -> float | None:
        """Headroom of the worst check."""
        return check_headroom(self.worst) if self.worst else None


def check_headroom(check: Check) -> float | None:
    """Return limit divided by observed."""
    return headroom(check["observed"], check["limit"])


def make_gate_rows(report: Report) -> list[GateRow]:
    """Return one row per gate, in the order of the contract."""
    return [
        GateRow(
            gate=gate["gate"],
            verdict=gate["verdict"],
            required=gate["required"],
            question=gate["question"],
            protects_from=gate.get("protects_from") or "",
            worst=find_worst_check(gate["checks"]),
            note=_make_note(gate),
            counts=_count_verdicts(gate["checks"]),
            checks=gate["checks"],
        )
        for gate in report["gates"]
    ]


def _make_note(gate: Mapping[str, Any]) -> str:
    notes = [f"follows from {gate['follows_from']}"] if gate.get("follows_from") else []
    expected, compared, waived = (gate.get(key) or 0 for key in ("expected", "compared", "waived"))
    if gate["checks"] and expected != compared + waived:
        notes.append(f"{compared} of {expected} recorded pairs compared, {waived} waived")
    if gate.get("reason"):
        notes.append(gate["reason"])
    return "; ".join(notes)


def _count_verdicts(checks: Iterable[Check]) -> dict[str, int]:
    found = [check["verdict"] for check in checks]
    return {verdict.value: found.count(verdict.value) for verdict in reversed(Verdict) if verdict.value in found}


def find_worst_check(checks: Sequence[Check]) -> Check | None:
    """Return the check with the worst verdict and, among those, the least headroom; None where there is no check.

    Not-a-number is worse than any number.
    """

    def key(check: Check) -> tuple[int, float]:
        room = -1.0 if check["observed"] == "nan" else check_headroom(check)
        return -Verdict(check["verdict"]).severity, math.inf if room is None else room

    return min(checks, key=key, default=None)


def shorten_check_id(check_id: str, gate: str) -> str:
    """Return a check id without its gate, for places where the gate stands beside it."""
    return check_id.removeprefix(f"{gate}/")


def find_left_out(rows: Iterable[GateRow]) -> list[GateRow]:
    """Return the gates that have no result."""
    return [row for row in rows if row.verdict == "NOT_RUN"]


def find_open_checks(report: Report) -> Iterator[tuple[str, Check]]:
    """Yield gate and check of all checks that do not pass, in the order of the gates."""
    for gate in report["gates"]:
        for check in gate["checks"]:
            if check["verdict"] != "PASS":
                yield gate["gate"], check


def decision_status(row: Mapping[str, Any]) -> str:
    """Return in a word what happened to a decision."""
    if row["reference"] is None or row["candidate"] is None:
        return "missing"
    if row["changed"]:
        return "tie" if row["tie"] else "changed"
    return "same"


def find_changed_decisions(report: Report) -> list[Mapping[str, Any]]:
    """Return the rows whose decision changed or that one side lacks, ties last."""
    order = {"missing": 0, "changed": 1, "tie": 2}
    rows = [row for row in report["ledger"] if decision_status(row) in order]
    return sorted(rows, key=lambda row: order[decision_status(row)])


def count_decisions(report: Report) -> dict[str, int]:
    """Return how many decisions there are of each status."""
    found = [decision_status(row) for row in report["ledger"]]
    return {status: found.count(status) for status in ("same", "changed", "tie", "missing")}


def group_by_source(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    """Return rows by kind of input and split, in order of appearance."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["kind"], row["split"] or ""), []).append(row)
    return groups


def source_title(kind: str, split: str) -> str:
    """Return a heading for a kind of input and a split."""
    title = KIND_TITLES.get(kind, kind)
    return f"{title}: {split}" if split else title


def find_classes(report: Report) -> list[str]:
    """Return the class names in the order of the probabilities, as the confusion matrices give them."""
    return list(report["confusion"][0]["classes"]) if report["confusion"] else []


def make_curve_rows(curve: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return for each tap: name, float64 error, its limit, float32 error, noise floor, its limit."""
    keys = ("float64", "limit_float64", "float32", "noise_floor", "limit_float32")
    n = len(curve["taps"])
    columns = [curve[key] if isinstance(curve[key], list) else [curve[key]] * n for key in keys]
    return list(zip(curve["taps"], *columns, strict=True))


def flatten(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the leaves of a JSON value as (dotted name, text).

    >>> list(flatten({"host": {"cores": 2}, "splits": ["val", "test"]}))
    [('host.cores', '2'), ('splits', 'val, test')]
    """
    if isinstance(value, dict):
        for key, item in value.items():
            yield from flatten(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and not any(isinstance(item, dict | list) for item in value):
        yield name, ", ".join(_show_leaf(item) for item in value)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from flatten(item, f"{name}[{index}]")
    else:
        yield name, _show_leaf(value)


def _show_leaf(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
