import itertools
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from parity.report import render_html, render_markdown
from parity.report.html import LIMIT_BYTES, SECTIONS
from parity.report.text import make_printable

VOID = {"meta", "link", "img", "br", "wbr", "input", "hr"}
STYLE = Path(__file__).parents[3].joinpath("parity", "report", "templates", "style.css").read_text(encoding="utf-8")


class Page(HTMLParser):
    """A page as a list of elements; fails where an end tag does not fit."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert not self.stack

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.stack:
            self.texts.append((self.stack[-1], data))

    @property
    def text(self) -> str:
        """What is shown."""
        return "".join(data for tag, data in self.texts if tag not in ("style", "title"))

    def all(self, *tags: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


@pytest.fixture(scope="session")
def hostile_page(hostile_folder: Path) -> Page:
    return Page((hostile_folder / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def plain_page(plain_folder: Path) -> Page:
    return Page((plain_folder / "report.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("verdict", "badge", "sentence"),
    [
        ("PASS", "✓ PASS", "the port is the same function as the legacy."),
        ("FAIL", "✕ FAIL", "The port is not the same function as the legacy."),
        ("NOT_RUN", "– NOT RUN", "there is no verdict on the port."),
        ("INCONCLUSIVE", "? INCONCLUSIVE", "The evidence has no power"),
    ],
)
def test_begins_with_the_verdict_in_words(make_report: Any, tmp_path: Path, verdict: str, badge: str, sentence: str) -> None:
    html = render_html(make_report(verdict=verdict), folder=tmp_path)
    page = Page(html)
    top = page.text[: page.text.index("What this covers")]
    assert badge in top
    assert sentence in top
    assert ("First failing gate: blocks: conv4/block2" in top) == (verdict == "FAIL")
    assert f"<title>Parity report: {verdict} (" in html


def test_nothing_runs_and_nothing_comes_from_outside(hostile_page: Page) -> None:
    assert not hostile_page.all("script", "iframe", "object", "embed", "form", "base", "input", "audio", "video")
    for _, attributes in hostile_page.elements:
        assert not [key for key in attributes if key.startswith("on")]
        for key in ("src", "href", "xlink:href", "action", "data"):
            assert attributes.get(key, "#").startswith(("#", "data:image/webp;base64,", "data:,"))
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    (policy,) = [meta for meta in hostile_page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy["content"] == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_hostile_names_are_shown_as_they_are(hostile_page: Page, fixture_report: Any) -> None:
    for name in fixture_report.HOSTILE_NAMES:
        assert make_printable(name) in hostile_page.text
    assert make_printable(hostile_page.text.replace("\n", "")) == hostile_page.text.replace("\n", "")


def test_hostile_text_is_inert_wherever_it_stands(make_report: Any, tmp_path: Path) -> None:
    attack = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 1234 * 1000 }}"
    report = _replace_texts(make_report(verdict="FAIL"), attack)
    html = render_html(report, folder=tmp_path)
    page = Page(html)
    assert not page.all("script", "img")
    assert page.text.count(attack) > 300
    assert "1234000" not in html


def _replace_texts(value: Any, attack: str, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _replace_texts(item, attack, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_replace_texts(item, attack, key) for item in value]
    return attack if isinstance(value, str) and key not in ("schema", "verdict", "path", "sha256", "observed") else value


def test_sections_come_in_the_order_of_the_reviewer(plain_page: Page) -> None:
    headings = [item for item in plain_page.elements if item[0] == "h2"]
    assert [attributes["id"] for _, attributes in headings] == [f"section-{i}" for i in range(1, len(SECTIONS) + 1)]
    places = [plain_page.text.index(f"{number} {title}") for number, (_, title) in enumerate(SECTIONS, start=1)]
    assert places == sorted(places)


def test_every_gate_and_every_check_is_there(plain_page: Page, make_report: Any) -> None:
    for gate in make_report(images=30)["gates"]:
        assert gate["gate"] in plain_page.text
        for check in gate["checks"]:
            assert check["id"].removeprefix(f"{gate['gate']}/") in plain_page.text


def test_every_changed_decision_is_there(hostile_page: Page, hostile_report: dict[str, Any]) -> None:
    section = hostile_page.text.split("5 Changed decisions")[1].split("Every decision")[0]
    changed = [row for row in hostile_report["ledger"] if row["changed"] or row["candidate"] is None]
    assert len(changed) == 36
    for row in changed:
        assert make_printable(row["image"]) in section
    assert section.count("changed") == 34 + 1, "each row, and the sentence above"


def test_both_sides_and_their_difference_are_there(make_report: Any, tmp_path: Path) -> None:
    report = make_report(verdict="FAIL")
    row = report["per_class"][0]
    row["reference"]["f1"], row["candidate"]["f1"] = 0.91234, 0.81234
    report["confusion"] = [
        {**report["confusion"][0], "reference": [[5, 0], [1, 4]], "candidate": [[4, 1], [1, 4]], "classes": ["a", "b"]}
    ]
    text = Page(render_html(report, folder=tmp_path)).text
    assert all(figure in text for figure in ("0.9123", "0.8123", "−0.1000"))
    cells = re.sub(r"\s+", " ", text.split("7 Confusion matrices")[1].split("8 Error along")[0])
    assert "Legacy trueab a50 b14 Port trueab a41 b14 Difference trueab a−1+1 b00" in cells


def test_a_speed_is_the_ratio_over_rounds_and_no_quotient_of_medians(make_report: Any, tmp_path: Path) -> None:
    report = make_report()
    report["throughput"] = [{**report["throughput"][0], "reference": 10.0, "candidate": 20.0, "ratio": 1.9375}]
    text = Page(render_html(report, folder=tmp_path)).text
    section = text.split("11 Throughput")[1].split("12 Declared")[0]
    assert "1.94" in section
    assert "| images/s | 1.94 |" in render_markdown(report)


def test_pictures_are_inside_and_described(plain_page: Page) -> None:
    pictures = plain_page.all("img")
    assert len(pictures) == 36
    assert all(picture["alt"].startswith(("Legacy: Grad-CAM of ", "Port: ", "Absolute difference: ")) for picture in pictures)
    curves = plain_page.all("svg")
    assert ["Largest error" in curve["aria-label"] for curve in curves] == [True, True, False]
    assert curves[2]["aria-label"].startswith("Losses of 12 training steps in lockstep. Largest relative difference 2.04e-12;")
    assert "Absolute difference, white is " in plain_page.text
    assert "Absolute difference, no scale" in plain_page.text, "the dead map"


def test_every_loss_of_lockstep_is_in_a_table(make_report: Any, tmp_path: Path) -> None:
    report = make_report()
    report["lockstep"] = {
        "steps": [1, 2, 3],
        "reference": [1.5, 0.75, "nan"],
        "candidate": [1.5, 0.9, 0.25],
        "difference": [0.0, 0.2, "nan"],
        "epoch_starts": [1, 3],
    }
    text = Page(render_html(report, folder=tmp_path)).text.split("9 Losses of lockstep")[1].split("10 Grad-CAM")[0]
    table = re.sub(r"\s+", " ", text.split("Relative difference")[-1])
    assert table.strip() == "1starts1.51.50 20.750.90.2 3startsNaN0.25–"


def test_planted_faults_are_told(make_report: Any, tmp_path: Path) -> None:
    report = make_report()
    text = Page(render_html(report, folder=tmp_path)).text.split("4 Planted faults")[1].split("5 Changed decisions")[0]
    assert "This harness catches 118 of 119 planted faults, 117 at the right place; 20 of 20 clean runs PASS." in text
    assert "tier 2: 22 of 23 seen; not <cv2_remap_major_version>" in text
    assert "blocks151.2e-10: relative change of one kernel" in re.sub(r"\s+", " ", text)
    report["faults"] = None
    assert "No suite of planted faults was run with this code" in Page(render_html(report, folder=tmp_path)).text


def test_more_steps_than_there_is_room_for_are_counted(make_report: Any, tmp_path: Path) -> None:
    report = make_report()
    losses = [0.5] * 4000
    report["lockstep"] = {
        "steps": [*range(4000)],
        "reference": losses,
        "candidate": losses,
        "difference": [0.0] * 4000,
        "epoch_starts": [*range(0, 4000, 5)],
    }
    html = render_html(report, folder=tmp_path)
    assert len(html.encode()) <= LIMIT_BYTES
    assert "1,000 more rows of 4,000 are left out here; they are in report.json." in Page(html).text


@pytest.mark.parametrize(
    ("scale", "words"),
    [(2.5e-7, "white is 2.5e-07"), (0.0, "zero everywhere"), (None, "no scale"), ("absent", "white is its maximum")],
)
def test_the_scale_of_a_difference_is_told(make_report: Any, tmp_path: Path, scale: Any, words: str) -> None:
    report = make_report(images=3, folder=tmp_path)
    del report["assets"][2]["scale"]
    if scale != "absent":
        report["assets"][2]["scale"] = scale
    assert f"Absolute difference, {words}" in Page(render_html(report, folder=tmp_path)).text


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda path: path.unlink(), "the file is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "the file is not the one that the run wrote"),
    ],
    ids=["missing", "altered"],
)
def test_a_picture_that_is_not_the_run_s_is_named(make_report: Any, tmp_path: Path, change: Any, fault: str) -> None:
    report = make_report(images=3, folder=tmp_path)
    change(tmp_path / "assets" / "gradcam-0-candidate.webp")
    page = Page(render_html(report, folder=tmp_path))
    assert page.text.count(f"No picture: {fault}.") == 1
    assert len(page.all("img")) == 8


def test_only_small_webp_is_embedded(make_report: Any, tmp_path: Path) -> None:
    import hashlib

    report = make_report(images=3, folder=tmp_path)
    contents = [b"<svg onload=alert(1)>", b"RIFF____WEBP" + bytes(50_000)]
    for asset, content in zip(report["assets"], contents, strict=False):
        (tmp_path / asset["path"]).write_bytes(content)
        asset["sha256"] = hashlib.sha256(content).hexdigest()
    report["assets"].pop()
    page = Page(render_html(report, folder=tmp_path))
    assert "No picture: the file is not WebP." in page.text
    assert "No picture: the file is larger than 40,000 bytes." in page.text
    assert "No picture: the report lists no such asset." in page.text
    assert len(page.all("img")) == 6


def test_structure_is_accessible(hostile_page: Page) -> None:
    assert hostile_page.all("html") == [{"lang": "en"}]
    assert hostile_page.all("title") == [{}]
    assert len(hostile_page.all("main")) == len(hostile_page.all("h1")) == 1
    levels = [int(tag[1]) for tag, _ in hostile_page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert {item.get("scope") for item in hostile_page.all("th")} == {"col", "row", "rowgroup"}
    assert len(hostile_page.all("th")) > 1000
    assert all(
        item["tabindex"] == "0" and item["aria-label"] for item in hostile_page.all("div") if item.get("class") == "scroll"
    )


def test_ids_are_unique_and_every_link_arrives(hostile_page: Page) -> None:
    ids = [attributes["id"] for _, attributes in hostile_page.elements if "id" in attributes]
    assert len(ids) == len(set(ids)) > 100
    links = [item["href"] for item in hostile_page.all("a", "use")]
    assert len(links) > 50
    assert {link[1:] for link in links} <= set(ids)


def test_sizes_are_bounded(plain_folder: Path, hostile_folder: Path) -> None:
    assert (plain_folder / "report.html").stat().st_size <= 1_500_000
    assert (hostile_folder / "report.html").stat().st_size <= LIMIT_BYTES


def test_a_huge_run_fits_and_says_what_is_left_out(huge_report: dict[str, Any], tmp_path: Path) -> None:
    html = render_html(huge_report, folder=tmp_path)
    assert len(html.encode()) <= LIMIT_BYTES
    page = Page(html)
    assert "more rows of 5,592 are left out here; they are in report.json." in page.text
    assert "more rows of 300 are left out here; they are in report.json." in page.text


def test_left_out_and_shown_rows_make_all(make_report: Any, tmp_path: Path) -> None:
    report = make_report()
    report["declared"] *= 5000
    text = Page(render_html(report, folder=tmp_path)).text
    left_out = re.search(r"([\d,]+) more rows of 5,000 are left out here", text)
    assert left_out
    declared = text[: text.rindex("Migration recommendation")]
    assert declared.count("one_hot_auc") + int(left_out[1].replace(",", "")) == 5000


def test_empty_sections_say_so(make_report: Any, tmp_path: Path) -> None:
    report = make_report()
    report.update(ledger=[], per_class=[], confusion=[], curves={}, gradcam=[], throughput=[], declared=[], assets=[])
    report["lockstep"] = None
    report["gates"] = [gate for gate in report["gates"] if gate["checks"]]
    text = Page(render_html(report, folder=tmp_path)).text
    for sentence in (
        "Every gate of the contract was run.",
        "No decision was recorded in this run.",
        "No figures per class were recorded in this run.",
        "No confusion matrix was recorded in this run.",
        "No error along the network was recorded in this run.",
        "No losses of training in lockstep were recorded in this run.",
        "No Grad-CAM map was recorded in this run.",
        "No throughput was measured in this run.",
    ):
        assert sentence in text
    assert text.count("None.") == 2


def test_what_repeats_the_run_is_there(plain_page: Page, fixture_report: Any) -> None:
    section = plain_page.text.split("14 To repeat this run")[1]
    assert "nox -s parity -- --data 'data/lung cohort' --split published" in section
    for fact in (
        "code.torch_port",
        "gates_toml",
        "host.cpu",
        "packages.tensorflow",
        "2.15.1",
        "checkpoint.sha256",
        "disk.needed_mb",
    ):
        assert fact in section
    assert section.count(fixture_report.SHA256) == 8


def test_a_demo_and_a_witness_say_so(make_report: Any, tmp_path: Path) -> None:
    report = make_report()
    text = Page(render_html(report, folder=tmp_path)).text
    assert "Demo: synthetic tissue" not in text
    assert "none, the legacy is unwitnessed" in text
    report["run"].update(demo=True, witness={"path": "witness.csv"})
    text = Page(render_html(report, folder=tmp_path)).text
    assert "Demo: synthetic tissue" in text
    assert "predictions of the users' own code" in text
    assert "witness.path" in text


def _themes() -> dict[str, dict[str, str]]:
    """The colours of each theme; a theme inherits what it does not set."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    light, dark, printed = [dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6});", block)) for block in blocks]
    return {"light": light, "dark": {**light, **dark}, "print": {**light, **printed}}


def _contrast(first: str, second: str) -> float:
    """Contrast ratio of WCAG 2.2."""

    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    brighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_contrast_is_enough(theme: str) -> None:
    colours = _themes()[theme]
    tones = ("pass", "fail", "open", "none")
    pairs = [(text, ground) for text in ("ink", "muted", "accent", "second") for ground in ("paper", "panel")]
    pairs += [(text, f"{tone}-tint") for tone in tones for text in ("ink", "muted", tone)]
    pairs += [("paper", tone) for tone in tones]
    for text, ground in pairs:
        assert _contrast(colours[f"--{text}"], colours[f"--{ground}"]) >= 4.5, (text, ground)


def test_contrast_is_measured_as_wcag_does() -> None:
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)
    assert _contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


def test_light_dark_and_print_are_styled() -> None:
    themes = _themes()
    assert themes["light"]["--paper"] == themes["print"]["--paper"] == "#ffffff" != themes["dark"]["--paper"]
    assert "@media (prefers-color-scheme: dark)" in STYLE
    assert "@media print" in STYLE
