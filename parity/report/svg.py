"""Inline SVG by matplotlib for a page: its colours and font, no outside reference, the same bytes for the same numbers."""

from __future__ import annotations

import html
import io
import math
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from parity.report.notation import number_of

# matplotlib draws in these placeholder colours; each becomes a CSS variable, so that a picture follows light and dark.
INK, MUTED, RULE, FIRST, SECOND = (f"#0{i}fe0{i}" for i in range(5))
_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    RULE: "--rule",
    FIRST: "--accent",
    SECOND: "--second",
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 11.0,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
_LEGEND: dict[str, Any] = {
    "loc": "lower left",
    "bbox_to_anchor": (-0.01, 1.0),
    "ncols": 5,
    "fontsize": 10,
    "handlelength": 2.2,
    "columnspacing": 1.6,
}


def draw_svg(paint: Callable[[Canvas], None], *, height: float, name: str, label: str) -> str:
    """Draw a picture of 9 by `height` inches.

    Args:
        paint: Puts axes on the canvas and draws.
        height: Height in inches of a hundred pixels or so.
        name: Letters and digits that no other picture of the page uses: they begin every id in the picture.
        label: What the picture shows, for those who do not see it.

    Returns:
        An `svg` element without any outside reference.
    """
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Names may have letters that matplotlib's own font lacks; the browser has them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**_STYLE, "svg.hashsalt": f"parity {name}"})
        canvas = Canvas(figsize=(9.0, height))
        FigureCanvasSVG(canvas)
        paint(canvas)
        text = io.StringIO()
        canvas.savefig(
            text,
            format="svg",
            transparent=True,
            metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")),
        )
    return _make_inline(text.getvalue(), name, label)


def numbers(values: Sequence[Any]) -> np.ndarray:
    """Return values as numbers; what is missing or not finite leaves a gap."""
    found = [number_of(value) for value in values]
    return np.array([math.nan if value is None or not math.isfinite(value) else value for value in found])


def exponents(series: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the exponents between which all numbers above zero lie."""
    found = [value for values in series for value in values.tolist() if value > 0.0]
    if not found:
        return -18.0, 0.0
    return math.floor(math.log10(min(found))) - 1.0, math.ceil(math.log10(max(found)) + 0.2)


def heights(values: np.ndarray, bottom: float) -> np.ndarray:
    """Return where numbers stand on a logarithmic axis; zero, which has no place on it, is at the bottom."""
    with np.errstate(divide="ignore"):
        return np.where(values > 0.0, np.log10(values), np.where(values == 0.0, bottom, math.nan))


def mark_exponents(axes: Axes, bottom: float, top: float) -> None:
    """Mark the y axis with powers of ten, and its lowest line with 0."""
    step = max(1, math.ceil((top - bottom) / 9))
    marks = [int(bottom), *range(int(bottom) + step, int(top) + 1, step)]
    axes.set_ylim(bottom - 0.4, top)
    axes.yaxis.set_major_locator(FixedLocator(marks))
    axes.yaxis.set_major_formatter(FixedFormatter(["0", *(f"1e{mark}" for mark in marks[1:])]))
    axes.yaxis.set_minor_locator(NullLocator())


def dress(axes: Axes) -> None:
    """Give axes the look of the page: fine ticks, lines across, a legend above."""
    axes.tick_params(length=3, width=0.8, labelcolor=INK)
    axes.grid(axis="y", color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(**_LEGEND)


def _make_inline(svg: str, name: str, label: str) -> str:
    """Return the svg element alone: ids of its own, colours and font of the page, no namespace or file it refers to."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r'\s(xmlns(:\w+)?|version|width|height)="[^"]*"', "", svg.partition(">")[0]) + ">" + svg.partition(">")[2]
    # matplotlib's style element would hold for the whole page; the page's own sheet has its rule.
    svg = re.sub(r"<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg).replace("url(#", f"url(#{name}-").replace('xlink:href="#', f'href="#{name}-')
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    svg = re.sub(r" font-family: [^;\"]*;", "", svg)
    svg = re.sub(r"\s*\n\s*", "\n", svg)
    return svg.replace("<svg", f'<svg class="curve" role="img" aria-label="{html.escape(label)}"', 1)
