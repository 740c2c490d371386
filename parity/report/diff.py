"""What changed between two runs: what was run, verdicts, checks, decisions. Times are not compared."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tabulate import tabulate

from parity.report.notation import NOTHING, number_of, show_figure
from parity.report.schema import Report
from parity.report.text import cut_middle, make_printable

MOST_ROWS = 40
CELL_WIDTH = 44
OF_THE_TIME = ("id", "started", "elapsed_s")  # no two runs share these
COMPARED = ("verdict", "observed", "limit", "noise_floor")
Row = tuple[str, str, str]
ABSENT: Mapping[str, Any] = {}


def render_diff(before: Report, after: Report) -> str:
    """Return a table for each part in which two reports differ, or nothing where they do not.

    Args:
        before: As `read_report` returns it.
        after: Another.

    Returns:
        Lines, each ended; empty where the two say the same.
    """
    before, after = make_printable(before), make_printable(after)
    parts = {
        "what was run": _changes(_without_times(before["run"]), _without_times(after["run"])),
        "verdicts": _changes(_verdicts(before), _verdicts(after)),
        "checks": _check_changes(before, after),
        "decisions of the port": _changes(_answers(before), _answers(after)),
        "declared, waived, broken": _changes(_exceptions(before), _exceptions(after)),
    }
    found = {title: list(rows) for title, rows in parts.items()}
    return "\n".join(_table(title, rows) for title, rows in found.items() if rows)


def _table(title: str, rows: Sequence[Row]) -> str:
    shown = [[cut_middle(cell, CELL_WIDTH) for cell in row] for row in rows[:MOST_ROWS]]
    more = f"and {len(rows) - MOST_ROWS:,} more\n" if len(rows) > MOST_ROWS else ""
    return tabulate(shown, headers=(title, "first run", "second run"), tablefmt="simple", disable_numparse=True) + "\n" + more


def _without_times(run: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in run.items() if key not in OF_THE_TIME}


def _changes(before: Any, after: Any, place: str = "") -> Iterator[Row]:
    """Yield what differs, with its place: in two dictionaries, down to the values that are none."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in _names(before, after):
            yield from _changes(before.get(key), after.get(key), f"{place}/{key}" if place else key)
    elif before != after:
        yield place, _show(before), _show(after)


def _show(value: Any) -> str:
    if value is None or isinstance(value, int | float):
        return show_figure(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _names(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys([*before, *after]))


def _verdicts(report: Report) -> dict[str, str]:
    return {"run": report["headline"], **{gate["gate"]: gate["verdict"] for gate in report["gates"]}}


def _exceptions(report: Report) -> dict[str, Any]:
    return {key: report[key] for key in ("declared", "waivers", "broken")}


def _answers(report: Report) -> dict[str, Any]:
    return {f"{row['kind']} {row['image']}": (row["candidate"] or ABSENT).get("prediction") for row in report["ledger"]}


def _check_changes(before: Report, after: Report) -> Iterator[Row]:
    """Yield each check that says something else, the most changed first: another verdict, then by the factor of the error."""
    checks = [{check["id"]: check for gate in report["gates"] for check in gate["checks"]} for report in (before, after)]
    changed: list[tuple[bool, float, Row]] = []
    for name in _names(*checks):
        old, new = (found.get(name, ABSENT) for found in checks)
        if any(old.get(key) != new.get(key) for key in COMPARED):
            changed.append((old.get("verdict") == new.get("verdict"), -_factor(old, new), (name, _words(old), _words(new))))
    yield from (row for _, _, row in sorted(changed, key=lambda found: found[:2]))


def _factor(old: Mapping[str, Any], new: Mapping[str, Any]) -> float:
    """Return by how much the error has grown or fallen, at least 1."""
    a, b = (number_of(check.get("observed")) for check in (old, new))
    if a == b:
        return 1.0
    ratio = abs(b / a) if a and b else math.inf
    return max(ratio, 1.0 / ratio) if 0.0 < ratio < math.inf else math.inf


def _words(check: Mapping[str, Any]) -> str:
    if not check:
        return NOTHING
    words = f"{check['verdict']} {show_figure(check['observed'])}"
    return words if check["limit"] is None else f"{words} of {show_figure(check['limit'])}"
