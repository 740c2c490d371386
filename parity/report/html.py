"""report.json and its assets -> report.html: one file, nothing outside it, complete without scripts."""

from __future__ import annotations

import base64
import functools
import hashlib
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from parity.report import notation, summary
from parity.report.lockstep import largest_difference, make_lockstep_rows
from parity.report.pictures import draw_curve, draw_losses
from parity.report.recommendation import make_recommendation
from parity.report.schema import Report
from parity.report.text import cut_middle, make_printable

LIMIT_BYTES = 3_000_000
ASSET_LIMIT_BYTES = 40_000
_MOST_CURVES = 8
_TEMPLATES = Path(__file__).with_name("templates")

# The order in which a reviewer looks. A section is a template of its own; to add one is to add a line and a file.
SECTIONS: Sequence[tuple[str, str]] = (
    ("covers", "What this covers"),
    ("left_out", "What was not run"),
    ("gates", "Gates"),
    ("faults", "Planted faults"),
    ("decisions", "Changed decisions"),
    ("per_class", "Scores by class"),
    ("confusion", "Confusion matrices"),
    ("curves", "Error along the network"),
    ("lockstep", "Losses of lockstep"),
    ("gradcam", "Grad-CAM"),
    ("throughput", "Throughput"),
    ("declared", "Declared differences and waivers"),
    ("recommendation", "Migration recommendation"),
    ("repeat", "To repeat this run"),
)


def render_html(report: Report, *, folder: Path) -> str:
    """Return the report as one HTML page of at most `LIMIT_BYTES` bytes in UTF-8.

    Args:
        report: As `read_report` returns it.
        folder: Where the assets are. One that is missing, altered or not WebP is named in the place of its picture.
    """
    report = make_printable(report)
    context = {
        "report": report,
        "gates": summary.make_gate_rows(report),
        "sections": SECTIONS,
        "style": Markup(_TEMPLATES.joinpath("style.css").read_text(encoding="utf-8")),
        "pictures": {row["path"]: _embed(row, folder) for row in report["assets"]},
        "curves": _draw_curves(report),
        "lockstep": _draw_lockstep(report),
        "recommendation": make_recommendation(report),
    }
    template = _environment().get_template("report.html.j2")
    page = ""
    for rows, characters in ((3000, 400), (1000, 200), (300, 120), (60, 80), (5, 40)):
        page = template.render(context, rows=rows, characters=characters)
        if len(page.encode()) <= LIMIT_BYTES:
            return page
    raise AssertionError("the smallest number of rows bounds every table")


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        figure=notation.show_figure,
        score=notation.show_score,
        loss=notation.show_loss,
        headroom=notation.show_headroom,
        seconds=notation.show_seconds,
        path=break_at_slashes,
        cut=cut_middle,
    )
    environment.globals.update(
        summary=summary,
        shell=shlex.join,
        difference=notation.show_difference,
        number_reasons=number_reasons,
        pair_with=lambda gate, checks: [(gate, check) for check in checks],
        by_margin=by_margin,
        confusion_rows=confusion_rows,
        largest=largest_row_sum,
    )
    return environment


def break_at_slashes(text: str) -> Markup:
    """Return a path that may break behind each slash and is isolated from the direction of its surroundings."""
    return Markup('<bdi dir="ltr">{}</bdi>').format(Markup("/<wbr>").join(escape(part) for part in text.split("/")))


def number_reasons(checks: Sequence[summary.Check]) -> dict[str, int]:
    """Return the distinct reasons of checks with numbers from 1: a gate's checks share few of them."""
    reasons = dict.fromkeys(check["reason"] for check in checks if check["reason"])
    return {reason: number for number, reason in enumerate(reasons, start=1)}


def by_margin(ledger: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return decisions, the least certain first; without a margin comes before all."""

    def margin(row: Mapping[str, Any]) -> float:
        found = [notation.number_of(value) for value in row["margin"]]
        return min(-math.inf if value is None or math.isnan(value) else value for value in found)

    return sorted(ledger, key=margin)


def confusion_rows(row: Mapping[str, Any]) -> Iterator[tuple[str, list[int], list[int], list[int]]]:
    """Yield for each true class its name and the counts of reference, candidate and their difference."""
    for name, before, after in zip(row["classes"], row["reference"], row["candidate"], strict=True):
        yield name, before, after, [b - a for a, b in zip(before, after, strict=True)]


def largest_row_sum(matrix: Sequence[Sequence[int]]) -> int:
    """Return the number of images of the most frequent class, at least 1."""
    return max([1, *(sum(line) for line in matrix)])


def _embed(asset: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a picture as a data URI, or why it cannot be shown."""
    try:
        content = (folder / asset["path"]).read_bytes()
    except OSError:
        return {"uri": None, "fault": "the file is missing"}
    fault = ""
    if hashlib.sha256(content).hexdigest() != asset["sha256"]:
        fault = "the file is not the one that the run wrote"
    elif content[:4] + content[8:12] != b"RIFFWEBP":
        fault = "the file is not WebP"
    elif len(content) > ASSET_LIMIT_BYTES:
        fault = f"the file is larger than {ASSET_LIMIT_BYTES:,} bytes"
    uri = None if fault else f"data:image/webp;base64,{base64.b64encode(content).decode('ascii')}"
    return {"uri": uri, "fault": fault, **{key: asset[key] for key in ("scale",) if key in asset}}


def _draw_curves(report: Report) -> list[dict[str, Any]]:
    curves = []
    for number, (gate, curve) in enumerate(list(report["curves"].items())[:_MOST_CURVES], start=1):
        title = summary.CURVE_TITLES.get(gate, gate)
        worst = {key: notation.show_figure(_largest(curve[key])) for key in ("float32", "float64")}
        label = (
            f"{title}. Largest error {worst['float32']} in float32 and {worst['float64']} in float64; a table holds each value."
        )
        svg = Markup(draw_curve(curve, name=f"curve{number}", label=label)) if curve["taps"] else ""
        curves.append({"gate": gate, "title": title, "worst": worst, "svg": svg, "rows": summary.make_curve_rows(curve)})
    return curves


def _draw_lockstep(report: Report) -> dict[str, Any] | None:
    rows = make_lockstep_rows(report["lockstep"])
    if not rows:
        return None
    worst = notation.show_figure(largest_difference(rows))
    label = f"Losses of {len(rows)} training steps in lockstep. Largest relative difference {worst}; a table holds each value."
    return {"rows": rows, "worst": worst, "svg": Markup(draw_losses(rows, name="lockstep", label=label))}


def _largest(values: Sequence[notation.Figure]) -> notation.Figure:
    """Return the largest number, where not-a-number is larger than any."""
    found = [value for value in map(notation.number_of, values) if value is not None]
    return "nan" if any(map(math.isnan, found)) else max(found, default=None)
