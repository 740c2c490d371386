"""What two pipelines drew, thousands of times: how often, from which distribution, in which range."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from parity.contract import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX
from parity.measurement import Worst
from parity.tolerance import Limit
from parity.verdict import Check, Verdict

Sides = tuple[np.ndarray, np.ndarray]


def rate_deviation(reference: np.ndarray, candidate: np.ndarray) -> float:
    """Return how far apart two rates are, in standard deviations of two binomials of one rate.

    >>> round(rate_deviation(np.array([1, 0, 0, 0]), np.array([1, 1, 1, 0])), 3)
    1.414
    """
    counts = int(reference.sum()), int(candidate.sum())
    pooled = sum(counts) / (reference.size + candidate.size)
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / reference.size + 1 / candidate.size))
    difference = abs(counts[0] / reference.size - counts[1] / candidate.size)
    if difference == 0:
        return 0.0
    return difference / deviation


def kolmogorov_smirnov(reference: np.ndarray, candidate: np.ndarray) -> float:
    """Return the largest distance of two empirical distribution functions.

    >>> kolmogorov_smirnov(np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.5, 2.6]))
    0.5
    """
    places = np.concatenate([reference, candidate])
    shares = [np.searchsorted(np.sort(values), places, side="right") / values.size for values in (reference, candidate)]
    return float(np.abs(shares[0] - shares[1]).max())


def kolmogorov_smirnov_limit(sizes: tuple[int, int], false_alarm: float) -> float:
    """Return the distance that two samples of one distribution exceed with probability `false_alarm` at most.

    References:
        Smirnov, 1939: ``sqrt(-ln(false_alarm / 2) / 2 * (n + m) / (n * m))``, the first term of the limiting series.

    >>> round(kolmogorov_smirnov_limit((1000, 1000), 0.05), 4)
    0.0607
    """
    return math.sqrt(-math.log(false_alarm / 2) / 2 * (1 / sizes[0] + 1 / sizes[1]))


def range_difference(reference: np.ndarray, candidate: np.ndarray) -> float:
    """Return how far the ends of two ranges are apart, as a share of the reference's range."""
    ends = [(float(values.min()), float(values.max())) for values in (reference, candidate)]
    difference = max(abs(ends[0][0] - ends[1][0]), abs(ends[0][1] - ends[1][1]))
    if difference == 0:
        return 0.0
    width = ends[0][1] - ends[0][0]
    return difference / width if width else math.inf


def distribution_checks(
    applied: Mapping[str, Sides], drawn: Mapping[tuple[str, str], Sides], limits: Mapping[str, Limit]
) -> Iterator[Check]:
    """Yield a rate for each transform, distribution and range for each parameter, and the geometry of the crop.

    Args:
        applied: Whether a transform was applied, (draws,) of 0 and 1, by transform: reference, candidate.
        drawn: Parameters (draws, numbers) by transform and parameter: reference, candidate.
        limits: ``rate``, ``false_alarm``, ``range`` and ``geometry``.
    """
    for name, sides in applied.items():
        worst = Worst()
        rates = " / ".join(f"{side.mean():.4f}" for side in sides)
        worst.add(rate_deviation(*sides), f"legacy / port: {rates}", sides[0].size)
        yield worst.to_check(f"augment/none/{name}/rate", limits["rate"], unit="standard deviations")
    known = {key: sides for key, sides in drawn.items() if key[0] in applied}
    for (name, parameter), sides in known.items():
        values = tuple(side[mask == 1].ravel() for side, mask in zip(sides, applied[name], strict=True))
        yield from _parameter_checks(f"augment/none/{name}", parameter, (values[0], values[1]), limits)
    crop = {parameter: known[name, parameter] for name, parameter in known if name == "RandomSizedCrop"}
    if {"crop_width", "crop_height"} <= set(crop):
        yield _geometry_check(crop, applied["RandomSizedCrop"], limits["geometry"])


def _parameter_checks(prefix: str, parameter: str, sides: Sides, limits: Mapping[str, Limit]) -> Iterator[Check]:
    shape, ends = Worst(), Worst()
    sizes = (sides[0].size, sides[1].size)
    false_alarm = limits["false_alarm"]
    value = kolmogorov_smirnov_limit(sizes, false_alarm.value) if min(sizes) else 0.0
    if min(sizes):
        shape.add(kolmogorov_smirnov(*sides), parameter, sum(sizes))
        places = " / ".join(f"{side.min():.4g} to {side.max():.4g}" for side in sides)
        ends.add(range_difference(*sides), f"legacy / port: {places}", sum(sizes))
    yield shape.to_check(
        f"{prefix}/{parameter}/kolmogorov_smirnov", Limit(value=value, reason=false_alarm.reason), unit="share"
    )
    yield ends.to_check(f"{prefix}/{parameter}/range", limits["range"], unit="of the legacy's range")


def _geometry_check(crop: Mapping[str, Sides], applied: Sides, limit: Limit) -> Check:
    """Check the crop's width over its height; the wider the range of the reference, the more it allows."""
    ratios = [
        (crop["crop_width"][side] / np.maximum(crop["crop_height"][side], 1))[applied[side] == 1].ravel() for side in (0, 1)
    ]
    if not min(ratio.size for ratio in ratios):
        return Check(id="augment/none/RandomSizedCrop/ratio", verdict=Verdict.NOT_RUN, reason="no crop was drawn")
    low, high = float(ratios[0].min()), float(ratios[0].max())
    beyond = max(low - float(ratios[1].min()), float(ratios[1].max()) - high, 0.0)
    worst = Worst()
    stretches = " / ".join(f"{IMAGE_WIDTH_PX / IMAGE_HEIGHT_PX / ratio.mean():.4f}" for ratio in ratios)
    places = " / ".join(f"{ratio.min():.4f} to {ratio.max():.4f}" for ratio in ratios)
    worst.add(beyond, f"legacy / port: {places}, stretched {stretches} times", sum(ratio.size for ratio in ratios))
    return worst.to_check("augment/none/RandomSizedCrop/ratio", limit, unit="width over height")
