"""Grad-CAM rows of the report, worst first, with the pictures of both sides and their difference."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from parity.artefact import ArtefactError
from parity.contract import KINDS
from parity.gates.gradcam.compare import is_dead
from parity.measurement import relative_error
from parity.report import write_gradcam_triptych
from parity.workspace import Case, Workspace

TRIPTYCHS = 8


def make_explanations(workspace: Workspace) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the Grad-CAM rows, worst first, and the pictures written for them."""
    candidates: list[tuple[float, Case, np.ndarray, np.ndarray]] = []
    for kind in KINDS:
        try:
            sides = [workspace.recording(side, "gradcam").read_array(f"float32/{kind}/raw") for side in ("legacy", "port")]
        except ArtefactError:
            continue
        if sides[0].shape == sides[1].shape:
            for case, a, b in zip(workspace.cases(kind), *sides, strict=True):
                candidates.append((relative_error(a, b).max_rel, case, a, b))
    candidates.sort(key=lambda item: -item[0])
    correct = _correct_images(workspace)
    explanations, assets = [], []
    for number, (error, case, a, b) in enumerate(candidates[:TRIPTYCHS]):
        image = workspace.image(case)[0]
        maps = [_picture_map(raw, image.shape[1], image.shape[0]) for raw in (a, b)]
        written = write_gradcam_triptych(image, *maps, folder=workspace.report, name=f"gradcam-{number}")
        names = ("reference", "candidate", "difference")
        explanations.append(
            {
                "image": case.image,
                "kind": case.kind,
                "error": error,
                "dead": [bool(is_dead(raw[np.newaxis])[0]) for raw in (a, b)],
                "correct": correct.get((case.kind, case.index), False),
                "assets": {name: asset["path"] for name, asset in zip(names, written, strict=True)},
            }
        )
        assets += written
    return explanations, assets


def _correct_images(workspace: Workspace) -> dict[tuple[str, int], bool]:
    found = {}
    for kind in KINDS:
        try:
            probabilities = workspace.recording("legacy", "inference").read_array(f"float32/{kind}/probabilities")
        except ArtefactError:
            continue
        for case, row in zip(workspace.cases(kind), probabilities, strict=True):
            found[kind, case.index] = int(row.argmax()) == case.label
    return found


def _picture_map(raw: np.ndarray, width_px: int, height_px: int) -> np.ndarray:
    """Return a raw map as a picture shows it: positive part over its maximum, bilinear, not a number where dead."""
    positive = np.maximum(np.asarray(raw, dtype=np.float32), 0.0)
    top = float(positive.max())
    if top == 0.0:
        return np.full((height_px, width_px), np.nan)
    return np.asarray(Image.fromarray(positive / top).resize((width_px, height_px), Image.Resampling.BILINEAR))
