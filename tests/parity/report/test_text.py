import doctest
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from parity.report import text
from parity.report.text import cut_middle, make_printable, markdown_code, markdown_text

MARKDOWN = MarkdownIt("commonmark").enable("table")
NAMES = {
    "script": "<script>alert(1)</script>",
    "quotes": "a\"b'c & d",
    "backticks": "a`b``c```",
    "pipe": "a|b\\|c\\",
    "backslash": "a\\",
    "link": "[x](https://example.org) ![y](https://example.org/y.png) <https://example.org>",
    "emphasis": "**b** _i_ ~~s~~ __u__ *",
    "entity": "&lt;b&gt; &#60;",
    "spaces": " a ",
    "comment": "<!-- x",
    "heading": "# x",
    "only backtick": "`",
    "letters": "图像 данные é",
}


class Recorder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.cells: list[str] = []
        self.in_cell = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag == "td":
            self.cells.append("")
            self.in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self.in_cell = self.in_cell and tag != "td"

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.in_cell:
            self.cells[-1] += data


def read_html(html: str) -> Recorder:
    recorder = Recorder()
    recorder.feed(html)
    recorder.close()
    return recorder


def test_examples_of_the_docstrings() -> None:
    assert doctest.testmod(text) == doctest.TestResults(failed=0, attempted=2)


@pytest.mark.parametrize(
    ("character", "shown"),
    [
        ("\n", r"\n"),
        ("\r", r"\r"),
        ("\t", r"\t"),
        ("\x00", r"\x00"),
        ("\x1b", r"\x1b"),
        ("\x85", r"\x85"),
        ("\ud800", r"\ud800"),
        ("\ufffe", r"\ufffe"),
        ("\ufdd0", r"\ufdd0"),
        ("\U0001ffff", r"\U0001ffff"),
        ("\u202e", r"\u202e"),
        ("\u2066", r"\u2066"),
        ("\u200b", r"\u200b"),
        ("\u2028", r"\u2028"),
        ("\ufeff", r"\ufeff"),
    ],
)
def test_what_cannot_be_seen_is_spelt(character: str, shown: str) -> None:
    assert make_printable(f"a{character}b") == f"a{shown}b"


@pytest.mark.parametrize("kept", ["plain", "图像", "данные", "\u05ea\u05de", "é", "🫁", "a b", "<&>"])
def test_what_can_be_seen_is_kept(kept: str) -> None:
    assert make_printable(kept) == kept


def test_every_character_becomes_valid_xml() -> None:
    everything = make_printable("".join(map(chr, range(0x30000))))
    element = ElementTree.Element("a")
    element.text = everything
    assert ElementTree.fromstring(ElementTree.tostring(element, encoding="utf-8")).text == everything


def test_keys_and_items_are_made_printable() -> None:
    assert make_printable({"a\n": ["b\r", 1, None, True]}) == {"a\\n": ["b\\r", 1, None, True]}


def test_cutting_keeps_both_ends() -> None:
    assert cut_middle("a" * 100 + "b" * 100, 21) == "a" * 10 + "…" + "b" * 10
    assert cut_middle("short", 5) == "short"


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_code_is_inert_and_whole_in_a_table(name: str) -> None:
    table = f"| a | b |\n| --- | --- |\n| {markdown_code(name)} | end |\n"
    found = read_html(MARKDOWN.render(table))
    assert found.tags == {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert found.cells == [name, "end"]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_text_is_inert_and_whole_in_a_table_and_in_a_sentence(name: str) -> None:
    found = read_html(MARKDOWN.render(f"| a | b |\n| --- | --- |\n| x{markdown_text(name)}x | end |\n"))
    assert found.tags == {"table", "thead", "tbody", "tr", "th", "td"}
    assert found.cells[0].replace("\u200b", "") == f"x{name}x"
    found = read_html(MARKDOWN.render(f"See {markdown_text(name)}."))
    assert found.tags == {"p"}
    assert found.text.replace("\u200b", "").strip() == f"See {name}."


@pytest.mark.parametrize(
    ("written", "shown"), [("@all", "@\u200ball"), ("#12", "#\u200b12"), ("a@b", "a@\u200bb"), ("# 1", "# 1")]
)
def test_mentions_and_issue_numbers_are_broken(written: str, shown: str) -> None:
    assert markdown_text(written) == shown


@pytest.mark.parametrize(("written", "shown"), [("https://a.b", "https&#58;//a.b"), ("www.a.b", "www&#46;a.b")])
def test_bare_links_are_broken(written: str, shown: str) -> None:
    assert markdown_text(written) == shown


def test_nothing_is_no_code() -> None:
    assert markdown_code("") == ""
