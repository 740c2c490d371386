import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from parity.gates.lockstep.compare import loss_errors
from parity.report.lockstep import LockstepRow, make_lockstep_rows
from parity.report.pictures import draw_curve, draw_losses

TAPS = ["stem/conv", "conv2/block1/out", "head/probabilities"]
CURVE = {
    "taps": TAPS,
    "float64": [0.0, 1e-16, 2e-16],
    "float32": [1e-7, 2e-7, 3e-7],
    "noise_floor": [2e-7, 2e-7, 2e-7],
    "limit_float64": 1e-10,
    "limit_float32": 6e-7,
}


def parse(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def texts_of(svg: str) -> list[str]:
    return [element.text or "" for element in parse(svg).iter("text")]


def points_of(svg: str, colour: str, *, dashed: bool = False) -> list[tuple[float, float]]:
    """Points of the line of one colour."""
    paths = [path for path in parse(svg).iter("path") if path.get("clip-path")]
    styles = [(path, path.get("style", "")) for path in paths]
    (line,) = [path for path, style in styles if f"stroke: var(--{colour})" in style and ("dasharray" in style) == dashed]
    return [(float(x), float(y)) for x, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", line.get("d", ""))]


def test_same_numbers_give_the_same_bytes() -> None:
    assert draw_curve(CURVE, name="a", label="x") == draw_curve(CURVE, name="a", label="x")
    assert draw_curve(CURVE, name="a", label="x") != draw_curve({**CURVE, "limit_float64": 1e-9}, name="a", label="x")


def test_is_an_element_that_refers_to_nothing_outside() -> None:
    svg = draw_curve(CURVE, name="a", label='Error "<1>"')
    root = parse(svg)
    assert root.tag == "svg", "no namespace"
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'Error "<1>"'
    assert "://" not in svg
    assert "<style" not in svg
    references = {value for element in root.iter() for key, value in element.items() if key == "href"}
    ids = {element.get("id") for element in root.iter() if element.get("id")}
    assert references
    assert references <= {f"#{name}" for name in ids}
    assert all(name.startswith("a-") for name in ids if name)


def test_colours_come_from_the_page() -> None:
    svg = draw_curve(CURVE, name="a", label="")
    assert not re.search(r"#[0-9a-fA-F]{6}", svg)
    assert {"var(--accent)", "var(--second)", "var(--muted)", "var(--rule)", "var(--ink)"} == set(
        re.findall(r"var\([^)]*\)", svg)
    )


def test_everything_is_named() -> None:
    found = texts_of(draw_curve(CURVE, name="a", label=""))
    assert set(TAPS) <= set(found)
    legend = {"port, float64", "port, float32", "limit, float64", "limit, float32", "legacy, float32 (noise floor)"}
    assert legend <= set(found)
    assert {"0", "1e-15", "1e-7"} <= set(found)


def test_an_error_of_zero_is_drawn_on_the_line_marked_zero() -> None:
    svg = draw_curve(CURVE, name="a", label="")
    lowest = next(element for element in parse(svg).iter("text") if element.text == "0")
    heights = [y for _, y in points_of(svg, "second")]
    float32 = [y for _, y in points_of(svg, "accent")]
    assert len(heights) == len(float32) == 3
    assert heights[0] > heights[1] > heights[2] > max(float32), "further down is smaller"
    assert abs(heights[0] - float(lowest.get("y", "0"))) < 8


@pytest.mark.parametrize("missing", [None, "nan", "inf"])
def test_what_is_no_number_leaves_a_gap(missing: Any) -> None:
    taps = [f"tap{i}" for i in range(5)]
    values = {key: [1e-7] * 5 for key in ("float64", "noise_floor")}
    svg = draw_curve({**CURVE, **values, "taps": taps, "float32": [1e-7, 1e-7, missing, 1e-7, 1e-7]}, name="a", label="")
    assert len(points_of(svg, "accent")) == 4
    assert len(points_of(svg, "second")) == 5


def test_limits_may_differ_by_tap() -> None:
    svg = draw_curve({**CURVE, "limit_float32": [1e-6, 1e-5, 1e-4]}, name="a", label="")
    heights = [y for _, y in points_of(svg, "accent", dashed=True)]
    assert heights[0] > heights[1] > heights[2]


@pytest.mark.parametrize("name", ["</svg><script>alert(1)</script>", "-->", "]]>", "$x^2$", 'a"b', "图像", "\N{LUNGS}", "&lt;"])
def test_hostile_taps_are_text(name: str) -> None:
    assert name in texts_of(draw_curve({**CURVE, "taps": [name, *TAPS[1:]]}, name="a", label=""))


@pytest.mark.parametrize("value", [0.0, None, "nan", 1e-300, 1e300])
def test_strange_numbers_can_be_drawn(value: Any) -> None:
    values = dict.fromkeys(("float64", "float32", "noise_floor"), [value] * 3)
    assert set(TAPS) <= set(texts_of(draw_curve({**CURVE, **values, "limit_float64": value}, name="a", label="")))


def test_a_curve_of_very_many_taps_is_cut() -> None:
    n = 5000
    curve = {
        **CURVE,
        "taps": [f"tap{i}" for i in range(n)],
        "float64": [1e-16] * n,
        "float32": [1e-7] * n,
        "noise_floor": [1e-7] * n,
    }
    assert len(draw_curve(curve, name="a", label="")) < 100_000


def make_rows(reference: list[Any], candidate: list[Any]) -> list[LockstepRow]:
    columns = {"steps": [*range(1, len(reference) + 1)], "reference": reference, "candidate": candidate}
    difference = loss_errors(*(np.array(losses, dtype=float) for losses in (reference, candidate))).tolist()
    return make_lockstep_rows({**columns, "difference": difference, "epoch_starts": [1, 3]})


LOSSES = make_rows([1.0, 0.5, 0.25, 0.125], [1.0, 0.5 + 1e-13, 0.25, 0.125 + 1e-10])


def lines_of(svg: str) -> list[list[tuple[float, float]]]:
    """Points of the three lines: losses of the legacy and of the port, and their difference."""
    paths = [path.get("d", "") for path in parse(svg).iter("path") if path.get("clip-path")]
    found = [[(float(x), float(y)) for x, y in re.findall(r"[ML] (-?[\d.]+) (-?[\d.]+)", path)] for path in paths]
    # What stands upright, or lies, is a line of the grid or the start of an epoch.
    return [points for points in found if len({x for x, _ in points}) > 1 and len({y for _, y in points}) > 1]


def test_losses_are_an_element_like_the_curves() -> None:
    svg = draw_losses(LOSSES, name="lockstep", label='Losses "<1>"')
    assert svg == draw_losses(LOSSES, name="lockstep", label='Losses "<1>"')
    root = parse(svg)
    assert (root.get("role"), root.get("aria-label")) == ("img", 'Losses "<1>"')
    assert "://" not in svg
    assert not re.search(r"#[0-9a-fA-F]{6}", svg)
    assert all(element.get("id", "lockstep-").startswith("lockstep-") for element in root.iter())
    assert {"loss, legacy", "loss, port", "relative difference", "epoch starts"} <= set(texts_of(svg))
    assert {"1", "2", "3", "4"} <= set(texts_of(svg))


def test_both_losses_share_an_axis_and_their_difference_has_its_own() -> None:
    legacy, port, difference = lines_of(draw_losses(LOSSES, name="a", label=""))
    assert legacy == port, "1e-10 of a loss cannot be seen"
    drops = [after - before for (_, before), (_, after) in pairwise(legacy)]
    assert drops == pytest.approx([drops[0], drops[0] / 2, drops[0] / 4], abs=1e-4), "0.5, 0.25, 0.125"
    heights = [y for _, y in difference]
    assert heights[0] == heights[2], "nothing differs: the line marked 0"
    assert heights[0] > heights[1] > heights[3], "further down is smaller"
    assert min(heights) > max(y for _, y in legacy), "the difference is drawn below the losses"


def test_losses_that_part_are_seen_to() -> None:
    legacy, port, _ = lines_of(draw_losses(make_rows([1.0, 0.5, 0.25], [1.0, 0.6, 0.7]), name="a", label=""))
    assert [y for _, y in port][1:] < [y for _, y in legacy][1:]
    assert legacy[0] == port[0]


@pytest.mark.parametrize("value", [0.0, None, "nan", "inf", -1e300, 1e-300])
def test_strange_losses_can_be_drawn(value: Any) -> None:
    assert "loss, port" in texts_of(draw_losses(make_rows([value] * 3, [1.0, value, 2.0]), name="a", label=""))


def test_losses_of_very_many_steps_are_cut() -> None:
    svg = draw_losses(make_rows([0.5] * 5000, [0.5] * 5000), name="a", label="")
    assert len(svg) < 150_000
    assert len([text for text in texts_of(svg) if text.isdigit() and int(text) > 0]) <= 2 * 30
