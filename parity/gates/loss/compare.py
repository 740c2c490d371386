"""Training loss, validation loss and their averages over an epoch: the sides against each other and against numpy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from parity.comparison import Comparison, Expected, Pair
from parity.contract import CLASSES, DTYPES
from parity.gates.loss.contract import EPOCH, MEASURED, make_cases
from parity.measurement import Worst
from parity.tolerance import GatesFile, Limit
from parity.training import CLASS_WEIGHTS, Batch, cut, make_epoch
from parity.verdict import Check, GateResult
from parity.workspace import Workspace

PARTS = ("logits", "labels")


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    shapes = {name: logits.shape for name, (logits, _) in {**make_cases(), EPOCH: make_epoch()}.items()}
    comparison = Comparison.open(workspace, "loss", _expected(shapes))
    names = [f"inputs/{name}/{part}" for name in shapes for part in PARTS]
    inputs = {name: pair for name in names for pair in comparison.pairs(name)}
    checks = [comparison.inputs(inputs.values(), "logits and labels that both sides were given")]
    truths = {name: _oracle(inputs, name) for name in shapes if all(f"inputs/{name}/{part}" in inputs for part in PARTS)}
    smallest_scale = gates_file.limit("loss/smallest_scale").value
    for dtype in DTYPES:
        pairs = {name: pair for name in shapes for pair in comparison.pairs(f"{dtype}/{name}")}
        limit = gates_file.limit(f"loss/{dtype}")
        for place, loss in enumerate(MEASURED):
            found = {name: (float(pair.reference[place]), float(pair.candidate[place])) for name, pair in pairs.items()}
            checks += _case_checks(f"loss/{dtype}", loss, found, limit, smallest_scale)
        checks += _oracle_checks(f"loss/{dtype}/oracle", pairs, truths, limit, smallest_scale)
    return comparison.result(checks)


def _expected(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Expected]:
    found = {
        f"inputs/{name}/{part}": Expected(axes="NK", shape=shapes[name], dtype="float64") for name in shapes for part in PARTS
    }
    losses = Expected(axes="N", shape=(len(MEASURED),), dtype="float64")
    return found | {f"{dtype}/{name}": losses for dtype in DTYPES for name in shapes}


def _case_checks(
    gate: str, loss: str, found: Mapping[str, tuple[float, float]], limit: Limit, smallest_scale: float
) -> Iterator[Check]:
    for name, losses in found.items():
        worst = Worst()
        worst.add(_error(*losses, smallest_scale), name, 1)
        yield worst.to_check(f"{gate}/{name}/{loss}", limit, unit="relative")


def _oracle_checks(
    gate: str, pairs: Mapping[str, Pair], truths: Mapping[str, tuple[float, float]], limit: Limit, smallest_scale: float
) -> Iterator[Check]:
    """Hold each side against numpy, so that an error of both is seen too."""
    for side in ("legacy", "port"):
        worst = Worst()
        for name, pair in pairs.items():
            losses = pair.reference if side == "legacy" else pair.candidate
            for loss, truth, observed in zip(MEASURED, truths.get(name, (np.nan, np.nan)), losses.tolist(), strict=True):
                worst.add(_error(truth, observed, smallest_scale), f"{loss} of {name}", 1)
        yield worst.to_check(f"{gate}/{side}", limit, unit="relative")


def _error(truth: float, found: float, smallest_scale: float) -> float:
    return abs(found - truth) / max(abs(truth), smallest_scale)


def _oracle(inputs: Mapping[str, Pair], name: str) -> tuple[float, float]:
    """Return the weighted training loss and the plain validation loss of a case, by numpy from the recorded logits."""
    logits, labels = (inputs[f"inputs/{name}/{part}"].reference for part in PARTS)
    batches = cut((logits, labels)) if name == EPOCH else [(logits, labels)]
    weights = np.array([CLASS_WEIGHTS[label] for label in range(len(CLASSES))])
    weighted = [float((image_losses(batch) * weights[batch[1].argmax(axis=1)]).sum()) for batch in batches]
    plain = [float(image_losses(batch).sum()) for batch in batches]
    return sum(weighted) / len(logits), sum(plain) / len(logits)


def image_losses(batch: Batch) -> np.ndarray:
    """Return the cross-entropy of each image, (N,): the logarithm of the sum of exponentials, less the label's logit.

    >>> image_losses((np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]]))).round(6).tolist()
    [0.693147]
    """
    logits, labels = batch
    largest = logits.max(axis=1, keepdims=True)
    total: np.ndarray = np.log(np.exp(logits - largest).sum(axis=1)) + largest[:, 0] - (logits * labels).sum(axis=1)
    return total
