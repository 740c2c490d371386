"""What both recorders and the comparison agree on: maps that are made up, and what the ``gradcam`` commands are asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from parity.evaluation import data_options
from parity.workspace import Case, Workspace

_RAMP = np.linspace(0.25, 1.0, 12, dtype=np.float32).reshape(3, 4)

# By the legacy's definition a maximum of exactly 0 gives NaN, a negative one -0; a map without a zero keeps its lowest value.
FIXTURE_MAPS: Mapping[str, np.ndarray] = {
    "zero": np.zeros_like(_RAMP),
    "negative": -_RAMP,
    "positive": _RAMP,
    "mixed": _RAMP - np.float32(0.875),  # its largest magnitude is negative
}
FIXTURE_IMAGE = np.linspace(0.0, 1.0, 24 * 32 * 3, dtype=np.float32).reshape(24, 32, 3)  # H W C

# What the commands are asked that is not their default.
SAMPLES = 3
SEED = 12  # with it a number comes twice, and the order is not that of the files
MASK_THRESHOLD = 0.4
CLASS_IMAGES = 1  # of the run: in float64 each map takes as long as two in float32
CLASS_KINDS = ("evaluation", "command")  # whose maps are made of every class: images of the run, inputs of the commands


def class_cases(workspace: Workspace) -> tuple[Case, ...]:
    """Return the images of the run whose maps are made of every class."""
    return workspace.tap_cases("evaluation")[:CLASS_IMAGES]


def command_cases(workspace: Workspace) -> list[Case]:
    """Return the images that both commands must explain, in order: drawn by numpy's generator, none twice."""
    cases = workspace.cases("evaluation")
    draw = np.random.RandomState(SEED)
    chosen: list[int] = []
    while len(chosen) < min(SAMPLES, len(cases)):
        index = int(draw.randint(0, len(cases)))
        if index not in chosen:
            chosen.append(index)
    return [cases[index] for index in chosen]


def command_options(side: str, workspace: Workspace, checkpoint: str | Path, out: Path) -> dict[str, object]:
    """Return the options of a side's ``gradcam`` command."""
    return data_options(side, workspace.spec, checkpoint, out) | {
        "--samples": len(command_cases(workspace)),
        "--seed": SEED,
        "--mask-thresh": MASK_THRESHOLD,
    }
