"""A report over 691 images is complete and small, and no text of a run breaks a rendering of it."""

from __future__ import annotations

import copy
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from rich.cells import cell_len

from parity.report import render_console, render_html, render_junit, render_markdown, render_report, write_report
from parity.report.recommendation import render_recommendation
from parity.report.text import make_printable

IMAGES = 691
HTML_BYTES = 3_000_000
MARKDOWN_BYTES = 60_000
# Any of them may be the name of an image or a class, or a reason.
TEXTS = {
    "script": "<script>alert(1)</script>",
    "attribute": "\" onload='alert(1)' x=\"",
    "folder": "../../x",
    "newline": "first\nsecond\r\n\n# third",
    "long": "x" * 200,
    "right to left": "\u05ea\u05de\u05d5\u05e0\u05d4 \u202egpj.exe\u202c",
    "cell": "a | b `c` \\| d",
    "link": "![a](https://example.org/a.png) <https://example.org> @everyone",
}
MARKDOWN_TAGS = {"h1", "h2", "h3", "p", "strong", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "code", "br"}
# The schema closes what these may hold.
CLOSED = ("schema", "verdict", "assets", "observed")


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes.update(key for key, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def replace_texts(value: Any, text: str, key: str = "") -> Any:
    """Return a copy of a part of a report in which every open text is `text`."""
    if key in CLOSED:
        return value
    if isinstance(value, dict):
        return {name: replace_texts(item, text, name) for name, item in value.items()}
    if isinstance(value, list):
        return [replace_texts(item, text, key) for item in value]
    return text if isinstance(value, str) else value


def squeeze(text: str) -> str:
    """Drop what a rendering may add between characters: spaces, ends of lines, and spaces of no width against mentions."""
    return re.sub(r"[\s\u200b]", "", text)


@pytest.fixture(params=TEXTS.values(), ids=TEXTS.keys())
def text(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def small_report(make_report: Any) -> dict[str, Any]:
    """A failed run with a row of each kind, so that nothing is cut for want of room."""
    report = make_report(verdict="FAIL", images=4)
    for gate in report["gates"]:
        gate["checks"] = [*gate["checks"][:2], *gate["checks"][9:12]]
    for key in ("ledger", "per_class", "confusion"):
        report[key] = report[key][:2]
    waiver = {"check": "blocks/float32/stem/conv/max_rel", "reason": "why", "owner": "us", "expiry": "2027-01-31", "waived": 1}
    return {**report, "waivers": [waiver]}


@pytest.mark.parametrize("verdict", ["PASS", "FAIL"])
def test_691_images_stay_within_the_limits_and_every_one_is_there(make_report: Any, tmp_path: Path, verdict: str) -> None:
    report = make_report(verdict=verdict, images=IMAGES, folder=tmp_path)
    html = render_html(report, folder=tmp_path)
    assert len(html.encode()) <= HTML_BYTES
    assert len(render_markdown(report).encode()) <= MARKDOWN_BYTES
    page = Page(html)
    found = Counter(
        re.findall(r"[a-z]{3}(?:_[bm]d)?_20x_\d+\.jpg", page.text.split("Every decision")[1].split("Scores by class")[0])
    )
    assert len(found) == IMAGES
    assert found == Counter(row["image"] for row in report["ledger"])
    assert page.tags["img"] == len(report["assets"]) == 36


def test_a_page_refers_to_nothing_but_itself(hostile_folder: Path) -> None:
    html = (hostile_folder / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert not page.attributes & {"srcset", "poster", "background", "ping", "formaction", "srcdoc"}
    references = re.findall(r"url\((.)", html)
    assert len(references) > 10
    assert set(references) == {"#"}
    assert re.findall(r'http-equiv="([^"]*)"', html) == ["Content-Security-Policy"]


def test_no_name_writes_outside_the_folder(make_report: Any, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    report = replace_texts(make_report(images=4, hostile=True, folder=folder), "../../x")
    write_report(report, folder / "report.json")
    render_report(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    names = {path.name for path in folder.iterdir()}
    assert names == {"assets", "report.json", "report.html", "report.md", "junit.xml", "recommendation.md"}
    assert len(list((folder / "assets").iterdir())) == len(report["assets"]) == 12


def test_rendering_changes_nothing_in_the_report(hostile_report: dict[str, Any], hostile_folder: Path) -> None:
    before = copy.deepcopy(hostile_report)
    renderings = [render_console, render_junit, render_markdown, render_recommendation]
    first = [render(hostile_report) for render in renderings]
    render_html(hostile_report, folder=hostile_folder)
    assert hostile_report == before
    assert [render(hostile_report) for render in renderings] == first


def test_any_text_is_inert_and_whole_in_html(small_report: dict[str, Any], tmp_path: Path, text: str) -> None:
    plain = Page(render_html(small_report, folder=tmp_path))
    page = Page(render_html(replace_texts(small_report, text), folder=tmp_path))
    assert set(page.tags) <= set(plain.tags)
    assert page.attributes == plain.attributes
    assert page.text.count(make_printable(text)) > 200


def test_any_text_is_inert_and_whole_in_markdown(small_report: dict[str, Any], text: str) -> None:
    page = Page(MarkdownIt("commonmark").enable("table").render(render_markdown(replace_texts(small_report, text))))
    assert set(page.tags) == MARKDOWN_TAGS
    assert squeeze(page.text).count(squeeze(make_printable(text))) > 100


def test_any_text_is_inert_and_whole_in_the_recommendation(small_report: dict[str, Any], text: str) -> None:
    page = Page(MarkdownIt("commonmark").enable("table").render(render_recommendation(replace_texts(small_report, text))))
    assert set(page.tags) == {"h1", "h2", "p", "strong", "ul", "li"}
    assert page.tags["h2"] == 4
    assert squeeze(page.text).count(squeeze(make_printable(text))) >= 10


def test_any_text_is_whole_in_junit(small_report: dict[str, Any], text: str) -> None:
    root = ElementTree.fromstring(render_junit(replace_texts(small_report, text)).encode())
    shown = make_printable(text)
    assert {suite.get("name") for suite in root} == {f"parity.{shown}"}
    assert {case.get("classname") for case in root.iter("testcase")} == {f"parity.{shown}"}
    assert {failure.get("message") for failure in root.iter("failure")} == {f"FAIL: {shown}"}
    assert all(f"check: {shown}\n" in (failure.text or "") for failure in root.iter("failure"))


def test_any_text_is_whole_and_controls_nothing_on_the_terminal(small_report: dict[str, Any], text: str) -> None:
    lines = render_console(replace_texts(small_report, text), colour=False).splitlines()
    assert all(line.isprintable() and cell_len(line) <= 120 for line in lines)
    # Where it first fails, what was not run, the headline: the table cuts long names.
    assert squeeze("".join(lines)).count(squeeze(make_printable(text))) >= 3
