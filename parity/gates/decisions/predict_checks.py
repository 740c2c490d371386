"""The port's ``predict`` on the evaluated files: its rows against both ``evaluate`` commands, its maps against the legacy's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from parity.architecture import tap_shapes
from parity.artefact import ArtefactError, Recording
from parity.comparison import compare_table
from parity.contract import CLASSES
from parity.gates.decisions.contract import ALL, MAPPED, MAPS, RUNS, predicted_cases
from parity.gates.decisions.ledger import Row
from parity.gates.gradcam.compare import to_peak
from parity.gates.gradcam.contract import command_cases
from parity.measurement import Worst
from parity.predictions import read_predictions
from parity.tolerance import Limit
from parity.verdict import Check, Verdict
from parity.workspace import Workspace

PREDICT = "predict"
EVALUATORS = ("legacy", "port")


def read_predict_rows(workspace: Workspace) -> dict[str, list[Row]]:
    """Return the rows of ``predict`` on every image, beside those of either side's ``evaluate``, by that side.

    Images that one of the two does not have are left out: a check of its own counts them.
    """
    found = _rows(workspace.recording("port", "decisions"), ALL)
    rows: dict[str, list[Row]] = {}
    for side in EVALUATORS:
        known = read_predictions(workspace.evaluation_output(side) / "predictions.csv")
        rows[side] = [
            Row(
                image=case.image,
                kind=PREDICT,
                split=case.split,
                label=case.label,
                reference=np.array(known[case.image]),
                candidate=np.array(found[case.image]),
            )
            for case in predicted_cases(workspace, ALL)
            if case.image in known and case.image in found
        ]
    return rows


def predict_checks(workspace: Workspace, rows: Sequence[Row], same: Limit, maps: Limit) -> Iterator[Check]:
    """Yield the checks of the port's ``predict``.

    Args:
        workspace: The run.
        rows: Those of the port's own ``evaluate`` and of ``predict``.
        same: Of the one against the other, and of ``predict`` against itself.
        maps: Of the maps.
    """
    recording = workspace.recording("port", "decisions")
    for run in RUNS:
        yield _image_check(workspace, recording, run)
    worst = Worst()
    for row in rows:
        worst.add(row.difference, row.image, row.candidate.size)
    yield worst.to_check("decisions/float32/predict/evaluate/max_abs", same, unit="probability")
    yield _repeated_check(workspace, recording, same)
    yield from _map_checks(workspace, recording, maps)


def _rows(recording: Recording, run: str) -> Mapping[str, Sequence[float]]:
    found = recording.values.get(f"{run}/rows", {})
    if any(len(row) != len(CLASSES) or not np.isfinite(row).all() for row in found.values()):
        raise ArtefactError(f"port: rows of predict ({run}) are not {len(CLASSES)} finite probabilities each")
    rows: Mapping[str, Sequence[float]] = found
    return rows


def _image_check(workspace: Workspace, recording: Recording, run: str) -> Check:
    """Every file has a row, no other has, and the command says that it skipped none."""
    expected = {case.image: "predicted" for case in predicted_cases(workspace, run)} | {"exit code": 0}
    found = dict.fromkeys(_rows(recording, run), "predicted") | {"exit code": recording.values.get(f"{run}/exit_code")}
    return compare_table(f"decisions/exact/predict/{run}/images", expected, expected, found)


def _repeated_check(workspace: Workspace, recording: Recording, limit: Limit) -> Check:
    """The command gives an image the same row in another folder, in another batch, with a map or without."""
    first, again = (_rows(recording, run) for run in RUNS)
    worst = Worst()
    for case in predicted_cases(workspace, MAPPED):
        if case.image in first and case.image in again:
            difference = np.abs(np.subtract(first[case.image], again[case.image]))
            worst.add(float(difference.max()), case.image, len(CLASSES))
    return worst.to_check("decisions/float32/predict/again/max_abs", limit, unit="probability")


def _map_checks(workspace: Workspace, recording: Recording, limit: Limit) -> Iterator[Check]:
    """Each map is that of the row's class, as the legacy makes it of the same file in float64, up to a positive factor."""
    cases, rows = predicted_cases(workspace, MAPPED), _rows(recording, MAPPED)
    answers = {case.image: int(np.argmax(rows[case.image])) for case in cases if case.image in rows}
    names = [case.image for case in cases]
    explained = recording.values.get("maps/predicted", {})
    yield compare_table("decisions/exact/predict/maps/predicted", names, answers, explained)
    stems = {Path(name).stem: "drawn" for name in names}
    drawn = dict.fromkeys(recording.values.get("maps/overlays", ()), "drawn")
    yield compare_table("decisions/exact/predict/maps/overlays", stems, stems, drawn)
    shape = (len(cases), *tap_shapes(workspace.spec.height_px, workspace.spec.width_px, len(CLASSES))["conv5/block3/out"][1:3])
    try:
        truth, found = _read_maps(workspace, recording, shape)
    except ArtefactError as error:
        yield Check(id="decisions/none/predict/maps/present", verdict=Verdict.FAIL, reason=str(error))
        return
    worst = Worst()
    for place, image in enumerate(names):
        if image in answers:
            error = float(np.abs(to_peak(truth[image][answers[image]]) - to_peak(found[place])).max())
            worst.add(error, image, found[place].size)
    yield worst.to_check("decisions/float32/predict/maps/max_rel", limit, unit="relative")


def _read_maps(
    workspace: Workspace, recording: Recording, shape: tuple[int, ...]
) -> tuple[Mapping[str, np.ndarray], np.ndarray]:
    """Return the legacy's maps (K, h, w) by image, and the port's (N, h, w).

    Raises:
        ArtefactError: They are missing, of another shape or dtype, or not finite.
    """
    known = workspace.recording("legacy", "gradcam").read_array("float64/classes/command")
    found = recording.read_array(MAPS)
    expected = ((shape[0], len(CLASSES), *shape[1:]), "float64"), (shape, "float32")
    for side, array, (size, dtype) in zip(EVALUATORS, (known, found), expected, strict=True):
        if array.shape != size or str(array.dtype) != dtype or not np.isfinite(array).all():
            raise ArtefactError(f"{side}: maps are {array.dtype} {array.shape} instead of finite {dtype} {size}")
    return {case.image: maps for case, maps in zip(command_cases(workspace), known, strict=True)}, found
