"""Running statistics of every batch norm after 1, 2 and 10 passes, and unchanged by one in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from parity.architecture import BATCH_NORMS
from parity.comparison import Comparison, Expected
from parity.gates.bn_state.contract import (
    EVALUATED,
    PASSES,
    SMALL,
    SMALL_BATCH,
    SMALL_PX,
    STATISTICS,
    mark_name,
    marks,
    small_name,
)
from parity.measurement import MEASURES, Worst, relative_error
from parity.tolerance import GatesFile, Limit
from parity.verdict import Check, GateResult
from parity.workspace import Workspace

STAGES = tuple(dict.fromkeys(norm.stage for norm in BATCH_NORMS))


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    found = marks(workspace.spec.profile)
    comparison = Comparison.open(workspace, "bn_state", _expected(found))
    noise = comparison.reference.values["noise"]
    checks = [_input_check(comparison)]
    for size, passes in found.items():
        for number in passes:
            checks += _mark_checks(comparison, f"{size}/{mark_name(number)}", gates_file, noise if size == SMALL else {})
        checks += _evaluation_checks(comparison, size, mark_name(passes[-1]))
    return comparison.result(checks)


def _expected(found: Mapping[str, tuple[int, ...]]) -> dict[str, Expected]:
    shape = (SMALL_BATCH, SMALL_PX, SMALL_PX, 3)
    images = Expected(axes="NHWC", candidate_axes="NCHW", shape=shape, dtype="float32")
    places = [f"{size}/{mark}" for size, passes in found.items() for mark in (*map(mark_name, passes), EVALUATED)]
    return {small_name(number): images for number in range(PASSES)} | {
        f"{place}/{norm.name}/{statistic}": Expected(axes="C", shape=(norm.channels,), dtype="float32")
        for place in places
        for norm in BATCH_NORMS
        for statistic in STATISTICS
    }


def _input_check(comparison: Comparison) -> Check:
    """What went in must be the same, or the rest proves nothing."""
    different = Worst()
    for pair in comparison.pairs(*(small_name(number) for number in range(PASSES))):
        different.add(float((pair.reference != pair.candidate).sum()), pair.name, pair.reference.size)
    limit = Limit(value=0.0, reason="the port is fed with the legacy's bytes")
    return different.to_check(f"bn_state/exact/{SMALL}/images", limit, unit="elements")


def _mark_checks(comparison: Comparison, place: str, gates_file: GatesFile, noise: Mapping[str, float]) -> Iterator[Check]:
    """Yield the worst layer of each stage, statistic by statistic.

    Args:
        comparison: Where the statistics are.
        place: Size and mark.
        gates_file: Limits.
        noise: What one unit in the last place of the images changes in the legacy, by measure, where that was measured.
    """
    ceiling = gates_file.limit("bn_state/float32")
    for stage in STAGES:
        for statistic in STATISTICS:
            worst = {measure: Worst() for measure in MEASURES}
            for norm in (norm for norm in BATCH_NORMS if norm.stage == stage):
                for pair in comparison.pairs(f"{place}/{norm.name}/{statistic}"):
                    error = relative_error(pair.reference, pair.candidate)
                    for measure in MEASURES:
                        worst[measure].add(getattr(error, measure), norm.name, pair.reference.size)
            for measure in MEASURES:
                floor = noise.get(measure)
                limit = ceiling.widened(floor or 0.0)
                check_id = f"bn_state/float32/{place}/{stage}/{statistic}/{measure}"
                yield worst[measure].to_check(check_id, limit, unit="relative", noise_floor=floor)


def _evaluation_checks(comparison: Comparison, size: str, last: str) -> Iterator[Check]:
    """A pass in evaluation mode must leave every running statistic of a side as it was."""
    limit = Limit(value=0.0, reason="evaluation does not touch the running statistics")
    changed = {"legacy": Worst(), "port": Worst()}
    for norm in BATCH_NORMS:
        for statistic in STATISTICS:
            names = (f"{size}/{mark}/{norm.name}/{statistic}" for mark in (last, EVALUATED))
            before, after = (next(comparison.pairs(name), None) for name in names)
            if before is not None and after is not None:
                for side, old, new in (
                    ("legacy", before.reference, after.reference),
                    ("port", before.candidate, after.candidate),
                ):
                    changed[side].add(float(np.not_equal(old, new).sum()), f"{norm.name}/{statistic}", old.size)
    for side, worst in changed.items():
        yield worst.to_check(f"bn_state/exact/{size}/{EVALUATED}/{side}", limit, unit="elements")
