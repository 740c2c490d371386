"""report.json, the only source -> report.html, report.md, junit.xml, recommendation.md and a table for the terminal."""

from __future__ import annotations

from pathlib import Path

from parity.files import write_whole
from parity.report.console import render_console
from parity.report.diff import render_diff
from parity.report.html import render_html
from parity.report.junit import render_junit
from parity.report.markdown import render_markdown
from parity.report.recommendation import render_recommendation
from parity.report.schema import Report, check_report, read_report, to_plain, write_report
from parity.report.triptych import write_gradcam_triptych

__all__ = [
    "Report",
    "check_report",
    "read_report",
    "render_console",
    "render_diff",
    "render_html",
    "render_junit",
    "render_markdown",
    "render_report",
    "to_plain",
    "write_gradcam_triptych",
    "write_report",
]


def render_report(folder: Path) -> list[Path]:
    """Read `folder`/report.json and write every rendering beside it.

    Args:
        folder: Holds report.json and the assets it names.

    Returns:
        Paths of report.html, report.md, junit.xml and recommendation.md. The same report.json and assets give the same bytes.

    Raises:
        BadInputError: report.json is missing or does not follow the schema; nothing is written.
    """
    report = read_report(folder / "report.json")
    renderings = {
        "report.html": render_html(report, folder=folder),
        "report.md": render_markdown(report),
        "junit.xml": render_junit(report),
        "recommendation.md": render_recommendation(report),
    }
    for name, text in renderings.items():
        write_whole(folder / name, text)
    return [folder / name for name in renderings]
