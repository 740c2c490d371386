"""Network and Grad-CAM inputs: every image by hash, a few by pixel so that a difference has a size."""

from __future__ import annotations

import numpy as np

from parity.comparison import Comparison, Expected, compare_table
from parity.measurement import Worst
from parity.tolerance import GatesFile, Limit
from parity.verdict import Check, GateResult
from parity.workspace import Workspace

INPUTS = ("batch", "gradcam_input")
IDENTICAL = Limit(value=0.0, reason="the same library on the same pixels: bit-identical, in units of [0, 1]")


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    shape = (1, workspace.spec.height_px, workspace.spec.width_px, 3)
    taps = workspace.tap_cases("evaluation")
    expected = {f"{name}/{case.index}": Expected(axes="NHWC", shape=shape, dtype="float32") for name in INPUTS for case in taps}
    comparison = Comparison.open(workspace, "preprocess", expected)
    keys = [f"{case.index} {case.image}" for case in workspace.cases("evaluation")]
    checks: list[Check] = []
    for name in INPUTS:
        comparison.tables += 1
        reference, candidate = (side.values["sha256"][name] for side in (comparison.reference, comparison.candidate))
        checks.append(compare_table(f"preprocess/exact/{name}/sha256", keys, reference, candidate))
        worst = Worst()
        for case in taps:
            for pair in comparison.pairs(f"{name}/{case.index}"):
                difference = np.abs(pair.candidate.astype(np.float64) - pair.reference)
                worst.add(float(difference.max()), case.name, difference.size)
        checks.append(worst.to_check(f"preprocess/exact/{name}/max_abs", IDENTICAL, unit="of [0, 1]"))
    return comparison.result(checks)
