"""Images per second of both sides, timed while the inference gate recorded: informs, never decides."""

from __future__ import annotations

from statistics import median

from parity.comparison import Comparison
from parity.tolerance import GatesFile
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import Workspace

REASON = "informs, decides nothing: median over one float32 batch predicted again, in separate processes"


def images_per_second(workspace: Workspace) -> tuple[list[float], int]:
    """Return the rates of legacy and port, and the number of images in the batch that was timed."""
    comparison = Comparison.open(workspace, "inference", {})
    timings = [side.values["timing"] for side in (comparison.reference, comparison.candidate)]
    return [timing["images"] / median(timing["elapsed_s"]) for timing in timings], timings[0]["images"]


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    (legacy, port), images = images_per_second(workspace)
    check = Check(
        id="throughput/float32/inference/ratio",
        verdict=Verdict.PASS,
        observed=port / legacy,
        unit="port / legacy",
        n=images,
        worst=f"legacy {legacy:.1f}, port {port:.1f} images/s",
        reason=REASON,
    )
    return GateResult(gate="throughput", checks=(check,), expected=1, compared=1)
