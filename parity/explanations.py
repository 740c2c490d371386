"""Grad-CAM rows of the report, worst first by the gate's own numbers, with the pictures of both sides and their difference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from parity.artefact import ArtefactError
from parity.comparison import Comparison
from parity.contract import KINDS
from parity.gates.decisions.ledger import Row
from parity.gates.gradcam.compare import Maps, expected_maps, read_maps
from parity.report import write_gradcam_triptych
from parity.workspace import Case, Workspace

TRIPTYCHS = 8


def make_explanations(workspace: Workspace, rows: Sequence[Row]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the Grad-CAM rows, worst first, and the pictures written for them.

    Args:
        workspace: The run.
        rows: The ledger, which says whether the legacy's answer is right.
    """
    try:
        comparison = Comparison.open(workspace, "gradcam", expected_maps(workspace))
    except ArtefactError:
        return [], []  # the gate has failed with the reason
    found = [maps for kind in KINDS if (maps := read_maps(comparison, kind)) is not None]
    candidates = [
        (maps.error(index, case), case, maps) for maps in found for index, case in enumerate(workspace.cases(maps.kind))
    ]
    candidates.sort(key=lambda item: -item[0])
    correct = {
        (kind, index): row.predictions[0] == row.label
        for kind in KINDS
        for index, row in enumerate(row for row in rows if row.kind == kind)
    }
    explanations: list[dict[str, Any]] = []
    assets: list[dict[str, Any]] = []
    for number, (error, case, maps) in enumerate(candidates[:TRIPTYCHS]):
        written = _write_pictures(workspace, comparison, case, f"gradcam-{number}")
        explanations.append(
            {
                "image": case.image,
                "kind": case.kind,
                "error": error,
                "dead": _dead(maps, case),
                "correct": correct.get((case.kind, case.index)),
                **({"assets": {name: asset["path"] for name, asset in written.items()}} if written else {}),
            }
        )
        assets += written.values()
    return explanations, assets


def _dead(maps: Maps, case: Case) -> list[bool]:
    return [bool(dead[case.index]) for dead in maps.dead]


def _write_pictures(workspace: Workspace, comparison: Comparison, case: Case, name: str) -> dict[str, dict[str, Any]]:
    """Write the maps that each side has normalised itself; nothing where a side has none in the expected shape."""
    image, array = workspace.image(case)[0], f"float32/{case.kind}/normalised"
    try:
        sides = [recording.read_array(array) for recording in (comparison.reference, comparison.candidate)]
    except ArtefactError:
        return {}
    if any(side.shape != comparison.expected[array].shape for side in sides):
        return {}
    maps = [_resize(side[case.index], image.shape[1], image.shape[0]) for side in sides]
    written = write_gradcam_triptych(image, *maps, folder=workspace.report, name=name)
    return dict(zip(("reference", "candidate", "difference"), written, strict=True))


def _resize(normalised: np.ndarray, width_px: int, height_px: int) -> np.ndarray:
    """Return a map in the size of its image, bilinear; not a number where it is dead."""
    picture = Image.fromarray(np.asarray(normalised, dtype=np.float32))
    return np.asarray(picture.resize((width_px, height_px), Image.Resampling.BILINEAR))
