"""What the sides' commands wrote of the same raw files: images, classes, raw maps, overlays; and the maps of ``predict``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parity.comparison import Comparison, Expected, Pair, compare_table
from parity.contract import CLASSES
from parity.gates.decisions.predict_checks import image_check, read_rows
from parity.gates.gradcam.contract import CLASS_KINDS, MASK_THRESHOLD, class_cases, command_cases
from parity.measurement import ErrorTable, Worst
from parity.tolerance import GatesFile, Limit
from parity.verdict import Check, Verdict
from parity.workspace import Workspace

MAP_LEVELS = 255  # of the colour map
# How many of 255 levels of a colour one level of the map moves in an overlay: the slope of `jet`, 4.55 at most, by its share.
LEVELS_PER_MAP_LEVEL = 0.3 * 4.55


def expected_command(workspace: Workspace, map_shape: tuple[int, ...]) -> dict[str, Expected]:
    """Return the arrays of the commands, and of the maps of every class."""
    spec, samples = workspace.spec, len(command_cases(workspace))
    size = (spec.height_px, spec.width_px)
    counts = dict(zip(CLASS_KINDS, (len(class_cases(workspace)), samples), strict=True))
    return {
        **{
            f"float64/classes/{kind}": Expected(axes="NKHW", shape=(count, len(CLASSES), *map_shape), dtype="float64")
            for kind, count in counts.items()
        },
        "command/raw": Expected(axes="NHW", shape=(samples, *map_shape), dtype="float32"),
        "predict/raw": Expected(axes="NHW", shape=(samples, *map_shape), dtype="float32", alone=True),
        "command/resized": Expected(axes="NHW", shape=(samples, *size), dtype="float32", nonfinite=True),
        "command/overlay": Expected(axes="NHWC", shape=(samples, *size, 3), dtype="uint8"),
    }


Classes = Mapping[str, Pair | None]  # maps of every class, by kind


def read_classes(comparison: Comparison) -> Classes:
    """Return the maps of every class of each kind of images; None where a side has none that are whole."""
    return {kind: next(comparison.pairs(f"float64/classes/{kind}"), None) for kind in CLASS_KINDS}


def class_checks(workspace: Workspace, classes: Classes, gates_file: GatesFile) -> Iterator[Check]:
    """Compare the maps of every class, each for itself, in float64."""
    names = dict(
        zip(
            CLASS_KINDS,
            ([case.name for case in class_cases(workspace)], [case.image for case in command_cases(workspace)]),
            strict=True,
        )
    )
    limit = gates_file.limit("gradcam/float64")
    for kind in CLASS_KINDS:
        worst = Worst()
        if (pair := classes[kind]) is not None:
            for row, image in enumerate(names[kind]):
                for index, label in enumerate(CLASSES):
                    error = _map_error(pair.reference[row, index], pair.candidate[row, index])
                    worst.add(error, f"{label} in {image}", pair.candidate[row, index].size)
        yield worst.to_check(f"gradcam/float64/classes/{kind}/max_rel", limit, unit="relative")


def command_checks(workspace: Workspace, comparison: Comparison, gates_file: GatesFile) -> Iterator[Check]:
    """Compare what both commands chose, explained and drew."""
    comparison.tables += 2
    cases = command_cases(workspace)
    yield from _choice_checks([Path(case.image).stem for case in cases], comparison)
    sides = ({case.image: index for case, index in zip(cases, side.values.get("command/predicted", []), strict=False)}
             for side in (comparison.reference, comparison.candidate))  # fmt: skip
    yield compare_table("gradcam/exact/command/predicted", [case.image for case in cases], *sides)
    raw, resized, overlay = (next(comparison.pairs(f"command/{step}"), None) for step in ("raw", "resized", "overlay"))
    worst = Worst()
    if raw is not None:
        for case, truth, found in zip(cases, raw.reference, raw.candidate, strict=True):
            worst.add(_map_error(truth, found), case.image, found.size)
    yield worst.to_check("gradcam/float32/command/raw/max_rel", gates_file.limit("gradcam/float32"), unit="relative")
    if raw is not None and resized is not None and overlay is not None:
        drawn = [
            Drawn(
                case.image, *(value for pair in (raw, resized, overlay) for value in (pair.reference[row], pair.candidate[row]))
            )
            for row, case in enumerate(cases)
        ]
        faint = gates_file.limit("gradcam/faint").value
        yield from _overlay_checks([picture for picture in drawn if picture.is_clear(faint)], gates_file)


def predict_checks(workspace: Workspace, comparison: Comparison, classes: Classes, gates_file: GatesFile) -> Iterator[Check]:
    """Compare the maps of the port's ``predict``: of its row's class, as the legacy makes it of the same file in float64."""
    cases = command_cases(workspace)
    names = [case.image for case in cases]
    recorded = comparison.candidate.values
    comparison.tables += 1
    yield image_check("gradcam/exact/predict/images", cases, comparison.candidate)
    answers = {image: int(np.argmax(row)) for image, row in read_rows(comparison.candidate).items()}
    yield compare_table("gradcam/exact/predict/predicted", names, answers, recorded.get("predict/predicted", {}))
    stems = {Path(name).stem: "drawn" for name in names}
    drawn = dict.fromkeys(recorded.get("predict/overlays", ()), "drawn")
    yield compare_table("gradcam/exact/predict/overlays", stems, stems, drawn)
    worst = Worst()
    for _, maps in comparison.alone("predict/raw"):
        if (pair := classes["command"]) is not None:
            for image, truth, found in zip(names, pair.reference, maps, strict=True):
                if image in answers:
                    worst.add(_map_error(truth[answers[image]], found), image, found.size)
    yield worst.to_check("gradcam/float32/predict/raw/max_rel", gates_file.limit("gradcam/float32"), unit="relative")


def _map_error(reference: np.ndarray, candidate: np.ndarray) -> float:
    errors = ErrorTable()
    truth, found = (raw / (np.abs(raw).max() or 1.0) for raw in (reference, candidate))
    errors.add("any", "map", "", truth=truth, found=found)
    return errors.worst["any", "map", "max_rel"].observed


def _choice_checks(stems: list[str], comparison: Comparison) -> Iterator[Check]:
    """Hold the images against the contract's own draw: the port's in order, the legacy's files without one."""
    asked: Mapping[str, tuple[list[str], object]] = {
        "legacy/images": (sorted(stems), comparison.reference.values.get("command/images")),
        "port/images": (stems, comparison.candidate.values.get("command/images")),
        "port/overlays": (stems, comparison.candidate.values.get("command/overlays")),
    }
    for what, (expected, found) in asked.items():
        yield Check(
            id=f"gradcam/exact/command/{what}",
            verdict=Verdict.PASS if found == expected else Verdict.FAIL,
            n=len(expected),
            reason="the images that the seed draws" if found == expected else f"expected {expected}, found {found}",
        )


