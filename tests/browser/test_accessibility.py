"""axe-core finds nothing serious in a report, whatever the colour scheme and the width, with every detail open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser

WIDE, NARROW = 1100, 360
RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
OPEN_DETAILS = "for (const details of document.querySelectorAll('details')) details.open = true"
RUN_AXE = """
async ([part, rules]) => {
    const {violations, incomplete, passes} = await axe.run(part, {runOnly: rules});
    return {violations, incomplete: incomplete.map(rule => rule.id), passes: passes.map(rule => rule.id)};
}
"""
# Where words are scrolled out of sight or lie on a picture axe cannot tell; test_html.py measures the colours themselves.
LEFT_TO_OTHERS = {"color-contrast"}
HELD = {
    "color-contrast",
    "document-title",
    "html-has-lang",
    "image-alt",
    "link-name",
    "list",
    "scrollable-region-focusable",
    "svg-img-alt",
}


def ask_axe(browser: Browser, path: Path, *, scheme: str, width: int, part: str = "html") -> dict[str, Any]:
    """Return what axe-core says of a part of a page, which itself forbids scripts: the browser lets this one in."""
    with browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True) as context:
        page = context.new_page()
        page.goto(path.as_uri())
        page.evaluate(OPEN_DETAILS)
        page.evaluate(AXE_SCRIPT)
        return page.evaluate(RUN_AXE, [part, RULES])


def tell_serious(found: dict[str, Any]) -> list[str]:
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node['failureSummary']}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_with_everything_is_accessible(browser: Browser, full_page: Path, scheme: str, width: int) -> None:
    found = ask_axe(browser, full_page, scheme=scheme, width=width)
    assert tell_serious(found) == []
    assert set(found["incomplete"]) <= LEFT_TO_OTHERS
    assert set(found["passes"]) >= HELD


@pytest.mark.parametrize(("scheme", "width"), [("light", NARROW), ("dark", WIDE)])
@pytest.mark.parametrize("verdict", ["PASS", "NOT_RUN", "INCONCLUSIVE"])
def test_every_verdict_is_told_accessibly(
    browser: Browser, short_pages: dict[str, Path], verdict: str, scheme: str, width: int
) -> None:
    found = ask_axe(browser, short_pages[verdict], scheme=scheme, width=width, part="header")
    assert tell_serious(found) == []
    assert "color-contrast" in found["passes"]


def test_sections_that_say_nothing_was_recorded_are_accessible(browser: Browser, short_pages: dict[str, Path]) -> None:
    assert tell_serious(ask_axe(browser, short_pages["PASS"], scheme="dark", width=WIDE)) == []


@pytest.mark.parametrize(
    ("good", "bad", "scheme", "width", "part", "rule"),
    [
        ("--ink: #1b1e23;", "--ink: #c8ccd2;", "light", WIDE, "header", "color-contrast (serious)"),
        ("--ink: #e4e7eb;", "--ink: #3a4048;", "dark", NARROW, "header", "color-contrast (serious)"),
        (' alt="', ' data-alt="', "light", WIDE, "article", "image-alt (critical)"),
        (' lang="en"', "", "light", NARROW, "html", "html-has-lang (serious)"),
        (' tabindex="0"', "", "dark", NARROW, "main", "scrollable-region-focusable (serious)"),
    ],
    ids=["light ink", "dark ink", "no alt", "no language", "no keyboard"],
)
def test_axe_sees_what_is_broken(
    browser: Browser,
    short_pages: dict[str, Path],
    tmp_path: Path,
    good: str,
    bad: str,
    scheme: str,
    width: int,
    part: str,
    rule: str,
) -> None:
    html = short_pages["PASS"].read_text(encoding="utf-8")
    assert good in html
    path = tmp_path / "broken.html"
    path.write_text(html.replace(good, bad), encoding="utf-8")
    found = tell_serious(ask_axe(browser, path, scheme=scheme, width=width, part=part))
    assert found
    assert {line.partition(":")[0] for line in found} == {rule}
