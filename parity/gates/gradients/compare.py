"""The gradient of every trainable tensor of one training step, element by element, in float64; which tensors it changes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from parity.architecture import HIDDEN_UNITS, Tensor
from parity.comparison import Comparison, Expected
from parity.contract import CLASSES
from parity.measurement import MEASURES, Worst, relative_error
from parity.tolerance import GatesFile
from parity.training import HEIGHT_PX, STEPPED, TRAINABLE, WIDTH_PX, is_without_gradient
from parity.verdict import Check, GateResult
from parity.workspace import Workspace

INPUTS = ("inputs/images", "inputs/labels", "inputs/mask")


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    images = workspace.recording("legacy", "gradients").arrays["inputs/images"].shape[0]
    comparison = Comparison.open(workspace, "gradients", _expected(images))
    checks = [comparison.inputs(comparison.pairs(*INPUTS), "batch and dropout mask of the step")]
    checks.append(comparison.table("stepped", STEPPED))
    for tensor in TRAINABLE:
        checks += _tensor_checks(comparison, tensor, gates_file)
    return comparison.result(checks)


def _expected(images: int) -> dict[str, Expected]:
    found = {
        "inputs/images": Expected(axes="NHWC", shape=(images, HEIGHT_PX, WIDTH_PX, 3), dtype="float32"),
        "inputs/labels": Expected(axes="NK", shape=(images, len(CLASSES)), dtype="float32"),
        "inputs/mask": Expected(axes="NC", shape=(images, HIDDEN_UNITS), dtype="float64"),
    }
    for tensor in TRAINABLE:
        found[f"float64/{tensor.legacy}"] = Expected(
            axes=tensor.axes, candidate_axes=tensor.port_axes, shape=tensor.shape, dtype="float64"
        )
    return found


def _tensor_checks(comparison: Comparison, tensor: Tensor, gates_file: GatesFile) -> Iterator[Check]:
    place = f"gradients/float64/{tensor.legacy}"
    for pair in comparison.pairs(f"float64/{tensor.legacy}"):
        if is_without_gradient(tensor.legacy):
            worst = Worst()
            worst.add(float(np.abs(pair.candidate - pair.reference).max()), tensor.port, pair.candidate.size)
            yield worst.to_check(f"{place}/max_abs", gates_file.limit("gradients/without_gradient"), unit="absolute")
            continue
        error = relative_error(pair.reference, pair.candidate)
        for measure in MEASURES:
            worst = Worst()
            worst.add(getattr(error, measure), tensor.port, pair.candidate.size)
            yield worst.to_check(f"{place}/{measure}", gates_file.limit("gradients/float64"), unit="relative")
