"""Losses, weights, optimizer slots, running statistics and predictions of training steps, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from parity.architecture import BATCH_NORMS, HIDDEN_UNITS
from parity.comparison import Comparison, Expected
from parity.contract import CLASSES
from parity.gates.lockstep.contract import STATISTICS
from parity.gates.lockstep.seeded import expected_masks, seeded_checks
from parity.gates.lockstep.statistics import as_keras_keeps, norm_positions
from parity.measurement import Worst, relative_error
from parity.tolerance import GatesFile
from parity.training import BATCHES, EPOCHS, HEIGHT_PX, SLOTS, TRAINABLE, WIDTH_PX, is_nearly_without_gradient, sample_elements
from parity.verdict import Check, GateResult
from parity.workspace import Workspace

KINDS = ("weights", *SLOTS)
EPSILON = 1e-7  # of Adam


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    images = workspace.recording("legacy", "lockstep").arrays
    lengths = [images[f"inputs/{number}/images"].shape[0] for number in range(BATCHES[workspace.spec.profile] + 1)]
    comparison = Comparison.open(workspace, "lockstep", _expected(lengths))
    checks = [
        comparison.inputs(
            comparison.pairs(*(name for name in comparison.expected if name.startswith("inputs/"))),
            "batches and dropout masks that both sides trained from",
        ),
        _loss_check(comparison, gates_file),
        *(check for kind in KINDS for check in _state_checks(comparison, kind, gates_file)),
        *_statistics_checks(comparison, lengths, gates_file),
        _predictions_check(comparison, gates_file),
        *seeded_checks(comparison, lengths, gates_file.limit("lockstep/kept")),
    ]
    return comparison.result(checks)


def step_lengths(lengths: Sequence[int]) -> list[int]:
    """Return the number of images in each step, for those of an epoch's batches and of the validation batch.

    >>> step_lengths([4, 2, 3])
    [4, 2, 4, 2]
    """
    return [*lengths[:-1]] * EPOCHS


def _expected(lengths: list[int]) -> dict[str, Expected]:
    steps = step_lengths(lengths)
    found = {"float64/loss": Expected(axes="N", shape=(len(steps),), dtype="float64")}
    for number, images in enumerate(lengths):
        size = (images, HEIGHT_PX, WIDTH_PX, 3)
        found[f"inputs/{number}/images"] = Expected(axes="NHWC", shape=size, dtype="float32")
        found[f"inputs/{number}/labels"] = Expected(axes="NK", shape=(images, len(CLASSES)), dtype="float32")
    for step, images in enumerate(steps):
        found[f"inputs/mask{step}"] = Expected(axes="NC", shape=(images, HIDDEN_UNITS), dtype="float64")
    for tensor in TRAINABLE:
        sample = Expected(axes="N", shape=sample_elements(np.empty(tensor.shape)).shape, dtype="float64")
        found |= {f"float64/{kind}/{tensor.legacy}": sample for kind in KINDS}
    for norm in BATCH_NORMS:
        for what in STATISTICS:
            shape = (1 + len(steps), norm.channels)
            found[f"float64/{what}/{norm.name}"] = Expected(axes="NC", shape=shape, dtype="float64")
    found |= expected_masks(lengths)
    found["float64/predictions"] = Expected(axes="NK", shape=(lengths[0], len(CLASSES)), dtype="float64")
    return found


def _loss_check(comparison: Comparison, gates_file: GatesFile) -> Check:
    """Each step's loss for itself: the first that is over the limit is where the two part."""
    worst = Worst()
    limit = gates_file.limit("lockstep/loss")
    for pair in comparison.pairs("float64/loss"):
        errors = loss_errors(pair.reference, pair.candidate)
        over = np.flatnonzero(~(errors <= limit.value))
        parted = f"; the losses part at step {over[0] + 1}" if over.size else ""
        for step, error in enumerate(errors, start=1):
            worst.add(float(error), f"step {step}{parted}", 1)
    return worst.to_check("lockstep/float64/loss/rel", limit, unit="relative")


def loss_errors(reference: np.ndarray, candidate: np.ndarray) -> np.ndarray:
    """Return the relative error of each step's loss, (N,); a loss of exactly 0 is infinitely far from any other.

    >>> loss_errors(np.array([2.0, 0.0, 0.0]), np.array([2.5, 0.0, 1.0])).tolist()
    [0.25, 0.0, inf]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        errors: np.ndarray = np.abs(candidate - reference) / np.abs(reference)
    errors[candidate == reference] = 0.0
    return errors


def _state_checks(comparison: Comparison, kind: str, gates_file: GatesFile) -> Iterator[Check]:
    """Weights or slots: relatively, but absolutely where Adam divides by epsilon rather than by the second moment.

    There it multiplies the rounding error of a gradient by its learning rate over epsilon in each step, however small the
    weights are.
    """
    relative, absolute = Worst(), Worst()
    for tensor in TRAINABLE:
        moments = next(comparison.pairs(f"float64/v/{tensor.legacy}"), None)
        for pair in comparison.pairs(f"float64/{kind}/{tensor.legacy}"):
            if moments is None:
                continue
            small = np.sqrt(moments.reference) < EPSILON
            if is_nearly_without_gradient(tensor.legacy):
                small[:] = True
            errors = np.abs(pair.candidate - pair.reference)
            absolute.add(float(errors[small].max(initial=0.0)), tensor.legacy, int(small.sum()))
            scale = float(np.abs(pair.reference).max())
            if not small.all():
                relative.add(float(errors[~small].max()) / scale, tensor.legacy, int((~small).sum()))
    yield relative.to_check(f"lockstep/float64/{kind}/max_rel", gates_file.limit("lockstep/state"), unit="relative")
    limit = gates_file.limit("lockstep/without_gradient")
    yield absolute.to_check(f"lockstep/float64/{kind}/without_gradient/max_abs", limit, unit="absolute")


def _statistics_checks(comparison: Comparison, lengths: list[int], gates_file: GatesFile) -> Iterator[Check]:
    limit = gates_file.limit("lockstep/statistics")
    positions = norm_positions(HEIGHT_PX, WIDTH_PX)
    for what in STATISTICS:
        worst = Worst()
        for norm in BATCH_NORMS:
            counts = [images * positions[norm.name] for images in step_lengths(lengths)]
            factors = [(count - 1) / count if what == "variance" else 1.0 for count in counts]
            for pair in comparison.pairs(f"float64/{what}/{norm.name}"):
                found = as_keras_keeps(pair.candidate[0], pair.candidate[1:], factors)
                for step, (truth, kept) in enumerate(zip(pair.reference[1:], found, strict=True), start=1):
                    worst.add(relative_error(truth, kept).max_rel, f"{norm.name} after step {step}", norm.channels)
        yield worst.to_check(f"lockstep/float64/running_{what}/max_rel", limit, unit="relative")


def _predictions_check(comparison: Comparison, gates_file: GatesFile) -> Check:
    worst = Worst()
    for pair in comparison.pairs("float64/predictions"):
        for row, (truth, found) in enumerate(zip(pair.reference, pair.candidate, strict=True)):
            worst.add(relative_error(truth, found).max_rel, f"image {row} of the first batch", found.size)
    return worst.to_check("lockstep/float64/predictions/max_rel", gates_file.limit("lockstep/predictions"), unit="relative")
