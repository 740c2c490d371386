"""Verdicts and the values that carry them: a check, a gate, a run.

A check has a verdict; a gate takes the worst of its checks, a run the worst of its required gates.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class Verdict(str, Enum):
    """Ordered from best to worst: ``PASS < WAIVED < INCONCLUSIVE < NOT_RUN < FAIL``; WAIVED is of checks and gates only."""

    PASS = "PASS"
    WAIVED = "WAIVED"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_RUN = "NOT_RUN"
    FAIL = "FAIL"

    @property
    def severity(self) -> int:
        return list(Verdict).index(self)

    @property
    def exit_code(self) -> int:
        """Process exit code; 2 is kept for bad input."""
        return {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3, "NOT_RUN": 4}[self.value]


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the most severe verdict; nothing at all is NOT_RUN, for nothing passes by absence.

    >>> worst([Verdict.PASS, Verdict.INCONCLUSIVE]).value, worst([]).value
    ('INCONCLUSIVE', 'NOT_RUN')
    """
    return max(verdicts, key=lambda verdict: verdict.severity, default=Verdict.NOT_RUN)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question with one answer.

    Attributes:
        id: ``<gate>/<float64|float32|exact|none>/<what>/<measure>``.
        observed: Largest error seen, or the number of differences for an exact check.
        limit: Largest value that passes.
        noise_floor: The legacy's own float32 error, where that judges.
        unit: What observed, limit and noise floor count.
        n: Number of values (or files, images) compared.
        worst: Where the largest error sits.
        reason: Why the limit is what it is, or why the check failed.
    """

    id: str
    verdict: Verdict
    observed: float | None = None
    limit: float | None = None
    noise_floor: float | None = None
    unit: str = "differences"
    n: int = 0
    worst: str = ""
    reason: str = ""

    def __bool__(self) -> bool:
        return self.verdict is Verdict.PASS

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict.value}


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """All checks of one gate, and how much of what it expected was compared.

    Attributes:
        expected: Number of recorded pairs that the contract asks for.
        compared: Number of those that were found whole on both sides.
    """

    gate: str
    checks: tuple[Check, ...]
    expected: int
    compared: int
    reason: str = ""

    @property
    def verdict(self) -> Verdict:
        """Worst of the checks; a gate that compared less than it expected, and has no waiver for what is missing, fails."""
        found = worst(check.verdict for check in self.checks)
        if found in (Verdict.PASS, Verdict.WAIVED) and self.compared + self.waived != self.expected:
            return Verdict.FAIL
        return found

    @property
    def waived(self) -> int:
        """Number of recorded pairs that are missing, or of no use, and waived."""
        return sum(check.verdict is Verdict.WAIVED and check.id.endswith("/present") for check in self.checks)

    def __bool__(self) -> bool:
        return self.verdict is Verdict.PASS

    @property
    def first_failure(self) -> Check | None:
        return next((check for check in self.checks if check.verdict is Verdict.FAIL), None)
