"""The error along the network as a curve: inline SVG by matplotlib, the same bytes for the same numbers."""

from __future__ import annotations

import html
import io
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from parity.report.notation import number_of
from parity.report.text import cut_middle

# matplotlib draws in these placeholder colours; each becomes a CSS variable, so that a curve follows light and dark.
_INK, _MUTED, _RULE, _SINGLE, _DOUBLE = (f"#0{i}fe0{i}" for i in range(5))
_VARIABLES = {
    _INK: "--ink",
    _MUTED: "--muted",
    _RULE: "--rule",
    _SINGLE: "--accent",
    _DOUBLE: "--second",
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 11.0,
    "text.color": _INK,
    "axes.edgecolor": _MUTED,
    "axes.linewidth": 0.8,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
_MOST_TAPS = 60


def draw_curve(curve: Mapping[str, Any], *, name: str, label: str) -> str:
    """Draw the error at each tap, float32 and float64, against their limits and the noise floor.

    An error of exactly zero has no place on a logarithmic axis: it is drawn on the lowest line, which is marked 0.

    Args:
        curve: One of the `curves` of report.json; at most `_MOST_TAPS` taps are drawn, the first ones.
        name: Letters and digits that no other picture of the page uses: they begin every id in the picture.
        label: What the picture shows, for those who do not see it.

    Returns:
        An `svg` element without any outside reference.
    """
    taps = [cut_middle(tap, 32) for tap in curve["taps"][:_MOST_TAPS]]
    lines = {key: _values(curve[key], len(taps)) for key in ("float64", "float32", "noise_floor")}
    limits = {key: _values(curve[f"limit_{key}"], len(taps)) for key in ("float64", "float32")}
    bottom, top = _range([*lines.values(), *limits.values()])
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Names may have letters that matplotlib's own font lacks; the browser has them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**_STYLE, "svg.hashsalt": f"parity {name}"})
        canvas = Canvas(figsize=(9.0, 4.5))
        FigureCanvasSVG(canvas)
        axes = canvas.add_axes((0.075, 0.265, 0.915, 0.625))
        _draw_lines(axes, lines, limits, bottom)
        _draw_axes(axes, taps, bottom, top)
        text = io.StringIO()
        canvas.savefig(
            text,
            format="svg",
            transparent=True,
            metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")),
        )
    return _make_inline(text.getvalue(), name, label)


def _values(value: Any, n: int) -> np.ndarray:
    """Return one number per tap; what is missing or not finite leaves a gap."""
    figures = list(value[:n]) if isinstance(value, list) else [value] * n
    numbers = [number_of(item) for item in figures]
    return np.array([math.nan if item is None or not math.isfinite(item) else abs(item) for item in numbers])


def _range(series: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the exponents between which all numbers above zero lie."""
    found = [value for values in series for value in values.tolist() if value > 0.0]
    if not found:
        return -18.0, 0.0
    return math.floor(math.log10(min(found))) - 1.0, math.ceil(math.log10(max(found)) + 0.2)


def _heights(values: np.ndarray, bottom: float) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.where(values > 0.0, np.log10(values), np.where(values == 0.0, bottom, math.nan))


def _draw_lines(axes: Axes, lines: Mapping[str, np.ndarray], limits: Mapping[str, np.ndarray], bottom: float) -> None:
    x = np.arange(len(lines["float64"]))
    floor = _heights(lines["noise_floor"], bottom)
    styles: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
        ("float32", _SINGLE, "port, float32", {"marker": "s", "linewidth": 1.8}),
        ("float64", _DOUBLE, "port, float64", {"marker": "o", "linewidth": 1.8}),
    )
    for key, colour, label, style in styles:
        axes.plot(
            x,
            _heights(limits[key], bottom),
            color=colour,
            linestyle="--",
            linewidth=1.2,
            label=f"limit, {key}",
        )
        axes.plot(x, _heights(lines[key], bottom), color=colour, markersize=4.5, label=label, zorder=3, **style)
    axes.plot(x, floor, color=_MUTED, linestyle=":", linewidth=1.6, label="legacy, float32 (noise floor)", zorder=2)


def _draw_axes(axes: Axes, taps: Sequence[str], bottom: float, top: float) -> None:
    step = max(1, math.ceil((top - bottom) / 9))
    marks = [int(bottom), *range(int(bottom) + step, int(top) + 1, step)]
    names = ["0", *(f"1e{mark}" for mark in marks[1:])]
    axes.set_ylim(bottom - 0.4, top)
    axes.yaxis.set_major_locator(FixedLocator(marks))
    axes.yaxis.set_major_formatter(FixedFormatter(names))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlim(-0.6, max(len(taps), 1) - 0.4)
    axes.set_xticks(range(len(taps)), taps, rotation=48, ha="right", rotation_mode="anchor", fontsize=9, parse_math=False)
    axes.tick_params(length=3, width=0.8, labelcolor=_INK)
    axes.grid(axis="y", color=_RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        ncols=5,
        fontsize=10,
        handlelength=2.2,
        columnspacing=1.6,
    )


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
