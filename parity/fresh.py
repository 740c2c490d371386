"""How a fresh model is filled, against what Keras's initialisers promise: Glorot uniform kernels and constants.

Random numbers cannot be compared one by one, so each side is held against the formula.

References:
    Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks (2010);
    ``tf.keras.initializers.GlorotUniform``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from parity.architecture import Tensor
from parity.kernels import glorot_bound
from parity.measurement import Worst
from parity.tolerance import GatesFile, Limit
from parity.verdict import Check, Verdict

CONSTANTS = {"bias": 0.0, "gamma": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1.0}
# What is measured of every kernel -> its limit, and the unit of both.
MEASURED = {
    "past_bound": ("weights/fresh_bound", "of the bound"),
    "mean": ("weights/fresh_errors", "standard errors"),
    "std": ("weights/fresh_errors", "standard errors"),
}


def describe(values: np.ndarray) -> dict[str, float]:
    """Return count, mean, standard deviation, smallest and largest element of a tensor, worked out in float64.

    >>> describe(np.array([1.0, 3.0], dtype=np.float32))
    {'n': 2, 'mean': 2.0, 'std': 1.0, 'min': 1.0, 'max': 3.0}
    """
    exact = np.asarray(values, dtype=np.float64)
    figures = {"mean": exact.mean(), "std": exact.std(), "min": exact.min(), "max": exact.max()}
    return {"n": exact.size, **{name: float(value) for name, value in figures.items()}}


def fresh_checks(
    gate: str, side: str, names: Mapping[str, Tensor], found: Mapping[str, Mapping[str, float]], gates_file: GatesFile
) -> Iterator[Check]:
    """Yield the checks of one side.

    Args:
        gate: That asks.
        side: ``legacy`` or ``port``.
        names: Every tensor that is new, by this side's name.
        found: What `describe` recorded of each tensor.
    """
    place = f"{gate}/exact/fresh/{side}"
    yield _names_check(f"{place}/names", names, found)
    sound = {name: tensor for name, tensor in names.items() if _is_whole(tensor, found.get(name))}
    yield _constants_check(f"{place}/constants", sound, found)
    worst = {what: Worst() for what in MEASURED}
    for name, tensor in sound.items():
        if tensor.legacy.endswith("/kernel"):
            for what, value in _deviations(tensor, found[name]).items():
                worst[what].add(value, name, math.prod(tensor.shape))
    for what, (limit, unit) in MEASURED.items():
        yield worst[what].to_check(f"{gate}/float32/fresh/{side}/{what}", gates_file.limit(limit), unit=unit)


def _is_whole(tensor: Tensor, figures: Mapping[str, float] | None) -> bool:
    return figures is not None and figures["n"] == math.prod(tensor.shape)


def _names_check(check_id: str, names: Mapping[str, Tensor], found: Mapping[str, Mapping[str, float]]) -> Check:
    wrong = [name for name, tensor in names.items() if not _is_whole(tensor, found.get(name))]
    wrong += sorted(set(found) - set(names))
    return Check(
        id=check_id,
        verdict=Verdict.FAIL if wrong else Verdict.PASS,
        observed=float(len(wrong)),
        limit=0.0,
        unit="tensors",
        n=len(names),
        worst=", ".join(wrong[:3]),
        reason="missing, extra or of another size" if wrong else "every tensor of a fresh model, and no other",
    )


def _constants_check(check_id: str, sound: Mapping[str, Tensor], found: Mapping[str, Mapping[str, float]]) -> Check:
    worst = Worst()
    for name, tensor in sound.items():
        constant = CONSTANTS.get(tensor.legacy.rpartition("/")[2])
        if constant is not None:
            furthest = max(abs(found[name][end] - constant) for end in ("min", "max"))
            worst.add(furthest, name, math.prod(tensor.shape))
    return worst.to_check(
        check_id, Limit(value=0.0, reason="zero biases; batch norms with gamma 1, beta 0, mean 0, variance 1"), unit="absolute"
    )


def _deviations(tensor: Tensor, figures: Mapping[str, float]) -> dict[str, float]:
    """Return how far a kernel is past its bound, and its mean and deviation in standard errors of a uniform one's."""
    bound, n = glorot_bound(tensor.shape), figures["n"]
    sigma = bound / math.sqrt(3.0)
    return {
        "past_bound": max(max(-figures["min"], figures["max"]) / bound - 1.0, 0.0),
        "mean": abs(figures["mean"]) / (sigma / math.sqrt(n)),
        "std": abs(figures["std"] - sigma) / (sigma * math.sqrt(0.2 / n)),
    }
