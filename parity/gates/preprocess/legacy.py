"""Hash of every evaluation image as the network gets it, and of every Grad-CAM input."""

from __future__ import annotations

import numpy as np

from legacy_tf import gradcam
from parity.artefact import RecordingWriter, hash_array
from parity.sides.legacy import LegacySide


def record(side: LegacySide, out: RecordingWriter) -> None:
    cases = side.workspace.cases("evaluation")
    taps = side.workspace.tap_cases("evaluation")
    size = (side.spec.height_px, side.spec.width_px)
    batch, gradcam_input = {}, {}
    for case in side.track(cases, "preprocess"):
        image = side.workspace.image(case)
        opened = np.asarray(gradcam.get_img_array(case.path, size))
        key = f"{case.index} {case.image}"
        batch[key], gradcam_input[key] = hash_array(image), hash_array(opened)
        if case in taps:
            out.write_array(f"batch/{case.index}", image, "NHWC")
            out.write_array(f"gradcam_input/{case.index}", opened, "NHWC")
    out.write_value("sha256", {"batch": batch, "gradcam_input": gradcam_input})
