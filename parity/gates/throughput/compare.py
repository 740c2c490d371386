"""Images per second of both sides, timed while the inference gate recorded: informs, never decides."""

from __future__ import annotations

from statistics import median

from parity.comparison import Comparison
from parity.contract import BATCH_SIZE
from parity.tolerance import GatesFile
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import Workspace

REASON = "informs, decides nothing: median over whole float32 batches after the first, in separate processes"


def images_per_second(workspace: Workspace) -> tuple[list[float], int]:
    """Return the rates of legacy and port, and the number of batches timed; no rates where none was timed."""
    comparison = Comparison.open(workspace, "inference", {})
    elapsed_s = [side.values.get("elapsed_s", []) for side in (comparison.reference, comparison.candidate)]
    n = min(len(seconds) for seconds in elapsed_s)
    return [BATCH_SIZE / median(seconds) for seconds in elapsed_s] if n else [], n


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    rates, n = images_per_second(workspace)
    check_id = "throughput/float32/inference/ratio"
    if not rates:
        check = Check(id=check_id, verdict=Verdict.NOT_RUN, reason="no whole batch after the first: nothing was timed")
        return GateResult(gate="throughput", checks=(check,), expected=0, compared=0, reason=check.reason)
    legacy, port = rates
    check = Check(
        id=check_id,
        verdict=Verdict.PASS,
        observed=port / legacy,
        unit="port / legacy",
        n=n,
        worst=f"legacy {legacy:.1f}, port {port:.1f} images/s",
        reason=REASON,
    )
    return GateResult(gate="throughput", checks=(check,), expected=1, compared=1)
