"""Raw maps of every image, then each step from the raw map to the picture, then what the commands make of raw files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from parity.architecture import tap_shapes
from parity.comparison import Comparison, Expected, Pair
from parity.contract import CLASSES, DTYPES, KINDS
from parity.gates.gradcam.command_checks import class_checks, command_checks, expected_command, predict_checks, read_classes
from parity.gates.gradcam.contract import FIXTURE_IMAGE, FIXTURE_MAPS
from parity.measurement import ErrorTable, Worst
from parity.tolerance import GatesFile, Limit
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import Case, Workspace

PICTURES = ("normalised", "resized", "overlay")


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    comparison = Comparison.open(workspace, "gradcam", expected_maps(workspace))
    errors = ErrorTable()
    power: list[Check] = []
    reruns: list[Check] = []
    for kind in KINDS:
        found = read_maps(comparison, kind)
        if found is None:
            continue
        for row, case in enumerate(workspace.cases(kind)):
            found.add_errors(errors, row, case)
        again = next(comparison.pairs(f"float32/{kind}/rerun"), None)
        reruns += [] if again is None else _rerun_checks(workspace, kind, found.single, again, errors)
        power += _power_checks(workspace, found, again, gates_file)
    limits = {dtype: gates_file.limit(f"gradcam/{dtype}") for dtype in DTYPES}
    checks = [*errors.checks("gradcam", [f"raw/{kind}" for kind in KINDS], limits), *reruns, *power]
    checks.append(_batch_check(comparison.candidate.values.get("batch", "not asked for")))
    classes = read_classes(comparison)
    checks += class_checks(workspace, classes, gates_file)
    checks += _picture_checks(workspace, comparison, gates_file.limit("gradcam/pictures"))
    checks += command_checks(workspace, comparison, gates_file)
    return comparison.result([*checks, *predict_checks(workspace, comparison, classes, gates_file)])


@dataclass(frozen=True, kw_only=True)
class Maps:
    """Raw maps of one kind of images in both precisions."""

    kind: str
    double: Pair
    single: Pair

    @property
    def dead(self) -> tuple[np.ndarray, np.ndarray]:
        """For each map of the legacy, and of the port, whether it is dead."""
        return is_dead(self.double.reference), is_dead(self.double.candidate)

    def add_errors(self, errors: ErrorTable, row: int, case: Case) -> None:
        """Add the errors of one image's map."""
        rows = [(to_peak(pair.reference[row]), to_peak(pair.candidate[row])) for pair in (self.double, self.single)]
        errors.add_precisions(f"raw/{self.kind}", case.name, *rows)

    def error(self, row: int, case: Case) -> float:
        """Return what the gate measures of one image's map in float32."""
        errors = ErrorTable()
        self.add_errors(errors, row, case)
        return errors.worst["float32", f"raw/{self.kind}", "max_rel"].observed


def read_maps(comparison: Comparison, kind: str) -> Maps | None:
    """Return the raw maps of one kind of images; None where a side has none that are whole."""
    double, single = (next(comparison.pairs(f"{dtype}/{kind}/raw"), None) for dtype in DTYPES)
    return None if double is None or single is None else Maps(kind=kind, double=double, single=single)


def to_peak(raw: np.ndarray) -> np.ndarray:
    """Return a map whose largest value, in either direction, is 1.

    Raw maps are compared up to a positive factor, which normalising cancels: a sum over pixels explains as a mean does.
    """
    peak = np.abs(raw).max()
    scaled: np.ndarray = raw / peak if peak > 0 else raw
    return scaled


def _rerun_checks(workspace: Workspace, kind: str, first: Pair, again: Pair, errors: ErrorTable) -> Iterator[Check]:
    """Ask whether a map made twice is the same map.

    On a GPU the legacy has no deterministic gradient (`LegacySide.without_determinism`): how much two of its maps differ is a
    noise floor there. The port's own noise never widens what the port is held to.
    """
    different = dict.fromkeys(("legacy", "port"), 0)
    for row, case in enumerate(workspace.tap_cases(kind)):
        for side, maps, repeated in (
            ("legacy", first.reference, again.reference),
            ("port", first.candidate, again.candidate),
        ):
            different[side] += int((maps[case.index] != repeated[row]).sum())
        truth, found = to_peak(first.reference[case.index]), to_peak(again.reference[row])
        errors.add("noise", f"rerun/{kind}", case.name, truth=truth, found=found)
    if workspace.spec.device != "cpu":
        del different["legacy"]
    for side, count in different.items():
        yield Check(
            id=f"gradcam/exact/rerun/{kind}/{side}",
            verdict=Verdict.FAIL if count else Verdict.PASS,
            observed=float(count),
            limit=0.0,
            n=again.reference.size,
            reason="the same maps made twice in one process",
        )