@dataclass(frozen=True)
class Drawn:
    """An image as both commands drew it: raw map, map at the image's size, overlay of levels, of each side."""

    image: str
    raw: np.ndarray
    port_raw: np.ndarray
    resized: np.ndarray
    port_resized: np.ndarray
    overlay: np.ndarray
    port_overlay: np.ndarray

    def is_clear(self, faint: float) -> bool:
        """Return whether the map's largest value, by which it is divided, is no matter of rounding: not nearly 0."""
        return bool(np.abs(self.raw.max()) >= faint * np.abs(self.raw).max())

    def excess(self) -> tuple[np.ndarray, np.ndarray]:
        """Return by how many levels overlays differ beyond what maps do, and where the threshold is near, both (H, W)."""
        both = (self.resized, self.port_resized)
        maps = [np.clip(np.nan_to_num(found, nan=0.0), 0.0, 1.0).astype(np.float64) for found in both]
        moved = np.abs(np.floor(MAP_LEVELS * maps[0]) - np.floor(MAP_LEVELS * maps[1]))
        noise = float(np.abs(maps[0] - maps[1]).max()) + float(np.finfo(np.float32).eps)
        near = np.abs(maps[0] - MASK_THRESHOLD) <= noise
        near &= ~np.isnan(self.resized)
        difference = np.abs(self.overlay.astype(np.int64) - self.port_overlay).max(axis=2)
        return difference - LEVELS_PER_MAP_LEVEL * moved, near


def _overlay_checks(drawn: list[Drawn], gates_file: GatesFile) -> Iterator[Check]:
    share_limit, level_limit = (gates_file.limit(f"gradcam/{name}") for name in ("threshold_share", "overlay_levels"))
    levels, share = Worst(), Worst()
    for picture in drawn:
        excess, near = picture.excess()
        levels.add(float(np.where(near, 0.0, excess).max(initial=0.0)), picture.image, excess.size)
        share.add(float(near.mean()), picture.image, near.size)
    yield _judged(levels, "levels", level_limit, "levels of 255")
    yield _judged(share, "threshold_share", share_limit, "of the pixels")


def _judged(worst: Worst, what: str, limit: Limit, unit: str) -> Check:
    check_id = f"gradcam/float32/command/overlay/{what}"
    if worst.n == 0:
        reason = "the largest value of every map is nearly zero: rounding decides what is drawn"
        return Check(id=check_id, verdict=Verdict.INCONCLUSIVE, limit=limit.value, reason=reason)
    return worst.to_check(check_id, limit, unit=unit)
