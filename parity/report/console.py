"""report.json -> text for a terminal: one table of gates, where it first fails, the headline, the path of the report."""

from __future__ import annotations

import io
import os
import sys
import textwrap
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from tabulate import tabulate

from parity.report.notation import show_figure, show_headroom
from parity.report.schema import Report
from parity.report.summary import (
    DEMO,
    VERDICT_LABELS,
    GateRow,
    count_decisions,
    make_gate_rows,
    shorten_check_id,
)
from parity.report.text import cut_middle, make_printable

WIDTH = 120
_HEADERS = ("gate", "verdict", "worst check", "observed", "limit", "headroom", "noise floor")
_COLOURS = {"PASS": "green", "FAIL": "bold red", "INCONCLUSIVE": "yellow", "NOT RUN": "yellow", "WAIVED": "yellow"}
_CHECK_WIDTH = 42
_LEGEND = "headroom: limit / observed. noise floor: the legacy's own float32 error, judged by its float64."


def render_console(report: Report, *, folder: Path | None = None, colour: bool | None = None) -> str:
    """Return the report as text of at most `WIDTH` columns.

    Args:
        report: As `read_report` returns it.
        folder: Where the renderings are; its path is the last line.
        colour: Whether to colour the verdicts; None asks the terminal (and the variable NO_COLOR).

    Returns:
        Lines, each ended.
    """
    report = make_printable(report)
    rows = make_gate_rows(report)
    shown = [row for row in rows if row.ran or row.required]
    left_out = [row.gate for row in rows if row not in shown]
    parts = [_make_table(shown), "", _wrap(_LEGEND)]
    if left_out:
        parts.append(_wrap(f"not run, not required: {', '.join(left_out)}"))
    parts += ["", *_make_place(report), *_make_decisions(report), ""]
    if report["run"]["demo"]:
        parts.append(_wrap(DEMO))
    parts.append(_wrap(report["headline"]))
    if folder is not None:
        parts.append(f"report: {make_printable(str(folder / 'report.html'))}")
    return _paint("\n".join(parts), _has_colour() if colour is None else colour)


def _make_table(rows: list[GateRow]) -> str:
    cells = [_make_row(row) for row in rows]
    align = ("left", "left", "left", "right", "right", "right", "right")
    return tabulate(cells, headers=_HEADERS, tablefmt="simple", colalign=align if cells else None, disable_numparse=True)


def _make_row(row: GateRow) -> list[str]:
    name, verdict = _ascii(row.gate, 14), VERDICT_LABELS.get(row.verdict, row.verdict)
    if row.worst is None or not row.is_explained:
        return [name, verdict, _ascii(row.note, _CHECK_WIDTH), "", "", "", ""]
    return [
        name,
        verdict,
        _ascii(shorten_check_id(row.worst["id"], row.gate), _CHECK_WIDTH),
        show_figure(row.worst["observed"]),
        show_figure(row.worst["limit"]),
        show_headroom(row.headroom),
        show_figure(row.worst["noise_floor"]),
    ]


def _make_place(report: Report) -> list[str]:
    if report["place"] is None:
        return []
    words = report["place"]["words"]
    return [_wrap(words if words.startswith("first failing") else f"first failing gate: {words}")]


def _make_decisions(report: Report) -> list[str]:
    counts = count_decisions(report)
    if not report["ledger"]:
        return []
    tie = f", {counts['tie']} of them a tie" if counts["tie"] else ""
    missing = f", {counts['missing']} missing on one side" if counts["missing"] else ""
    changed = counts["changed"] + counts["tie"]
    return [_wrap(f"decisions: {changed} of {len(report['ledger'])} changed{tie}{missing}")]


def _ascii(text: str, width: int) -> str:
    """Return text in which every character is one column wide, so that the columns stay in line."""
    shown = text.encode("ascii", "backslashreplace").decode("ascii")
    return shown if len(shown) <= width else cut_middle(shown, width - 2).replace("…", "...")


def _wrap(text: str) -> str:
    """Return `text` in lines of at most `WIDTH` columns, wide characters counted as two."""
    lines = textwrap.wrap(text, WIDTH, break_long_words=True, break_on_hyphens=False) or [""]
    return "\n".join(line if cell_len(line) <= WIDTH else "\n".join(textwrap.wrap(line, WIDTH // 2)) for line in lines)


def _has_colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _paint(text: str, colour: bool) -> str:
    if not colour:
        return text + "\n"
    painted = Text(text)
    for word, style in _COLOURS.items():
        painted.highlight_regex(rf"\b{word}\b", style)
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=10_000, legacy_windows=False)
    console.print(painted, soft_wrap=True)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
