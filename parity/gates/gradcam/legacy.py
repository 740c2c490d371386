"""Grad-CAM of every image: raw map in both precisions; normalised, resized and overlaid in float32."""

from __future__ import annotations

import inspect

import numpy as np

from legacy_tf import gradcam
from parity.architecture import GRADCAM_LEGACY_LAYER
from parity.artefact import RecordingWriter
from parity.contract import DTYPES, KINDS
from parity.sides.legacy import LegacySide

MASK_THRESHOLD = inspect.signature(gradcam.generate_gradcam_samples).parameters["mask_thresh"].default


def record(side: LegacySide, out: RecordingWriter) -> None:
    for dtype in DTYPES:
        for kind in KINDS:
            with side.precision(dtype) as model:
                cases = side.workspace.cases(kind)
                maps = [
                    np.asarray(
                        gradcam.raw_gradcam_heatmap(side.workspace.image(case).astype(dtype), model, GRADCAM_LEGACY_LAYER)
                    )
                    for case in side.track(cases, f"gradcam {dtype} {kind}")
                ]
            raw = np.stack(maps)
            out.write_array(f"{dtype}/{kind}/raw", raw, "NHW")
            if dtype == "float32":
                _write_pictures(side, out, kind, raw)


def _write_pictures(side: LegacySide, out: RecordingWriter, kind: str, raw: np.ndarray) -> None:
    with np.errstate(invalid="ignore", divide="ignore"):
        normalised = [np.asarray(gradcam.normalise_heatmap(heatmap)) for heatmap in raw]
    out.write_array(f"float32/{kind}/normalised", np.stack(normalised), "NHW")
    for case in side.workspace.tap_cases(kind):
        image = side.workspace.image(case)[0]
        resized = gradcam.resize_heatmap(normalised[case.index], *image.shape[:2])
        out.write_array(f"float32/{kind}/{case.index}/resized", resized, "HW")
        overlay = gradcam.merge_image_mask(image, resized, mask_thresh=MASK_THRESHOLD)
        out.write_array(f"float32/{kind}/{case.index}/overlay", overlay, "HWC")
