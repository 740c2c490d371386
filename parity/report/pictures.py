"""The curves of a report: the error along the network, and the losses of training in lockstep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from parity.report import svg
from parity.report.lockstep import LockstepRow
from parity.report.text import cut_middle

_MOST_TAPS = 60
_MOST_STEPS = 400
_MOST_STEP_NAMES = 30


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
    lines = {key: _sizes(curve[key], len(taps)) for key in ("float64", "float32", "noise_floor")}
    limits = {key: _sizes(curve[f"limit_{key}"], len(taps)) for key in ("float64", "float32")}
    bottom, top = svg.exponents([*lines.values(), *limits.values()])

    def paint(canvas: Canvas) -> None:
        axes = canvas.add_axes((0.075, 0.265, 0.915, 0.625))
        _draw_errors(axes, lines, limits, bottom)
        svg.mark_exponents(axes, bottom, top)
        axes.set_xlim(-0.6, max(len(taps), 1) - 0.4)
        axes.set_xticks(range(len(taps)), taps, rotation=48, ha="right", rotation_mode="anchor", fontsize=9, parse_math=False)
        svg.dress(axes)

    return svg.draw_svg(paint, height=4.5, name=name, label=label)


def _sizes(value: Any, n: int) -> np.ndarray:
    """Return one number without its sign for each tap."""
    sizes: np.ndarray = np.abs(svg.numbers(value[:n] if isinstance(value, list) else [value] * n))
    return sizes


def _draw_errors(axes: Axes, lines: Mapping[str, np.ndarray], limits: Mapping[str, np.ndarray], bottom: float) -> None:
    x = np.arange(len(lines["float64"]))
    floor = svg.heights(lines["noise_floor"], bottom)
    styles: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
        ("float32", svg.FIRST, "port, float32", {"marker": "s", "linewidth": 1.8}),
        ("float64", svg.SECOND, "port, float64", {"marker": "o", "linewidth": 1.8}),
    )
    for key, colour, label, style in styles:
        axes.plot(
            x,
            svg.heights(limits[key], bottom),
            color=colour,
            linestyle="--",
            linewidth=1.2,
            label=f"limit, {key}",
        )
        axes.plot(x, svg.heights(lines[key], bottom), color=colour, markersize=4.5, label=label, zorder=3, **style)
    axes.plot(x, floor, color=svg.MUTED, linestyle=":", linewidth=1.6, label="legacy, float32 (noise floor)", zorder=2)


def draw_losses(rows: Sequence[LockstepRow], *, name: str, label: str) -> str:
    """Draw the losses of both sides step by step, and below them their relative difference on a logarithmic axis.

    The port's loss is a dashed line on the legacy's broad one: where they are the same, both are seen. A difference of exactly
    zero is drawn on the lowest line, which is marked 0.

    Args:
        rows: From `make_lockstep_rows`; at most `_MOST_STEPS` are drawn, the first ones.
        name: As in `draw_curve`.
        label: As in `draw_curve`.

    Returns:
        An `svg` element without any outside reference.
    """
    rows = rows[:_MOST_STEPS]
    steps = svg.numbers([row.step for row in rows])
    reference, candidate = (svg.numbers([getattr(row, side) for row in rows]) for side in ("reference", "candidate"))
    difference = svg.numbers([row.difference for row in rows])
    starts = [row.step for row in rows if row.starts_epoch]

    def paint(canvas: Canvas) -> None:
        losses = canvas.add_axes((0.075, 0.5, 0.915, 0.4))
        for values, colour, side, style in (
            (reference, svg.FIRST, "legacy", {"linewidth": 5.0, "alpha": 0.45}),
            (candidate, svg.SECOND, "port", {"linewidth": 1.8, "linestyle": "--", "marker": "o", "markersize": 4.5}),
        ):
            losses.plot(steps, values, color=colour, label=f"loss, {side}", **style)
        _mark_steps(losses, steps, starts)
        errors = canvas.add_axes((0.075, 0.125, 0.915, 0.255))
        bottom, top = svg.exponents([difference])
        heights = svg.heights(difference, bottom)
        errors.plot(steps, heights, color=svg.SECOND, marker="o", markersize=4.5, linewidth=1.8, label="relative difference")
        svg.mark_exponents(errors, bottom, top)
        _mark_steps(errors, steps, starts)
        errors.set_xlabel("step", color=svg.INK, fontsize=10)

    return svg.draw_svg(paint, height=4.5, name=name, label=label)


def _mark_steps(axes: Axes, steps: np.ndarray, starts: Sequence[int]) -> None:
    for number, step in enumerate(starts):
        place = step - 0.5  # between the last step of an epoch and the first of the next
        axes.axvline(place, color=svg.MUTED, linestyle=":", linewidth=1.2, label="" if number else "epoch starts")
    axes.set_xticks(steps[:: -(-len(steps) // _MOST_STEP_NAMES) or 1])
    axes.xaxis.set_major_formatter("{x:.0f}")
    svg.dress(axes)
