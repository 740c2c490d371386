"""Errors of arrays, the worst of many, and the checks made of them. numpy only."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from parity.contract import DTYPES
from parity.tolerance import Limit
from parity.verdict import Check, Verdict

MEASURES = ("max_rel", "norm_rel")


@dataclass(frozen=True, kw_only=True)
class RelativeError:
    """Two numbers for one array: largest element error over largest element, and ratio of Euclidean norms."""

    max_rel: float
    norm_rel: float


def relative_error(reference: np.ndarray, candidate: np.ndarray) -> RelativeError:
    """Return the error of `candidate`; shapes must be equal, there is no broadcasting.

    >>> relative_error(np.array([1.0, 4.0]), np.array([1.0, 3.0]))
    RelativeError(max_rel=0.25, norm_rel=0.24253562503633297)
    """
    if reference.shape != candidate.shape:
        raise ValueError(f"shapes must be equal, got {reference.shape} and {candidate.shape}")
    truth = np.asarray(reference, dtype=np.float64)
    difference = np.asarray(candidate, dtype=np.float64) - truth
    return RelativeError(
        max_rel=_ratio(float(np.abs(difference).max()), float(np.abs(truth).max())),
        norm_rel=_ratio(float(np.linalg.norm(difference)), float(np.linalg.norm(truth))),
    )


def _ratio(error: float, scale: float) -> float:
    if error == 0.0:
        return 0.0
    return error / scale if scale > 0.0 else float("inf")


@dataclass
class Worst:
    """Largest error over many arrays, and where it was."""

    observed: float = 0.0
    place: str = ""
    n: int = 0

    def add(self, observed: float, place: str, n: int) -> None:
        """Add one value; not-a-number is worse than any number, and stays."""
        self.n += n
        if not self.place or not (observed <= self.observed or math.isnan(self.observed)):
            self.observed, self.place = observed, place

    def to_check(self, check_id: str, limit: Limit, *, unit: str, noise_floor: float | None = None) -> Check:
        """Return the check for this error; no value at all is NOT_RUN, and a NaN never passes."""
        if self.n == 0:
            return Check(id=check_id, verdict=Verdict.NOT_RUN, limit=limit.value, reason="nothing was compared")
        return Check(
            id=check_id,
            verdict=Verdict.PASS if self.observed <= limit.value else Verdict.FAIL,
            observed=self.observed,
            limit=limit.value,
            noise_floor=noise_floor,
            unit=unit,
            n=self.n,
            worst=self.place,
            reason=limit.reason,
        )


@dataclass
class ErrorTable:
    """Worst relative errors of one gate by what was measured, in float64 and float32.

    The float64 reference is the truth for all: ``float64`` is the candidate's float64, ``float32`` the candidate's
    float32, and ``noise`` the reference's own float32, whose largest value in the gate is the noise floor.
    """

    worst: dict[tuple[str, str, str], Worst] = field(default_factory=dict)

    def add(self, kind: str, what: str, place: str, *, truth: np.ndarray, found: np.ndarray) -> None:
        """Add one array (of one image, where there are images)."""
        error = relative_error(truth, found)
        for measure in MEASURES:
            self.worst.setdefault((kind, what, measure), Worst()).add(getattr(error, measure), place, found.size)

    def add_precisions(
        self, what: str, place: str, double: tuple[np.ndarray, np.ndarray], single: tuple[np.ndarray, np.ndarray] | None
    ) -> None:
        """Add an array that was recorded in both precisions, each as (reference, candidate)."""
        truth, candidate = double
        self.add("float64", what, place, truth=truth, found=candidate)
        if single is not None:
            own, candidate = single
            self.add("float32", what, place, truth=truth, found=candidate)
            self.add("noise", what, place, truth=truth, found=own)

    def noise_floor(self, measure: str) -> float:
        """Return the largest float32 error of the reference."""
        return max((w.observed for (kind, _, m), w in self.worst.items() if (kind, m) == ("noise", measure)), default=0.0)

    def checks(self, gate: str, names: Iterable[str], limits: Mapping[str, Limit]) -> Iterator[Check]:
        """Yield a check for each precision, name and measure; float64 first, names in the order given."""
        names = tuple(names)
        for dtype in DTYPES:
            for what in names:
                for measure in MEASURES:
                    ceiling, noise = limits[dtype], None
                    limit = ceiling
                    if dtype == "float32":
                        noise = self.noise_floor(measure)
                        limit = ceiling.widened(noise)
                    worst = self.worst.get((dtype, what, measure), Worst())
                    check_id = f"{gate}/{dtype}/{what}/{measure}"
                    check = worst.to_check(check_id, limit, unit="relative", noise_floor=noise)
                    past = noise is not None and noise > ceiling.value
                    yield _without_power(check, ceiling.noise_factor) if past else check


def _without_power(check: Check, noise_factor: float) -> Check:
    """Return a failed float32 check as INCONCLUSIVE where the reference's own float32 is past the ceiling and no better.

    Such a checkpoint, one that is all too sure of its answer for example, leaves float32 nothing to tell: float64 decides.
    """
    if check.verdict is not Verdict.FAIL or check.observed is None or check.noise_floor is None:
        return check
    if not check.observed <= noise_factor * check.noise_floor:
        return check
    reason = f"the legacy's own float32 error is past the ceiling: float32 has no power on this checkpoint; {check.reason}"
    return replace(check, verdict=Verdict.INCONCLUSIVE, reason=reason)
