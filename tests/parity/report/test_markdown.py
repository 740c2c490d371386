import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from parity.contract import GATES
from parity.report import render_markdown
from parity.report.markdown import LIMIT_BYTES
from parity.report.text import make_printable

MARKDOWN = MarkdownIt("commonmark").enable("table")
KNOWN_TAGS = {
    "h1",
    "h2",
    "h3",
    "p",
    "strong",
    "ul",
    "li",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "code",
    "br",
    "blockquote",
}


class Page(HTMLParser):
    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.rows: list[list[int]] = []
        self.feed(MARKDOWN.render(markdown))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "table":
            self.rows.append([])
        if tag == "tr":
            self.rows[-1].append(0)
        if tag in ("td", "th"):
            self.rows[-1][-1] += 1

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    ("verdict", "words"),
    [("PASS", "✅ PASS"), ("FAIL", "❌ FAIL"), ("NOT_RUN", "⬜ NOT RUN"), ("INCONCLUSIVE", "❔ INCONCLUSIVE")],
)
def test_begins_with_the_verdict(make_report: Any, verdict: str, words: str) -> None:
    lines = render_markdown(make_report(verdict=verdict)).splitlines()
    assert lines[:2] == ["# Parity report", ""]
    assert re.match(rf"\*\*{words}\*\* \(\d+ of 11 required gates; 9 not run: augment, ", lines[2])


def test_sections_come_in_the_order_of_the_reviewer(make_report: Any) -> None:
    titles = re.findall(r"^## (.*)$", render_markdown(make_report(verdict="FAIL")), re.MULTILINE)
    assert titles == [
        "What was not run",
        "Gates",
        "Checks that do not pass",
        "Planted faults",
        "Decisions",
        "Scores by class",
        "Confusion matrices",
        "Error along the network",
        "Losses of lockstep",
        "Grad-CAM",
        "Throughput",
        "Declared differences and waivers",
        "To repeat this run",
    ]


def test_sections_without_content_are_left_out(make_report: Any) -> None:
    report = make_report()
    report.update(ledger=[], per_class=[], confusion=[], curves={}, lockstep=None, gradcam=[], throughput=[])
    titles = re.findall(r"^## (.*)$", render_markdown(report), re.MULTILINE)
    assert titles == ["What was not run", "Gates", "Planted faults", "Declared differences and waivers", "To repeat this run"]


def test_planted_faults_are_told(make_report: Any) -> None:
    report = make_report()
    assert "| `blocks` | 15 | 1.2e-10: relative change of one kernel |" in render_markdown(report)
    report["faults"] = None
    assert "No suite of planted faults was run with this code (`nox -s faults`)." in render_markdown(report)


def test_figures_are_told(make_report: Any) -> None:
    text = render_markdown(make_report(verdict="FAIL"))
    assert "| `blocks` | ❌ FAIL | `float64/conv3/block1/out/norm_rel` | NaN | 1e-10 | – | – | 8 |" in text
    assert "| `inference` | ❌ FAIL<br>follows from blocks |" in text
    assert "73 same, 1 changed, 1 tie, 1 missing." in text
    assert re.search(r"\| `nor_20x_2.jpg` \| evaluation test \| `nor` \| `\w+` \| `scc` \| .* \| changed \|", text)
    assert "| evaluation val | `aca` | 18 · 1 · 1 | 16 · 1 · 3 | yes |" in text
    assert "| `conv4/block1/out` | 0.013 | 1e-10 | 0.013 |" in text
    assert "- 1,200 recorded pairs expected = 1,200 compared + 0 waived" in text
    assert "Command: `nox -s parity -- --data 'data/lung cohort' --split published`" in text


def test_losses_of_lockstep_are_told(make_report: Any) -> None:
    report = make_report()
    report["lockstep"] = {
        "steps": [1, 2, 3],
        "reference": [1.5, 0.75, "nan"],
        "candidate": [1.5, 0.9, 0.25],
        "difference": [0.0, 0.2, "nan"],
        "epoch_starts": [1, 3],
    }
    section = render_markdown(report).split("## Losses of lockstep\n\n")[1].split("\n\n")[0]
    assert section.splitlines() == [
        "| Step | Epoch | Legacy | Port | Relative difference |",
        "| ---: | --- | ---: | ---: | ---: |",
        "| 1 | starts | 1.5 | 1.5 | 0 |",
        "| 2 |  | 0.75 | 0.9 | 0.2 |",
        "| 3 | starts | NaN | 0.25 | – |",
    ]


def test_hostile_names_are_inert_and_readable(hostile_report: dict[str, Any]) -> None:
    page = Page(render_markdown(hostile_report))
    assert page.tags == KNOWN_TAGS - {"blockquote"}
    changed = [row["image"] for row in hostile_report["ledger"] if row["changed"] or row["candidate"] is None]
    assert len(changed) > 30
    for name in changed:
        assert make_printable(name) in page.text


@pytest.mark.parametrize("verdict", ["PASS", "FAIL"])
def test_every_row_has_the_cells_of_its_head(make_report: Any, verdict: str) -> None:
    page = Page(render_markdown(make_report(verdict=verdict, images=60, hostile=True)))
    assert len(page.rows) >= 10
    for rows in page.rows:
        assert len(rows) > 1
        assert set(rows) == {rows[0]}


def test_a_large_run_fits(hostile_folder: Path) -> None:
    content = (hostile_folder / "report.md").read_bytes()
    assert 10_000 < len(content) <= LIMIT_BYTES


def test_a_huge_run_fits_and_says_what_is_left_out(huge_report: dict[str, Any]) -> None:
    text = render_markdown(huge_report)
    assert len(text.encode()) <= LIMIT_BYTES
    assert f"more rows of {3 * len(GATES)} are left out here; they are in report.json" in text
    assert "more rows of 5,592 are left out here; they are in report.json" in text
    page = Page(text)
    assert page.tags <= KNOWN_TAGS
    assert all(set(rows) == {rows[0]} for rows in page.rows)


def test_left_out_and_shown_rows_make_all(make_report: Any) -> None:
    report = make_report()
    report["declared"] *= 500
    text = render_markdown(report)
    shown = text.count("| `one_hot_auc` |")
    left_out = re.search(r"… (\d+) more rows of 500 are left out here", text)
    assert left_out
    assert shown + int(left_out[1]) == 500
    assert shown > 0


def test_a_demo_says_so(make_report: Any) -> None:
    report = make_report()
    report["run"]["demo"] = True
    assert "\n> **Demo: synthetic tissue" in render_markdown(report)
