"""Ways in which a recorded array can be wrong, the same for every gate that reads arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from parity.verdict import Check, GateResult, Verdict

from .conftest import Side

Way = Callable[[np.ndarray, str], tuple[np.ndarray, str]]


def _with(values: np.ndarray, value: float) -> np.ndarray:
    changed = values.copy()
    changed.reshape(-1)[-1] = value
    return changed


# Name -> what becomes of array and axes, and words of the reason that the check must give.
WAYS: Mapping[str, tuple[Way, str]] = {
    "not a number": (lambda values, axes: (_with(values, np.nan), axes), "1 elements are not finite"),
    "infinite": (lambda values, axes: (_with(values, np.inf), axes), "1 elements are not finite"),
    "empty": (lambda values, axes: (values[:0], axes), "shape (0, "),
    "fewer": (lambda values, axes: (values[..., :-1], axes), "shape ("),
    "one more dimension": (lambda values, axes: (values[..., None], f"{axes}O"), "instead of"),
    "other axes": (lambda values, axes: (values.swapaxes(-1, -2), f"{axes[:-2]}{axes[-1]}{axes[-2]}"), "axes "),
    "another dtype": (lambda values, axes: (values.astype(np.float16), axes), "dtype float16 instead of float"),
}
ABSENT = "is missing"
NAMES = ("missing", "extra", *WAYS)


def break_array(side: Side, name: str, way: str) -> tuple[str, str]:
    """Break one array of a side; return the array that the failed check must name, and words of its reason."""
    if way == "extra":
        side.arrays[f"{name}/again"] = side.arrays[name]
        return f"{name}/again", "the contract does not know it"
    if way == "missing":
        del side.arrays[name]
        return name, ABSENT
    change, words = WAYS[way]
    side.arrays[name] = change(*side.arrays[name])
    return name, words


def failed(result: GateResult) -> list[str]:
    """Return the checks that fail, in order."""
    return [check.id for check in result.checks if check.verdict is Verdict.FAIL]


def find(result: GateResult, check_id: str) -> Check:
    """Return the check of that name."""
    return next(check for check in result.checks if check.id == check_id)