def expected_maps(workspace: Workspace) -> dict[str, Expected]:
    height_px, width_px = workspace.spec.height_px, workspace.spec.width_px
    map_shape = tap_shapes(height_px, width_px, len(CLASSES))["conv5/block3/out"][1:3]
    found = expected_command(workspace, map_shape)
    for name, raw in FIXTURE_MAPS.items():
        for step, size in (("normalised", raw.shape), ("resized", FIXTURE_IMAGE.shape[:2])):
            found[f"fixture/{name}/{step}"] = Expected(axes="HW", shape=size, dtype="float32", nonfinite=True)
        found[f"fixture/{name}/overlay"] = Expected(axes="HWC", shape=FIXTURE_IMAGE.shape, dtype="float64")
    for kind in KINDS:
        shape = (len(workspace.cases(kind)), *map_shape)
        for dtype in DTYPES:
            found[f"{dtype}/{kind}/raw"] = Expected(axes="NHW", shape=shape, dtype=dtype)
        again = (len(workspace.tap_cases(kind)), *map_shape)
        found[f"float32/{kind}/rerun"] = Expected(axes="NHW", shape=again, dtype="float32")
        # A map whose maximum is exactly 0 is 0/0 and so NaN, by the legacy's definition, and then on both sides.
        found[f"float32/{kind}/normalised"] = Expected(axes="NHW", shape=shape, dtype="float32", nonfinite=True)
        for case in workspace.tap_cases(kind):
            place = f"float32/{kind}/{case.index}"
            found[f"{place}/resized"] = Expected(axes="HW", shape=(height_px, width_px), dtype="float32", nonfinite=True)
            found[f"{place}/overlay"] = Expected(axes="HWC", shape=(height_px, width_px, 3), dtype="float64")
    return found


def is_dead(raw: np.ndarray) -> np.ndarray:
    """Return for each map (N, H, W) whether nothing in it is positive, so that its picture shows nothing."""
    return np.logical_not((raw > 0).any(axis=(1, 2)))


def _power_checks(workspace: Workspace, maps: Maps, again: Pair | None, gates_file: GatesFile) -> Iterator[Check]:
    """Ask whether the maps are evidence: dead on both sides alike, and not nothing.

    What is compared are raw maps, negative values included. So a dead map is evidence as any other. Only its picture shows
    nothing, and pictures are compared of maps that are made up, too (`FIXTURE_MAPS`).
    """
    cases = workspace.cases(maps.kind)
    limit, least = gates_file.limit("gradcam/nothing"), gates_file.limit("gradcam/float64").value
    dead, dead_in_port = maps.dead
    peaks = np.abs(maps.double.reference).max(axis=(1, 2))
    largest = np.maximum(maps.double.reference.max(axis=(1, 2)), maps.double.candidate.max(axis=(1, 2)))
    # Of a maximum that is nearly 0, rounding decides the sign; how far the raw maps are apart is a check of its own.
    one_sided = [
        case.name
        for case, is_one_sided, positive, peak in zip(cases, dead != dead_in_port, largest, peaks, strict=True)
        if is_one_sided and not positive <= least * peak
    ]
    yield Check(
        id=f"gradcam/exact/dead/{maps.kind}/one_sided",
        verdict=Verdict.FAIL if one_sided else Verdict.PASS,
        observed=float(len(one_sided)),
        limit=0.0,
        unit="maps",
        n=len(cases),
        worst=", ".join(one_sided[:3]),
        reason=f"a map with nothing positive on one side only; {int((dead & dead_in_port).sum())} of {len(cases)} have nothing "
        "positive on both sides: their raw maps are compared, their pictures show nothing",
    )
    noise = 0.0 if again is None else _rerun_noise(workspace, maps, again)
    nothing = peaks <= noise
    by_class: dict[str, list[bool]] = {}
    for case, is_nothing in zip(cases, nothing, strict=True):
        by_class.setdefault(CLASSES[case.label], []).append(bool(is_nothing))
    whole = [name for name in CLASSES if all(by_class.get(name, [False]))]
    share = float(nothing.mean())
    yield Check(
        id=f"gradcam/none/nothing/{maps.kind}/share",
        verdict=Verdict.INCONCLUSIVE if share > limit.value or whole else Verdict.PASS,
        observed=share,
        limit=limit.value,
        unit="of the maps",
        n=len(cases),
        worst=", ".join(f"every map of {name}" for name in whole),
        reason=f"{int(nothing.sum())} of {len(cases)} raw maps of the legacy are nothing: no value is above {noise:.2g}, by "
        f"which maps made twice differ; {limit.reason}",
    )


def _rerun_noise(workspace: Workspace, maps: Maps, again: Pair) -> float:
    """Return the largest difference of two maps of the legacy that are made twice: 0 on a CPU."""
    rows = [case.index for case in workspace.tap_cases(maps.kind)]
    return float(np.abs(maps.single.reference[rows] - again.reference).max(initial=0.0))


def _batch_check(found: str) -> Check:
    """The legacy mixes the gradients of a batch; the port must not explain one in silence."""
    return Check(
        id="gradcam/exact/batch/refused",
        verdict=Verdict.PASS if found == "refused" else Verdict.FAIL,
        n=1,
        reason=f"two images at once must be refused: they were {found}",
    )


def _picture_checks(workspace: Workspace, comparison: Comparison, limit: Limit) -> Iterator[Check]:
    places: Mapping[str, list[tuple[str, str]]] = {
        "normalised": [(f"float32/{kind}/normalised", kind) for kind in KINDS],
        **{
            step: [(f"float32/{kind}/{case.index}/{step}", case.name) for kind in KINDS for case in workspace.tap_cases(kind)]
            for step in PICTURES[1:]
        },
    }
    for step in PICTURES:
        worst = Worst()
        fixtures = [(f"fixture/{name}/{step}", f"the made-up map {name}") for name in FIXTURE_MAPS]
        for name, shown in [*fixtures, *places[step]]:
            for pair in comparison.pairs(name):
                difference = np.abs(pair.candidate.astype(np.float64) - pair.reference)
                finite = difference[~np.isnan(pair.reference)]
                worst.add(float(finite.max(initial=0.0)), shown, difference.size)
        yield worst.to_check(f"gradcam/float32/{step}/max_abs", limit, unit="of [0, 1]")
