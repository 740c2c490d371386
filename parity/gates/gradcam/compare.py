"""Raw maps of every image, then each step from the raw map to the picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from parity.architecture import tap_shapes
from parity.comparison import Comparison, Expected, Pair
from parity.contract import CLASSES, DTYPES, KINDS
from parity.gates.gradcam.contract import FIXTURE_MAPS
from parity.measurement import ErrorTable, Worst
from parity.tolerance import GatesFile, Limit
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import Case, Workspace

PICTURES = ("fixture", "normalised", "resized", "overlay")


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    comparison = Comparison.open(workspace, "gradcam", expected_maps(workspace))
    errors = ErrorTable()
    dead: list[Check] = []
    reruns: list[Check] = []
    for kind in KINDS:
        found = read_maps(comparison, kind)
        if found is None:
            continue
        for row, case in enumerate(workspace.cases(kind)):
            found.add_errors(errors, row, case)
        reruns += _rerun_checks(workspace, comparison, kind, found.single, errors)
        dead += _dead_checks(workspace, kind, *found.dead, gates_file.limit("gradcam/dead"))
    limits = {dtype: gates_file.limit(f"gradcam/{dtype}") for dtype in DTYPES}
    checks = [*errors.checks("gradcam", [f"raw/{kind}" for kind in KINDS], limits), *reruns, *dead]
    checks.append(_batch_check(comparison.candidate.values.get("batch", "not asked for")))
    return comparison.result([*checks, *_picture_checks(workspace, comparison, gates_file.limit("gradcam/pictures"))])


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


def _rerun_checks(workspace: Workspace, comparison: Comparison, kind: str, first: Pair, errors: ErrorTable) -> Iterator[Check]:
    """Ask whether a map made twice is the same map.

    On a GPU the legacy has no deterministic gradient (`LegacySide.without_determinism`): how much two of its maps differ is a
    noise floor there. The port's own noise never widens what the port is held to.
    """
    for again in comparison.pairs(f"float32/{kind}/rerun"):
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
    found: dict[str, Expected] = {
        f"fixture/{name}": Expected(axes="HW", shape=raw.shape, dtype="float32", nonfinite=True)
        for name, raw in FIXTURE_MAPS.items()
    }
    for kind in KINDS:
        shape = (len(workspace.cases(kind)), *map_shape)
        for dtype in DTYPES:
            found[f"{dtype}/{kind}/raw"] = Expected(axes="NHW", shape=shape, dtype=dtype)
        again = (len(workspace.tap_cases(kind)), *map_shape)
        found[f"float32/{kind}/rerun"] = Expected(axes="NHW", shape=again, dtype="float32")
        # A dead map is 0/0 and so not a number, by the legacy's definition, and then on both sides.
        found[f"float32/{kind}/normalised"] = Expected(axes="NHW", shape=shape, dtype="float32", nonfinite=True)
        for case in workspace.tap_cases(kind):
            place, size = f"float32/{kind}/{case.index}", (height_px, width_px)
            found[f"{place}/resized"] = Expected(axes="HW", shape=size, dtype="float32", nonfinite=True)
            found[f"{place}/overlay"] = Expected(axes="HWC", shape=(*size, 3), dtype="float64")
    return found


def is_dead(raw: np.ndarray) -> np.ndarray:
    """Return for each map (N, H, W) whether nothing in it is positive."""
    return np.logical_not((raw > 0).any(axis=(1, 2)))


def _dead_checks(workspace: Workspace, kind: str, dead: np.ndarray, dead_in_port: np.ndarray, limit: Limit) -> Iterator[Check]:
    cases = workspace.cases(kind)
    one_sided = [case.name for case, a, b in zip(cases, dead, dead_in_port, strict=True) if a != b]
    yield Check(
        id=f"gradcam/exact/dead/{kind}/one_sided",
        verdict=Verdict.FAIL if one_sided else Verdict.PASS,
        observed=float(len(one_sided)),
        limit=0.0,
        unit="maps",
        n=len(cases),
        worst=", ".join(one_sided[:3]),
        reason="a map with nothing positive on one side only",
    )
    by_class = {
        name: [bool(gone) for case, gone in zip(cases, dead, strict=True) if CLASSES[case.label] == name] for name in CLASSES
    }
    whole = [name for name, gone in by_class.items() if gone and all(gone)]
    share = float(dead.mean())
    powerless = share > limit.value or bool(whole)
    yield Check(
        id=f"gradcam/none/dead/{kind}/share",
        verdict=Verdict.INCONCLUSIVE if powerless else Verdict.PASS,
        observed=share,
        limit=limit.value,
        unit="of the maps",
        n=len(cases),
        worst=", ".join(f"every map of {name}" for name in whole),
        reason=f"{int(dead.sum())} of {len(cases)} maps dead on both sides; {limit.reason}",
    )


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
        "fixture": [(f"fixture/{name}", name) for name in FIXTURE_MAPS],
        "normalised": [(f"float32/{kind}/normalised", kind) for kind in KINDS],
        **{
            step: [(f"float32/{kind}/{case.index}/{step}", case.name) for kind in KINDS for case in workspace.tap_cases(kind)]
            for step in PICTURES[2:]
        },
    }
    for step in PICTURES:
        worst = Worst()
        for name, shown in places[step]:
            for pair in comparison.pairs(name):
                difference = np.abs(pair.candidate.astype(np.float64) - pair.reference)
                finite = difference[~np.isnan(pair.reference)]
                worst.add(float(finite.max(initial=0.0)), shown, difference.size)
        yield worst.to_check(f"gradcam/float32/{step}/max_abs", limit, unit="of [0, 1]")
