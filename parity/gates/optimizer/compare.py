"""Weights and both moments after injected gradients, each decade of magnitudes for itself."""

from __future__ import annotations

from collections.abc import Iterator

from parity.comparison import Comparison, Expected
from parity.gates.optimizer.contract import COLUMNS, GATE, INJECTED, QUANTITIES, RECORDED_STEPS, ROWS, RUNS, STEPS, array_name
from parity.measurement import Worst, relative_error
from parity.tolerance import GatesFile
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import Workspace

INJECTED_SHAPES = {"start": (len(ROWS), COLUMNS), "gradients": (STEPS, len(ROWS), COLUMNS)}


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    limit = gates_file.limit(f"{GATE}/float64")
    comparison = Comparison.open(workspace, GATE, _expected())
    worst = {(row, quantity): Worst() for row in ROWS for quantity in QUANTITIES}
    for run in RUNS:
        for step in RECORDED_STEPS:
            for quantity in QUANTITIES:
                for pair in comparison.pairs(array_name(run, step, quantity)):
                    for row, reference, candidate in zip(ROWS, pair.reference, pair.candidate, strict=True):
                        # A row has few values of one magnitude: its largest error says it all.
                        error = relative_error(reference, candidate).max_rel
                        worst[row, quantity].add(error, f"step {step}, {run} learning rate", candidate.size)
    checks = [
        found.to_check(f"{GATE}/float64/{row}/{quantity}/max_rel", limit, unit="relative")
        for (row, quantity), found in worst.items()
    ]
    return comparison.result([*_injected_checks(comparison), *checks])


def _expected() -> dict[str, Expected]:
    found = {name: Expected(axes=axes, shape=INJECTED_SHAPES[name], dtype="float64") for name, axes in INJECTED.items()}
    names = [array_name(run, step, quantity) for run in RUNS for step in RECORDED_STEPS for quantity in QUANTITIES]
    return found | {name: Expected(axes="NC", shape=(len(ROWS), COLUMNS), dtype="float64") for name in names}


def _injected_checks(comparison: Comparison) -> Iterator[Check]:
    """Both sides must have been fed the same."""
    for pair in comparison.pairs(*INJECTED):
        different = int((pair.reference != pair.candidate).sum())
        yield Check(
            id=f"{GATE}/exact/{pair.name}/equal",
            verdict=Verdict.FAIL if different else Verdict.PASS,
            observed=float(different),
            limit=0.0,
            unit="values",
            n=pair.reference.size,
            reason="what the sides were fed differs" if different else "identical",
        )
