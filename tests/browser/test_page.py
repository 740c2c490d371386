"""A report as a browser shows and prints it: alone, without scripts, nothing cut off, nothing lost on paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

# What lies between the margins of A4 in the style sheet, in CSS pixels.
PAPER_PX = 688
OPEN_DETAILS = "for (const details of document.querySelectorAll('details')) details.open = true"
SIDEWAYS = "document.documentElement.scrollWidth - window.innerWidth"
CUT_WORDS = """
[...document.querySelectorAll("svg")].flatMap(svg => {
    const edge = svg.getBoundingClientRect();
    return [...svg.querySelectorAll("text")].filter(text => {
        const box = text.getBoundingClientRect();
        return box.left < edge.left || box.right > edge.right || box.top < edge.top || box.bottom > edge.bottom;
    }).map(text => text.textContent);
})
"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window in which the page's own policy holds and nothing can be fetched."""
    with browser.new_context(java_script_enabled=False, offline=True) as context:
        yield context.new_page()


def test_it_opens_alone_without_scripts_or_complaints(page: Page, full_page: Path) -> None:
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(full_page.as_uri())
    assert [url for url in asked if not url.startswith("data:")] == [full_page.as_uri()]
    assert complaints == []
    assert page.evaluate("[...document.images].map(image => image.complete && image.naturalWidth > 0)") == [True] * 17


@pytest.mark.parametrize("width", [1100, 360])
def test_the_page_never_scrolls_sideways(page: Page, full_page: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(full_page.as_uri())
    page.evaluate(OPEN_DETAILS)
    assert page.evaluate(SIDEWAYS) == 0


def test_no_word_of_a_picture_is_cut_off(page: Page, full_page: Path) -> None:
    page.goto(full_page.as_uri())
    assert page.evaluate("document.querySelectorAll('svg text').length") > 30
    assert page.evaluate(CUT_WORDS) == []


@pytest.mark.parametrize("opened", [False, True], ids=["as it opens", "every detail open"])
def test_paper_shows_what_the_screen_shows(page: Page, full_page: Path, opened: bool) -> None:
    page.set_viewport_size({"width": PAPER_PX, "height": 900})
    page.goto(full_page.as_uri())
    if opened:
        page.evaluate(OPEN_DETAILS)
    parts = [page.locator(part) for part in (".eyebrow", "h1", ".verdict", ".note", "main", "footer")]
    on_screen = [part.inner_text() for part in parts]
    page.emulate_media(media="print")
    assert [part.inner_text() for part in parts] == on_screen
    assert page.evaluate(SIDEWAYS) == 0, "what is wider than the paper is cut off"
