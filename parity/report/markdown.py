"""report.json -> report.md: the story for a pull request or a CI summary, at most `LIMIT_BYTES` whatever the run."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Sequence
from typing import Any

from parity.report import summary
from parity.report.markdown_measurements import render_curves, render_gradcam, render_lockstep, render_throughput
from parity.report.notation import show_difference, show_figure, show_headroom, show_score, show_seconds
from parity.report.room import WHERE, Room
from parity.report.schema import Report
from parity.report.text import make_printable

LIMIT_BYTES = 60_000
_SYMBOLS = {
    "PASS": "✅ PASS",
    "WAIVED": "⚠️ WAIVED",
    "INCONCLUSIVE": "❔ INCONCLUSIVE",
    "NOT_RUN": "⬜ NOT RUN",
    "FAIL": "❌ FAIL",
}


def render_markdown(report: Report) -> str:
    """Return the report as GitHub-flavoured Markdown of at most `LIMIT_BYTES` bytes in UTF-8."""
    report = make_printable(report)
    for rows, characters in ((80, 240), (40, 160), (20, 120), (10, 80), (5, 60), (2, 40)):
        text = _render(report, Room(rows=rows, characters=characters))
        if len(text.encode()) <= LIMIT_BYTES:
            return text
    raise AssertionError("the smallest room bounds every table and every text")


def _render(report: Report, room: Room) -> str:
    lines = _head(report, room)
    for title, section in _SECTIONS:
        body = section(report, room)
        if body:
            lines += [f"## {title}", "", *body]
    return "\n".join(lines).rstrip() + "\n"


def _head(report: Report, room: Room) -> list[str]:
    run, data, coverage = report["run"], report["run"]["data"], report["coverage"]
    headline = report["headline"].removeprefix(report["verdict"]).strip()
    lines = ["# Parity report", "", f"**{_SYMBOLS[report['verdict']]}** {room.text(headline)}", ""]
    lines += [summary.explain_verdict(report), ""]
    if report["place"]:
        lines += [
            f"**First failing gate:** {room.text(report['place']['words'].removeprefix('first failing gate: '))}",
            "",
        ]
    if run["demo"]:
        lines += [f"> **{summary.DEMO}**", ""]
    splits = ", ".join(f"{name} {count}" for name, count in list(data["counts"].items())[:9])
    source = (
        f"{room.text(data['resolution'])}, split {room.code(data['split'])}, image scale {show_figure(data['image_scale'])}"
    )
    facts = [
        f"{data['images']:,} images ({room.text(splits)}) at {source}",
        f"architecture {room.code(run['arch'])}, profile {room.code(run['profile'])}",
        f"{coverage['expected']:,} recorded pairs expected = {coverage['compared']:,} compared + {coverage['waived']:,} waived",
        f"legacy {'unwitnessed' if run['witness'] is None else 'held against a witness'}; "
        f"run {room.code(run['id'])}, started {room.text(run['started'])}, took {show_seconds(run['elapsed_s'])}",
    ]
    return [*lines, *(f"- {fact}" for fact in facts), ""]


def _left_out(report: Report, room: Room) -> list[str]:
    rows = summary.find_left_out(summary.make_gate_rows(report))
    headers = ("Gate", "Required", "What it would have answered", "Why")
    return room.table(
        headers,
        rows,
        lambda row: (room.code(row.gate), _yes(row.required), room.text(row.question), room.text(row.why_not)),
    )


def _gates(report: Report, room: Room) -> list[str]:
    headers = ("Gate", "Verdict", "Worst check", "Observed:", "Limit:", "Headroom:", "Noise floor:", "n:")
    rows = [row for row in summary.make_gate_rows(report) if row.ran]
    return room.table(headers, rows, lambda row: _gate_cells(row, room))


def _gate_cells(row: summary.GateRow, room: Room) -> list[str]:
    verdict = (
        _SYMBOLS[row.verdict] + ("" if row.required else " (informing)") + (f"<br>{room.text(row.note)}" if row.note else "")
    )
    if row.worst is None:
        return [room.code(row.gate), verdict, *[""] * 6]
    return [room.code(row.gate), verdict, *_check_cells(row.gate, row.worst, room)]


def _check_cells(gate: str, check: summary.Check, room: Room) -> list[str]:
    figures = (
        show_figure(check["observed"]),
        show_figure(check["limit"]),
        show_headroom(summary.check_headroom(check)),
    )
    name = room.code(summary.shorten_check_id(check["id"], gate))
    return [name, *figures, show_figure(check["noise_floor"]), show_figure(check["n"])]


def _open_checks(report: Report, room: Room) -> list[str]:
    room = dataclasses.replace(room, rows=max(1, room.rows // 4))
    headers = ("Gate", "Verdict", "Check", "Observed:", "Limit:", "Headroom:", "Noise floor:", "n:", "Worst", "Reason")
    return room.table(headers, list(summary.find_open_checks(report)), lambda found: _open_cells(found[0], found[1], room))


def _open_cells(gate: str, check: summary.Check, room: Room) -> list[str]:
    why = (room.code(check["worst"] or ""), room.text(check["reason"] or ""))
    return [room.code(gate), _SYMBOLS[check["verdict"]], *_check_cells(gate, check, room), *why]


def _faults(report: Report, room: Room) -> list[str]:
    found = report["faults"]
    if found is None:
        return ["No suite of planted faults was run with this code (`nox -s faults`).", ""]
    lines = [f"{room.text(found['headline'])}.", ""]
    lines += [f"- {room.text(line)}" for line in found["shortcomings"][: room.rows]]
    lines += [""] if found["shortcomings"] else []
    headers = ("Gate", "Faults caught here first:", "Smallest fault it sees")
    return lines + room.table(
        headers, found["gates"], lambda row: (room.code(row["gate"]), str(row["caught"]), room.text(row["smallest"]))
    )


def _decisions(report: Report, room: Room) -> list[str]:
    if not report["ledger"]:
        return []
    counts = summary.count_decisions(report)
    lines = [", ".join(f"{count:,} {status}" for status, count in counts.items() if count) + ".", ""]
    headers = ("Image", "Input", "Label", "Legacy", "Port", "Largest difference:", "Margins:", "Status")
    return lines + room.table(headers, summary.find_changed_decisions(report), lambda row: _decision_cells(row, room))


def _decision_cells(row: summary.Check, room: Room) -> list[str]:
    answers = [room.code(row[side]["prediction"]) if row[side] else "missing" for side in ("reference", "candidate")]
    margins = " / ".join(show_score(value) for value in row["margin"])
    found = [show_figure(row["difference"]), margins, summary.decision_status(row)]
    return [room.code(row["image"]), _source(row, room), room.code(row["label"] or ""), *answers, *found]


def _source(row: summary.Check, room: Room) -> str:
    return room.text(" ".join(filter(None, (row["kind"], row["split"]))))


def _per_class(report: Report, room: Room) -> list[str]:
    if not report["per_class"]:
        return []
    headers = ("Input", "Class", "n:", *(f"{title}:" for title in summary.SCORE_TITLES.values()))
    return [
        "Legacy → port (difference).",
        "",
        *room.table(headers, report["per_class"], lambda row: _score_cells(row, room)),
    ]


def _score_cells(row: summary.Check, room: Room) -> list[str]:
    scores = [_score_cell(row["reference"][key], row["candidate"][key]) for key in summary.SCORE_TITLES]
    return [_source(row, room), room.code(row["class"]), f"{row['support']:,}", *scores]


def _score_cell(reference: Any, candidate: Any) -> str:
    if reference == candidate:
        return show_score(reference) if reference is None else f"{show_score(reference)} (=)"
    return f"{show_score(reference)} → {show_score(candidate)} ({show_difference(reference, candidate)})"


def _confusion(report: Report, room: Room) -> list[str]:
    rows = [
        (row, *lines)
        for row in report["confusion"]
        for lines in zip(row["classes"], row["reference"], row["candidate"], strict=True)
    ]
    lines = room.table(("Input", "True class", "Legacy:", "Port:", "Different"), rows, lambda found: _count_cells(found, room))
    order = room.text(", ".join(summary.find_classes(report)))
    return [f"Counts of predictions, in the order {order}.", "", *lines] if lines else []


def _count_cells(found: tuple[summary.Check, str, list[int], list[int]], room: Room) -> list[str]:
    row, label, before, after = found
    return [_source(row, room), room.code(label), _counts(before), _counts(after), _yes(before != after)]


def _counts(values: Sequence[int]) -> str:
    return " · ".join(f"{value:,}" for value in values[:20]) + (" · …" if len(values) > 20 else "")


def _declared(report: Report, room: Room) -> list[str]:
    lines = room.table(
        ("Declared difference", "Reason", "Owner"),
        report["declared"],
        lambda row: (room.code(row["name"]), *_why_cells(row, room)),
    )
    waived = room.table(
        ("Waiver", "Reason", "Owner", "Expires", "Waived:"),
        report["waivers"],
        lambda row: (room.code(row["check"]), *_why_cells(row, room), room.text(row["expiry"]), str(row["waived"])),
    )
    return [*(lines or ["No declared differences.", ""]), *(waived or ["No waivers.", ""])]


def _why_cells(row: summary.Check, room: Room) -> list[str]:
    return [room.text(row["reason"]), room.text(row["owner"])]


def _repeat(report: Report, room: Room) -> list[str]:
    run = {key: value for key, value in report["run"].items() if key not in ("command", "environments")}
    run |= {"timings_s": report["timings"], "disk": report["disk"]}
    for name, environment in report["run"]["environments"].items():
        run[f"environment {name}"] = {key: value for key, value in environment.items() if key != "packages"}
    command = room.code(shlex.join(report["run"]["command"]))
    facts = room.table(("What", "Value"), list(summary.flatten(run)), lambda row: map(room.code, row))
    return [f"Command: {command}. Package versions are in {WHERE}.", "", *facts]


def _yes(value: bool) -> str:
    return "yes" if value else "no"


_SECTIONS: Sequence[tuple[str, Callable[[Report, Room], list[str]]]] = (
    ("What was not run", _left_out),
    ("Gates", _gates),
    ("Checks that do not pass", _open_checks),
    ("Planted faults", _faults),
    ("Decisions", _decisions),
    ("Scores by class", _per_class),
    ("Confusion matrices", _confusion),
    ("Error along the network", render_curves),
    ("Losses of lockstep", render_lockstep),
    ("Grad-CAM", render_gradcam),
    ("Throughput", render_throughput),
    ("Declared differences and waivers", _declared),
    ("To repeat this run", _repeat),
)
