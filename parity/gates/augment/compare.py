"""The training pipeline: image by image for the same random numbers, transform by transform, and what it draws."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from parity.comparison import Comparison, Expected
from parity.contract import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX
from parity.gates.augment.contract import CASES, COUNTED_DRAWS, DEVICE_DRAWS, DRAWS, PARAMETERS, SHOWN_DRAWS, STEP
from parity.gates.augment.distribution import distribution_checks
from parity.gates.augment.streams import stream_checks
from parity.measurement import Worst
from parity.tolerance import GatesFile, Limit
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import Workspace

IDENTICAL = Limit(value=0.0, reason="the same library on the same pixels with the same numbers: bit-identical")
LIMITS = ("rate", "false_alarm", "range", "geometry")


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    size = (workspace.spec.height_px, workspace.spec.width_px)
    comparison = Comparison.open(workspace, "augment", {**_expected_images(size), **_expected_draws()})
    keys = [f"draw {number}" for number in range(DRAWS[workspace.spec.profile])]
    checks = [
        comparison.table("order", [f"place {place}" for place in range(len(PARAMETERS))]),
        comparison.table("transforms", CASES),
        _difference(comparison, "transform", CASES, unit="levels, or of [0, 1]"),
        comparison.table("draws", keys),
        _difference(comparison, "image", map(str, range(SHOWN_DRAWS)), unit="of [0, 1]"),
    ]
    checks += _drawn_checks(comparison, gates_file)
    checks += _device_checks(comparison.candidate.values.get("device", {}), gates_file)
    comparison.tables += 1
    images = comparison.reference.values["stream_images"]
    recorded = comparison.candidate.values
    if raised := recorded["untrained"]:
        reason = f"a training raised {raised}: what it would read cannot be seen, the gates of training say why"
        return comparison.result([*checks, Check(id="augment/exact/streams/trained", verdict=Verdict.NOT_RUN, reason=reason)])
    return comparison.result([*checks, *stream_checks(recorded["streams"], images)])


def _expected_images(size: tuple[int, int]) -> dict[str, Expected]:
    """Return the arrays of whole draws and of single transforms; of these, every `STEP`-th row and column."""
    expected = {f"image/{draw}": Expected(axes="HWC", shape=(*size, 3), dtype="float32") for draw in range(SHOWN_DRAWS)}
    for case, (name, _) in CASES.items():
        height, width = size if name == "Resize" else (IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX)
        shape = (-(-height // STEP), -(-width // STEP), 3)
        expected[f"transform/{case}"] = Expected(axes="HWC", shape=shape, dtype="float32" if name == "ToFloat" else "uint8")
    return expected


def _expected_draws() -> dict[str, Expected]:
    expected = {}
    for name, parameters in PARAMETERS.items():
        expected[f"drawn/{name}/applied"] = Expected(axes="N", shape=(COUNTED_DRAWS,), dtype="uint8")
        for parameter, numbers in parameters.items():
            shape = (COUNTED_DRAWS, numbers)
            expected[f"drawn/{name}/{parameter}"] = Expected(axes="NK", shape=shape, dtype="float64")
    return expected


def _difference(comparison: Comparison, kind: str, names: Iterable[str], *, unit: str) -> Check:
    """Return the largest difference of the recorded pixels: what hashes find gets a size here."""
    worst = Worst()
    for name in names:
        for pair in comparison.pairs(f"{kind}/{name}"):
            difference = np.abs(pair.candidate.astype(np.float64) - pair.reference)
            worst.add(float(difference.max()), name, difference.size)
    return worst.to_check(f"augment/exact/{kind}/max_abs", IDENTICAL, unit=unit)


def _device_checks(found: Mapping[str, Sequence[float]], gates_file: GatesFile) -> Iterator[Check]:
    """Hold the augmentation on the device against albumentations' of the same port, for the same random numbers."""
    share, largest = Worst(), Worst()
    for draw in range(DEVICE_DRAWS):
        different, gap = found.get(f"draw {draw}", (math.nan, math.nan))
        share.add(different, f"draw {draw}", 1)
        largest.add(gap, f"draw {draw}", 1)
    yield share.to_check("augment/none/device/share", gates_file.limit("augment/device_share"), unit="of an image's values")
    yield largest.to_check("augment/none/device/max_abs", gates_file.limit("augment/device_max_abs"), unit="of [0, 1]")


def _drawn_checks(comparison: Comparison, gates_file: GatesFile) -> Iterator[Check]:
    limits = {name: gates_file.limit(f"augment/{name}") for name in LIMITS}
    applied, drawn = {}, {}
    for name, parameters in PARAMETERS.items():
        for pair in comparison.pairs(f"drawn/{name}/applied"):
            applied[name] = (pair.reference, pair.candidate)
        for parameter in parameters:
            for pair in comparison.pairs(f"drawn/{name}/{parameter}"):
                drawn[name, parameter] = (pair.reference, pair.candidate)
    yield from distribution_checks(applied, drawn, limits)
