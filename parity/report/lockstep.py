"""The losses of training in lockstep, row by row, for every rendering."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parity.report.notation import Figure, number_of


@dataclass(frozen=True, kw_only=True)
class LockstepRow:
    """The loss of one training step on both sides; `difference` is in parts of the reference, as the gate found it."""

    step: int
    starts_epoch: bool
    reference: Figure
    candidate: Figure
    difference: float | None


def make_lockstep_rows(lockstep: Mapping[str, Any] | None) -> list[LockstepRow]:
    """Return one row for each step; none where nothing was recorded."""
    if lockstep is None:
        return []
    starts = set(lockstep["epoch_starts"])
    columns = (lockstep["steps"], lockstep["reference"], lockstep["candidate"], lockstep["difference"])
    return [
        LockstepRow(
            step=step,
            starts_epoch=step in starts,
            reference=before,
            candidate=after,
            difference=_known(difference),
        )
        for step, before, after, difference in zip(*columns, strict=True)
    ]


def _known(difference: Figure) -> float | None:
    value = number_of(difference)
    return None if value is None or math.isnan(value) else value


def largest_difference(rows: list[LockstepRow]) -> Figure:
    """Return the largest relative difference; not-a-number where a step has none, nothing where there is no step."""
    found = [row.difference for row in rows]
    return "nan" if None in found else max((value for value in found if value is not None), default=None)
