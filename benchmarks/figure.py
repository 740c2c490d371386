"""The epoch split into its parts, as an SVG that stands alone."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from benchmarks.summary import Epoch
from parity.files import write_whole

# Okabe and Ito's colours, which the colour-blind can tell apart.
COLOURS = {"compute": "#0072B2", "stall": "#E69F00", "training": "#56B4E9", "validation": "#009E73", "keeping": "#999999"}
STYLE = {"svg.hashsalt": "epoch", "svg.fonttype": "none", "font.size": 10}


def write_epochs(path: Path, epochs: Sequence[Epoch]) -> None:
    """Draw a bar for each contestant: its training (steps and stall where both are known), validation and the rest."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 1.2 + 0.45 * len(epochs)), layout="constrained")
        axes = figure.add_subplot()
        shown: set[str] = set()
        for place, epoch in enumerate(epochs):
            left = 0.0
            for name, width in split_parts(epoch).items():
                axes.barh(place, width, left=left, color=COLOURS[name], label=None if name in shown else name)
                shown.add(name)
                left += width
        axes.set_yticks(range(len(epochs)), [epoch.contestant for epoch in epochs])
        axes.invert_yaxis()
        axes.set_xlabel("seconds of an epoch (median)")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(ncols=len(shown), loc="lower left", bbox_to_anchor=(0, 1), frameon=False)
        text = io.StringIO()
        FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None, "Title": "The epoch, split into its parts"})
    write_whole(path, text.getvalue())


def split_parts(epoch: Epoch) -> dict[str, float]:
    """Return the seconds of each part that is drawn."""
    parts = dict(epoch.parts)
    if epoch.compute is None:
        return parts
    training = parts.pop("training")
    compute = min(epoch.compute, training)  # the steps alone were timed apart, and may have been slower
    return {"compute": compute, "stall": training - compute, **parts}
