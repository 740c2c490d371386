"""How fast each side is, as ``nox -s bench`` measured it with this very code: informs, and decides only on a GPU."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.results import read_results
from benchmarks.summary import Rate, list_rates
from parity.tolerance import GatesFile
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import Workspace

NOT_MEASURED = "not measured with this code: nox -s bench measures it, and the next run takes it up"
INFORMS = "informs, decides nothing: no limit for this device in gates.toml"


def rates(workspace: Workspace) -> list[Rate]:
    """Return what the run's benchmark measured of both sides; nothing where the run has none."""
    return list_rates(read_results(workspace.benchmark)) if workspace.benchmark.is_file() else []


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    checks = tuple(_checks(rates(workspace), gates_file))
    reason = "" if checks else NOT_MEASURED
    return GateResult(gate="throughput", checks=checks, expected=len(checks), compared=len(checks), reason=reason)


def _checks(found: list[Rate], gates_file: GatesFile) -> Iterator[Check]:
    for rate in found:
        limit = gates_file.limits.get(f"throughput/{rate.device}/{rate.task}/{rate.precision}")
        too_slow = limit is not None and rate.ratio.high < limit.value
        yield Check(
            id=f"throughput/{rate.precision}/{rate.task}/{rate.conditions_id}/ratio",
            verdict=Verdict.FAIL if too_slow else Verdict.PASS,
            observed=rate.ratio.value,
            unit="port / legacy",
            n=rate.ratio.n,
            worst=f"legacy {rate.legacy:.3g}, port {rate.port:.3g} images/s",
            reason=INFORMS if limit is None else f"at least {limit.value:g}: {limit.reason}",
        )
