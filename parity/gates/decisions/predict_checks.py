"""The rows of the port's ``predict`` on the evaluated files, against those of either side's ``evaluate``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from parity.artefact import ArtefactError, Recording
from parity.comparison import compare_table
from parity.contract import CLASSES
from parity.gates.decisions.ledger import Row
from parity.measurement import Worst
from parity.predictions import read_predictions
from parity.tolerance import Limit
from parity.verdict import Check
from parity.workspace import Case, Workspace

PREDICT = "predict"


def read_predict_rows(workspace: Workspace) -> dict[str, list[Row]]:
    """Return the rows of ``predict`` beside those of either side's ``evaluate``, by that side.

    Images that one of the two does not have are left out: a check of its own counts them.
    """
    found = read_rows(workspace.recording("port", "decisions"))
    rows: dict[str, list[Row]] = {}
    for side in ("legacy", "port"):
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
            for case in workspace.cases("evaluation")
            if case.image in known and case.image in found
        ]
    return rows


def predict_checks(workspace: Workspace, rows: Sequence[Row], limit: Limit) -> Iterator[Check]:
    """Yield the checks of ``predict``, and of its rows beside those of the port's own ``evaluate``."""
    yield image_check("decisions/exact/predict/images", workspace.cases("evaluation"), workspace.recording("port", "decisions"))
    worst = Worst()
    for row in rows:
        worst.add(row.difference, row.image, row.candidate.size)
    yield worst.to_check("decisions/float32/predict/evaluate/max_abs", limit, unit="probability")


def read_rows(recording: Recording) -> Mapping[str, Sequence[float]]:
    """Return the rows that a recording has of ``predict``, by image.

    Raises:
        ArtefactError: One is not a finite probability for each class.
    """
    rows: Mapping[str, Sequence[float]] = recording.values.get("predict/rows", {})
    if any(len(row) != len(CLASSES) or not np.isfinite(row).all() for row in rows.values()):
        raise ArtefactError(f"port: rows of predict are not {len(CLASSES)} finite probabilities each")
    return rows


def image_check(check_id: str, cases: Sequence[Case], recording: Recording) -> Check:
    """Every file has a row, no other has, and the command says that it skipped none."""
    expected = {case.image: "predicted" for case in cases} | {"exit code": 0}
    found = dict.fromkeys(read_rows(recording), "predicted") | {"exit code": recording.values.get("predict/exit_code")}
    return compare_table(check_id, expected, expected, found)
