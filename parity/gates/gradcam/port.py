"""Grad-CAM of every image: raw map in both precisions; normalising, resizing and overlaying on the legacy's maps."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import numpy as np

from parity.architecture import GRADCAM_PORT_LAYER
from parity.artefact import Recording, RecordingWriter
from parity.contract import DTYPES, KINDS
from parity.gates.gradcam.contract import FIXTURE_IMAGE, FIXTURE_MAPS
from parity.sides.port import PortSide
from parity.workspace import Case
from torch_port import gradcam
from torch_port.errors import InputError


def record(side: PortSide, out: RecordingWriter) -> None:
    out.write_value("batch", _explain_batch(side))
    for dtype in DTYPES:
        network = side.model(dtype)
        for kind in KINDS:
            cases = side.track(side.workspace.cases(kind), f"gradcam {dtype} {kind}")
            out.write_array(f"{dtype}/{kind}/raw", _explain(side, network, cases, dtype), "NHW")
            if dtype == "float32":
                again = _explain(side, network, side.workspace.tap_cases(kind), dtype)
                out.write_array(f"float32/{kind}/rerun", again, "NHW")
    _write_pictures(side, out)


def _explain(side: PortSide, network: Any, cases: Iterable[Case], dtype: str) -> np.ndarray:
    images = (side.tensor(side.workspace.image(case), dtype) for case in cases)
    return np.stack([gradcam.raw_gradcam_heatmap(image, network, GRADCAM_PORT_LAYER) for image in images])


def _explain_batch(side: PortSide) -> str:
    """Ask for the map of two images at once, which the legacy mixes, and return what came of it."""
    images = np.concatenate([side.workspace.image(case) for case in side.workspace.all_cases[:2]])
    try:
        gradcam.raw_gradcam_heatmap(side.tensor(images, "float32"), side.model("float32"), GRADCAM_PORT_LAYER)
    except InputError:
        return "refused"
    return "explained"


def _write_pictures(side: PortSide, out: RecordingWriter) -> None:
    """Give each step of the picture what the legacy's step got: its raw map, its normalised map, its resized map."""
    legacy = side.workspace.recording("legacy", "gradcam")
    for name, raw in FIXTURE_MAPS.items():
        out.write_array(f"fixture/{name}/normalised", gradcam.normalise_heatmap(raw.copy()), "HW")
        given = legacy.read_array(f"fixture/{name}/normalised")
        _write_picture(legacy, out, f"fixture/{name}", FIXTURE_IMAGE, given)
    for kind in KINDS:
        normalised = [gradcam.normalise_heatmap(np.array(raw)) for raw in legacy.read_array(f"float32/{kind}/raw")]
        out.write_array(f"float32/{kind}/normalised", np.stack(normalised), "NHW")
        given = legacy.read_array(f"float32/{kind}/normalised")
        for case in side.workspace.tap_cases(kind):
            image = side.workspace.image(case)[0]
            _write_picture(legacy, out, f"float32/{kind}/{case.index}", image, given[case.index])


def _write_picture(legacy: Recording, out: RecordingWriter, place: str, image: np.ndarray, normalised: np.ndarray) -> None:
    # Asked for each time: planted faults change it in a process that has imported this.
    threshold = inspect.signature(gradcam.generate_gradcam_samples).parameters["mask_thresh"].default
    resized = gradcam.resize_heatmap(np.array(normalised), *image.shape[:2])
    out.write_array(f"{place}/resized", resized, "HW")
    mask = np.array(legacy.read_array(f"{place}/resized"))
    out.write_array(f"{place}/overlay", gradcam.merge_image_mask(image, mask, mask_thresh=threshold), "HWC")
