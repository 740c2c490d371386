"""Whether to migrate, on one page, made from the measured rows: what is gained, what is lost, what stays unproven."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from parity.report import summary
from parity.report.notation import number_of, show_figure
from parity.report.room import Room
from parity.report.schema import Report
from parity.report.text import make_printable

SIGN_OFF_PROFILE = "full"
ROOM = Room(rows=40, characters=200)
NOTHING: Mapping[str, str] = {
    "gained": "Nothing that this run has measured.",
    "lost": "Nothing that this run has measured.",
    "declared": "No declared difference and no waiver.",
    "unproven": "Nothing that the harness knows how to ask.",
}


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """What a run says about the migration.

    Attributes:
        verdict: In words.
        gained: What is better with the port, or proven of it; a sentence each, as all below.
        lost: What is worse.
        declared: Where the port differs on purpose, or may differ for a while.
        unproven: What nobody can say after this run.
    """

    verdict: str
    gained: Sequence[str]
    lost: Sequence[str]
    declared: Sequence[str]
    unproven: Sequence[str]

    @property
    def parts(self) -> Iterator[tuple[str, Sequence[str], str]]:
        """Heading, sentences, and what to say where there are none."""
        headings = {
            "gained": "What is gained",
            "lost": "What is lost",
            "declared": "What differs",
            "unproven": "What is unproven",
        }
        for name, heading in headings.items():
            yield heading, getattr(self, name), NOTHING[name]


def make_recommendation(report: Report) -> Recommendation:
    """Return the recommendation of a report, from nothing but what stands in it."""
    unproven = list(_unproven(report))
    faster, slower = _speeds(report)
    return Recommendation(
        verdict=_verdict(report, unproven),
        gained=[*_proven(report), *faster],
        lost=slower,
        declared=[
            *(f"{row['name']}: {row['reason']}" for row in report["declared"]),
            *(f"waived until {row['expiry']} by {row['owner']}: {row['check']}, {row['reason']}" for row in report["waivers"]),
        ],
        unproven=unproven,
    )


def render_recommendation(report: Report) -> str:
    """Return the recommendation as Markdown."""
    report = make_printable(report)
    found = make_recommendation(report)
    lines = ["# Migration recommendation", "", f"**{ROOM.text(found.verdict)}**", "", ROOM.text(report["headline"]), ""]
    for heading, sentences, nothing in found.parts:
        shown = [f"- {ROOM.text(sentence)}" for sentence in sentences[: ROOM.rows]] or [nothing]
        lines += [f"## {heading}", "", *shown, ""]
    return "\n".join(lines).rstrip() + "\n"


def _verdict(report: Report, unproven: Sequence[str]) -> str:
    if report["broken"]:
        return "Do not migrate on this run: a rule of it was broken."
    if report["verdict"] == "FAIL":
        place = report["place"]["words"] if report["place"] else "see the gates"
        return f"Do not migrate: the port is another function. {place[0].upper()}{place[1:]}"
    if report["verdict"] != "PASS":
        return "Do not migrate yet: the evidence is not enough for a verdict."
    if report["run"]["demo"]:
        return "Nothing to decide: this is the demo, which shows that the harness works. Run it on your data and checkpoint."
    if summary.passes_but_for_waivers(report):
        return "The port holds but for what is waived below, and is not the same function there: its owners decide."
    if unproven:
        return "The port holds on everything that was asked. Before the legacy is deleted, settle what is unproven."
    return "Migrate: on everything that the harness asks, the port is the same function as the legacy."


def _proven(report: Report) -> Iterator[str]:
    counts = summary.count_decisions(report)
    if report["ledger"] and counts["same"] == len(report["ledger"]):
        yield f"The same answer for all {counts['same']:,} decisions that were compared."
    passed = [gate["gate"] for gate in report["gates"] if gate["verdict"] == "PASS" and gate["required"]]
    if passed:
        yield f"{len(passed)} required gates hold: {', '.join(passed)}."
    if report["faults"] is not None:
        yield f"The gates are worth it: {report['faults']['headline']}."


def _speeds(report: Report) -> tuple[list[str], list[str]]:
    faster: list[str] = []
    slower: list[str] = []
    for row in report["throughput"]:
        ratio = number_of(row["ratio"])
        if ratio is not None:
            words = f"{row['what']}: {show_figure(ratio)} times the legacy's {row['unit']} ({row['conditions']})."
            (faster if ratio >= 1.0 else slower).append(words)
    return faster, slower


def _unproven(report: Report) -> Iterator[str]:
    run = report["run"]
    for row in summary.find_left_out(summary.make_gate_rows(report)):
        yield f"{row.gate}: {row.question} ({row.why_not or 'not run'})"
    if run["witness"] is None:
        yield "That the frozen pipeline is what your production runs: no predictions of it were given (--witness)."
    if run["profile"] != SIGN_OFF_PROFILE:
        yield f"What only the profile {SIGN_OFF_PROFILE} asks: this was {run['profile']}."
    if "--images" in run["command"]:
        yield "What the images that were left out would have said (--images)."
    if set(run["devices"].values()) == {"cpu"}:
        yield "How either side computes on a GPU: both ran on the CPU."
    if report["faults"] is None:
        yield "What these gates would have caught: nox -s faults was not run with this code."
    if run["demo"]:
        yield "Anything about real tissue: this was the demo."
