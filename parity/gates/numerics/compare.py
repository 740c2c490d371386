"""Flags as they must be for a proof, and a rerun of each side that is identical to the last bit."""

from __future__ import annotations

from parity.comparison import Comparison, Expected, compare_table
from parity.contract import CLASSES
from parity.gates.numerics.contract import RERUN_IMAGES
from parity.tolerance import GatesFile
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import Workspace

FLAGS = {"tf32": False, "mixed_precision": False, "deterministic": True, "weights": ["float32"]}
RERUNS = ("rerun/first", "rerun/second")


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    first_batch = workspace.inputs.arrays["evaluation/batch0000/images"].shape[0]
    expected = Expected(axes="NK", shape=(min(first_batch, RERUN_IMAGES), len(CLASSES)), dtype="float32")
    out_of_order = str(workspace.recording("port", "numerics").values["out_of_order"])
    comparison = Comparison.open(workspace, "numerics", dict.fromkeys(RERUNS, expected))
    comparison.tables += 1
    flags = {"legacy": FLAGS, "port": FLAGS | {"weights": []} if out_of_order else FLAGS}
    sides = {"legacy": comparison.reference, "port": comparison.candidate}
    checks = [
        compare_table(f"numerics/exact/{side}/flags", FLAGS, flags[side], recording.values["flags"])
        for side, recording in sides.items()
    ]
    if out_of_order:  # what keeps the network from predicting is for the gate `weights`: flags of the process are left
        reason = f"the port's network does not predict, weights and blocks say why: {out_of_order}"
        checks.append(Check(id="numerics/exact/port/rerun", verdict=Verdict.NOT_RUN, reason=reason))
        return GateResult(gate="numerics", checks=tuple(checks), expected=1, compared=1)
    pairs = list(comparison.pairs(*RERUNS))
    if len(pairs) == len(RERUNS):
        first, second = pairs
        for side, a, b in (
            ("legacy", first.reference, second.reference),
            ("port", first.candidate, second.candidate),
        ):
            different = int((a != b).sum())
            checks.append(
                Check(
                    id=f"numerics/exact/{side}/rerun",
                    verdict=Verdict.FAIL if different else Verdict.PASS,
                    observed=float(different),
                    limit=0.0,
                    n=a.size,
                    reason="the same batch predicted twice in one process",
                )
            )
    return comparison.result(checks)
