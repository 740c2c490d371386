"""Comparing two recordings: pair, validate, measure. numpy only; nothing passes by absence.

`reference` is always the legacy, `candidate` the port.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from parity.artefact import ArtefactError, Recording, permute_axes
from parity.reduction import reduce
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Expected:
    """An array that the contract asks for.

    Attributes:
        axes: Axis letters on the reference side.
        candidate_axes: Axis letters on the candidate side.
        shape: Shape on the reference side.
        nonfinite: Whether NaN and infinity may occur (and must then occur at the same places on both sides).
        alone: Whether the candidate alone records it.
    """

    axes: str
    shape: tuple[int, ...]
    dtype: str
    candidate_axes: str = ""
    nonfinite: bool = False
    alone: bool = False


@dataclass(frozen=True, kw_only=True)
class Pair:
    """An array of both sides, in the reference's axis order; both reduced where only a reduction of the reference is kept."""

    name: str
    axes: str
    reference: np.ndarray
    candidate: np.ndarray


@dataclass
class Comparison:
    """Pairs the arrays of two recordings and keeps count of what was expected, found and wrong.

    `tables` counts expected tables of values (hashes, names, parameters) beside the arrays.
    """

    gate: str
    reference: Recording
    candidate: Recording
    expected: Mapping[str, Expected]
    tables: int = 0
    faults: list[Check] = field(default_factory=list)
    _whole: set[str] = field(default_factory=set)

    @classmethod
    def open(cls, workspace: Workspace, gate: str, expected: Mapping[str, Expected]) -> Self:
        """Open what both sides recorded for `gate`; an array that the contract does not know is a fault."""
        sides = {side: workspace.recording(side, gate) for side in ("legacy", "port")}
        made = cls(gate, sides["legacy"], sides["port"], expected)
        for side, recording in sides.items():
            known = {name for name, array in expected.items() if side == "port" or not array.alone}
            for name in sorted(set(recording.arrays) - known):
                made._fault(name, f"extra array on the {side} side: the contract does not know it")
        return made

    def result(self, checks: Iterable[Check]) -> GateResult:
        """Return the gate's result: what could not be paired comes first."""
        made = tuple(checks)
        expected = len(self.expected) + self.tables
        compared = len(self._whole) + self.tables
        return GateResult(gate=self.gate, checks=(*self.faults, *made), expected=expected, compared=compared)

    def table(self, what: str, expected: Iterable[str]) -> Check:
        """Compare a table that both sides wrote as a value, key by key; its keys must be the `expected` ones."""
        self.tables += 1
        reference, candidate = (side.values.get(what, {}) for side in (self.reference, self.candidate))
        return compare_table(f"{self.gate}/exact/{what}/equal", expected, reference, candidate)

    def inputs(self, pairs: Iterable[Pair], reason: str) -> Check:
        """Compare the arrays that both sides say they were given: the port reads the legacy's, so they are identical."""
        pairs = list(pairs)
        different = [pair.name for pair in pairs if not np.array_equal(pair.reference, pair.candidate)]
        return Check(
            id=f"{self.gate}/exact/inputs/arrays",
            verdict=Verdict.FAIL if different or not pairs else Verdict.PASS,
            observed=float(len(different)),
            limit=0.0,
            n=len(pairs),
            worst=", ".join(different[:3]),
            reason=reason,
        )

    def pairs(self, *names: str) -> Iterator[Pair]:
        """Yield each pair that is whole on both sides; what is not becomes a failed check."""
        for name in names:
            pair = self._pair(name, self.expected[name])
            if pair is not None:
                self._whole.add(name)
                yield pair

    def alone(self, *names: str) -> Iterator[tuple[str, np.ndarray]]:
        """Yield name and values of arrays that the candidate alone records; one that is not whole becomes a failed check."""
        for name in names:
            expected = self.expected[name]
            try:
                array = _read_expected(self.candidate, name, expected, expected.axes)
            except ArtefactError as error:
                self._fault(name, f"port: {error}")
                continue
            self._whole.add(name)
            yield name, array

    def _pair(self, name: str, expected: Expected) -> Pair | None:
        arrays: dict[str, np.ndarray] = {}
        reasons = []
        for side, recording, axes in (
            ("legacy", self.reference, expected.axes),
            ("port", self.candidate, expected.candidate_axes or expected.axes),
        ):
            try:
                arrays[side] = _read_expected(recording, name, expected, axes)
            except ArtefactError as error:
                reasons.append(f"{side}: {error}")
        if not reasons and expected.nonfinite:
            different = np.isnan(arrays["legacy"]) != np.isnan(arrays["port"])
            if different.any():
                reasons.append(f"not-a-number at different places: {int(different.sum())} elements")
        if reasons:
            self._fault(name, "; ".join(reasons))
            return None
        if how := self.reference.arrays[name].reduced:
            arrays["port"] = reduce(arrays["port"], how)
        return Pair(name=name, axes=expected.axes, reference=arrays["legacy"], candidate=arrays["port"])

    def _fault(self, name: str, reason: str) -> None:
        self.faults.append(Check(id=f"{self.gate}/none/{name}/present", verdict=Verdict.FAIL, reason=reason))


def _read_expected(recording: Recording, name: str, expected: Expected, axes: str) -> np.ndarray:
    if note := recording.values.get("faults", {}).get(name):
        raise ArtefactError(note)
    array = recording.read_array(name)
    entry = recording.arrays[name]
    if entry.axes != axes:
        raise ArtefactError(f"axes {entry.axes!r} instead of {axes!r}")
    if entry.dtype != expected.dtype:
        raise ArtefactError(f"dtype {entry.dtype} instead of {expected.dtype}")
    shape = entry.shape
    if not entry.reduced:
        array = permute_axes(array, axes, expected.axes)
        shape = array.shape
    if shape != expected.shape:
        raise ArtefactError(f"shape {shape} instead of {expected.shape} ({expected.axes})")
    if array.size == 0:
        raise ArtefactError("empty array")
    if not expected.nonfinite and array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ArtefactError(f"{int((~np.isfinite(array)).sum())} elements are not finite")
    return array


def compare_table(
    check_id: str, expected: Iterable[str], reference: Mapping[str, object], candidate: Mapping[str, object]
) -> Check:
    """Compare two tables key by key; the check names the first keys that differ or are not the expected ones.

    >>> compare_table("a/exact/b/equal", ["x", "y"], {"x": 1, "y": 2}, {"x": 1, "y": 3}).reason
    'legacy / port: y: 2 / 3'
    """
    known = dict.fromkeys(expected)
    keys = list(known | dict.fromkeys([*reference, *candidate]))
    different = [
        key
        for key in keys
        if key not in known or key not in reference or key not in candidate or reference[key] != candidate[key]
    ]
    shown = [f"{key}: {reference.get(key, '(absent)')} / {candidate.get(key, '(absent)')}" for key in different[:3]]
    return Check(
        id=check_id,
        verdict=Verdict.FAIL if different else Verdict.PASS if keys else Verdict.NOT_RUN,
        observed=float(len(different)),
        limit=0.0,
        n=len(keys),
        worst=", ".join(different[:3]),
        reason="legacy / port: " + "; ".join(shown) if shown else "identical" if keys else "nothing was compared",
    )
