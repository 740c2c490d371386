"""Grad-CAM of every image: raw map in both precisions; normalised, resized and overlaid in float32."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from legacy_tf import gradcam
from parity.architecture import GRADCAM_LEGACY_LAYER
from parity.artefact import RecordingWriter
from parity.contract import DTYPES, KINDS
from parity.gates.gradcam.contract import FIXTURE_IMAGE, FIXTURE_MAPS
from parity.sides.legacy import LegacySide

MASK_THRESHOLD = inspect.signature(gradcam.generate_gradcam_samples).parameters["mask_thresh"].default


def record(side: LegacySide, out: RecordingWriter) -> None:
    for name, normalised in zip(FIXTURE_MAPS, _normalise(FIXTURE_MAPS.values()), strict=True):
        out.write_array(f"fixture/{name}/normalised", normalised, "HW")
        _write_picture(out, f"fixture/{name}", FIXTURE_IMAGE, normalised)
    for dtype in DTYPES:
        with side.precision(dtype) as model, side.without_determinism():
            # Compiled, the legacy's function takes a quarter of the time: eagerly, the gradient runs through all layers.
            explain = tf.function(partial(_explain, model))
            for kind in KINDS:
                cases = side.track(side.workspace.cases(kind), f"gradcam {dtype} {kind}")
                maps = [explain(tf.constant(side.workspace.image(case), dtype)).numpy() for case in cases]
                out.write_array(f"{dtype}/{kind}/raw", np.stack(maps), "NHW")
                if dtype == "float32":
                    again = [
                        explain(tf.constant(side.workspace.image(case), dtype)).numpy()
                        for case in side.workspace.tap_cases(kind)
                    ]
                    out.write_array(f"float32/{kind}/rerun", np.stack(again), "NHW")
                    _write_pictures(side, out, kind, np.stack(maps))


def _normalise(raw: Iterable[np.ndarray]) -> list[np.ndarray]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return [np.asarray(gradcam.normalise_heatmap(heatmap)) for heatmap in raw]


def _explain(model: Any, image: tf.Tensor) -> tf.Tensor:
    return gradcam.raw_gradcam_heatmap(image, model, GRADCAM_LEGACY_LAYER)


def _write_pictures(side: LegacySide, out: RecordingWriter, kind: str, raw: np.ndarray) -> None:
    normalised = _normalise(raw)
    out.write_array(f"float32/{kind}/normalised", np.stack(normalised), "NHW")
    for case in side.workspace.tap_cases(kind):
        _write_picture(out, f"float32/{kind}/{case.index}", side.workspace.image(case)[0], normalised[case.index])


def _write_picture(out: RecordingWriter, place: str, image: np.ndarray, normalised: np.ndarray) -> None:
    resized = gradcam.resize_heatmap(normalised, *image.shape[:2])
    out.write_array(f"{place}/resized", resized, "HW")
    out.write_array(f"{place}/overlay", gradcam.merge_image_mask(image, resized, mask_thresh=MASK_THRESHOLD), "HWC")
