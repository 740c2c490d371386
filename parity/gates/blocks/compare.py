"""Each block against the legacy's, fed with the legacy's own input."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from parity.architecture import TAPS, Tap, tap_shapes
from parity.comparison import Comparison, Expected
from parity.contract import CLASSES, DTYPES, KINDS
from parity.measurement import ErrorTable
from parity.tolerance import GatesFile
from parity.verdict import GateResult
from parity.workspace import Case, Workspace


def expected_taps(workspace: Workspace, cases: Iterable[Case], taps: Iterable[Tap]) -> dict[str, Expected]:
    """Return the arrays that both sides must record for these images: the taps, in both precisions."""
    taps = tuple(taps)
    shapes = tap_shapes(workspace.spec.height_px, workspace.spec.width_px, len(CLASSES))
    return {
        f"{dtype}/{case.kind}/{case.index}/{tap.name}": Expected(
            axes=tap.axes,
            candidate_axes="NCHW" if tap.axes == "NHWC" else tap.axes,
            shape=shapes[tap.name],
            dtype=dtype,
        )
        for case in cases
        for tap in taps
        for dtype in DTYPES
    }


def add_taps(errors: ErrorTable, comparison: Comparison, cases: Iterable[Case], taps: Iterable[Tap]) -> None:
    """Add the error of every tap of these images."""
    for case, tap in product(cases, taps):
        place = f"{case.kind}/{case.index}/{tap.name}"
        add_precisions(errors, comparison, place, what=tap.name, shown=case.name)


def add_precisions(errors: ErrorTable, comparison: Comparison, place: str, *, what: str, shown: str) -> None:
    """Add an array that was recorded in both precisions; without the float64 reference nothing can be judged."""
    double = next(comparison.pairs(f"float64/{place}"), None)
    single = next(comparison.pairs(f"float32/{place}"), None)
    if double is None:
        return
    errors.add_precisions(
        what, shown, (double.reference, double.candidate), (single.reference, single.candidate) if single else None
    )


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    cases = [case for kind in KINDS for case in workspace.tap_cases(kind)]
    comparison = Comparison.open(workspace, "blocks", expected_taps(workspace, cases, TAPS))
    errors = ErrorTable()
    add_taps(errors, comparison, cases, TAPS)
    limits = {dtype: gates_file.limit(f"blocks/{dtype}") for dtype in DTYPES}
    return comparison.result(errors.checks("blocks", [tap.name for tap in TAPS], limits))
