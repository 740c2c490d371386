"""How fast each side is, and how near the port's faster ways to compute are to the legacy, as ``nox -s bench`` measured it.

It must have been measured with this very code. Speed informs, and decides only on a GPU for which there is a limit; ways that
are meant to be exact must be as near as float32 is anywhere; bfloat16 informs, as long as its probabilities are numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from benchmarks.audit import is_measured
from benchmarks.results import read_results
from benchmarks.summary import Agreement, Rate, conditions_id, list_agreement, list_rates, with_both_sides
from parity.tolerance import GatesFile, Limit
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import Workspace

NOT_MEASURED = "not measured with this code: nox -s bench measures it, and the next run takes it up"
INFORMS = "informs, decides nothing: no limit for this device in gates.toml"
NO_NUMBER = "a probability is no number"
INCOMPARABLE = "both sides were measured, but not their probabilities on the same images"
ABSENT = "this way to compute, or the legacy in float32, was not measured"
PREDICTING = ("forward", "predict")
SIGNIFICANT_BITS = {"bf16": 8, "tf32": 11}


def rates(workspace: Workspace) -> list[Rate]:
    """Return what the run's benchmark measured of both sides; nothing where the run has none."""
    return list_rates(read_results(workspace.benchmark)) if workspace.benchmark.is_file() else []


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    if not workspace.benchmark.is_file():
        return GateResult(gate="throughput", checks=(), expected=0, compared=0, reason=NOT_MEASURED)
    results = read_results(workspace.benchmark)
    both, measured = with_both_sides(results), list_rates(results)
    checks = (
        *_speed_checks(measured, gates_file),
        *_missing_checks(results, both, measured, gates_file),
        *(check for comparison in both for check in _agreement_checks(comparison, gates_file)),
    )
    reason = "" if checks else "the benchmark has no row with both sides"
    return GateResult(gate="throughput", checks=checks, expected=len(checks), compared=len(checks), reason=reason)


def _speed_checks(found: list[Rate], gates_file: GatesFile) -> Iterator[Check]:
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


def _missing_checks(
    results: dict[str, Any], comparisons: list[dict[str, Any]], found: list[Rate], gates_file: GatesFile
) -> Iterator[Check]:
    """A limit for something that the benchmark was to measure on a GPU is not passed by absence."""
    devices = {row["about"]["device"] for comparison in comparisons for row in comparison["contestants"] if "about" in row}
    if devices <= {"cpu"} and (devices or results["host"]["gpu"] is None):
        return
    there = {(rate.task, rate.conditions_id) for rate in found if rate.device == "cuda"}
    for comparison in comparisons:
        for row in _port_rows(comparison):
            task, precision, name = comparison["task"], row["precision"], conditions_id(comparison, row["name"])
            if f"throughput/cuda/{task}/{precision}" in gates_file.limits and (task, name) not in there:
                reason = "there is a limit for it, and it was not measured, or not fairly"
                yield Check(id=f"throughput/{precision}/{task}/{name}/limit/present", verdict=Verdict.FAIL, reason=reason)


def _agreement_checks(comparison: dict[str, Any], gates_file: GatesFile) -> Iterator[Check]:
    found = {row.contestant: row for row in list_agreement(comparison)}
    legacy = next((row for row in comparison["contestants"] if (row["side"], row["precision"]) == ("legacy", "fp32")), None)
    limit = gates_file.limit("decisions/probabilities")
    task, size = comparison["task"], comparison["options"].get("batch_size", 1)
    for row in _port_rows(comparison):
        precision, exact = row["precision"], row["precision"] == "fp32"
        id = f"throughput/{precision}/{task}/{row['name'].replace(' ', '-')}-batch{size}/probabilities"
        agreement = found.get(row["name"])
        if agreement is not None and not (exact and legacy is None):  # then it is with the legacy's TF32
            yield _agreement_check(id, agreement, limit if exact else None)
        elif exact and task in PREDICTING:
            measured = legacy is not None and is_measured(legacy) and is_measured(row)
            verdict, reason = (Verdict.FAIL, INCOMPARABLE) if measured else (Verdict.NOT_RUN, ABSENT)
            yield Check(id=id, verdict=verdict, reason=reason)


def _agreement_check(id: str, row: Agreement, limit: Limit | None) -> Check:
    whole = math.isfinite(row.difference)
    near = whole and (limit is None or row.difference <= limit.value)
    return Check(
        id=id,
        verdict=Verdict.PASS if near else Verdict.FAIL,
        observed=row.difference,
        limit=None if limit is None else limit.value,
        unit="probability",
        n=row.images,
        worst=f"image {row.furthest + 1} of {row.images}; decisions changed: {row.changed}",
        reason=NO_NUMBER if not whole else _not_exact(row.precision) if limit is None else limit.reason,
    )


def _port_rows(comparison: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in comparison["contestants"] if row["side"] == "port"]


def _not_exact(precision: str) -> str:
    return f"informs, decides nothing: {precision} has {SIGNIFICANT_BITS[precision]} significant bits, and is asked for by name"
