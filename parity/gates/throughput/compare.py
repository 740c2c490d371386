"""Images per second of both sides on this run: informs, never decides."""

from __future__ import annotations

from statistics import median

from parity.comparison import Comparison
from parity.tolerance import GatesFile
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import Workspace


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    comparison = Comparison.open(workspace, "throughput", {})
    comparison.tables += 1
    speeds = {
        side: recording.values["images"] / median(recording.values["elapsed_s"])
        for side, recording in (("legacy", comparison.reference), ("port", comparison.candidate))
    }
    check = Check(
        id="throughput/float32/inference/ratio",
        verdict=Verdict.PASS,
        observed=speeds["port"] / speeds["legacy"],
        unit="port / legacy",
        n=len(comparison.reference.values["elapsed_s"]),
        worst=f"legacy {speeds['legacy']:.1f}, port {speeds['port']:.1f} images/s",
        reason="informs, decides nothing: median of a few batches in separate processes on this machine",
    )
    return comparison.result([check])
