"""Grad-CAM of every image, of every class of some, and what the ``gradcam`` command writes."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from legacy_tf import gradcam
from legacy_tf.__main__ import main
from parity.architecture import GRADCAM_LEGACY_LAYER
from parity.artefact import RecordingWriter
from parity.command_line import flatten, run_command
from parity.contract import CLASSES, DTYPES, KINDS
from parity.gates.gradcam.contract import FIXTURE_IMAGE, FIXTURE_MAPS, class_cases, command_cases, command_options
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
            if dtype == "float64":
                _write_classes(side, out, model)
    with side.without_determinism(), TemporaryDirectory() as folder:
        options = command_options(side.name, side.workspace, side.spec.checkpoint, Path(folder))
        run_command(main, ["gradcam", *flatten({**options, "--precision": "float32"})])
        _write_command(side, out, Path(folder))


def _write_classes(side: LegacySide, out: RecordingWriter, model: Any) -> None:
    """Write the maps of every class: of images of the run, and of what the command reads."""
    explain = tf.function(partial(_explain, model))
    size = (side.spec.height_px, side.spec.width_px)
    inputs = {
        "evaluation": [side.workspace.image(case) for case in class_cases(side.workspace)],
        "command": [gradcam.get_img_array(case.path, size) for case in command_cases(side.workspace)],
    }
    for kind, images in inputs.items():
        maps = [
            [explain(tf.constant(image, "float64"), tf.constant(k)).numpy() for k in range(len(CLASSES))] for image in images
        ]
        out.write_array(f"float64/classes/{kind}", np.array(maps), "NKHW")


def _write_command(side: LegacySide, out: RecordingWriter, folder: Path) -> None:
    """Write what the command has written, in the order of the contract, and the classes that it explains."""
    cases = command_cases(side.workspace)
    stems = [Path(case.image).stem for case in cases]
    out.write_value("command/images", sorted(path.stem for path in folder.glob("*.png")))
    files = [np.load(folder / f"{stem}.npz") for stem in stems]
    for step, axes in (("raw", "NHW"), ("resized", "NHW")):
        out.write_array(f"command/{step}", np.stack([file[step] for file in files]), axes)
    overlays = [np.asarray(Image.open(folder / f"{stem}.png")) for stem in stems]
    out.write_array("command/overlay", np.stack(overlays), "NHWC")
    size = (side.spec.height_px, side.spec.width_px)
    with side.precision("float32") as model:
        answers = [side.predict(model, gradcam.get_img_array(case.path, size))[0] for case in cases]
    out.write_value("command/predicted", [int(answer.argmax()) for answer in answers])


def _normalise(raw: Iterable[np.ndarray]) -> list[np.ndarray]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return [np.asarray(gradcam.normalise_heatmap(heatmap)) for heatmap in raw]


def _explain(model: Any, image: tf.Tensor, index: tf.Tensor | None = None) -> tf.Tensor:
    return gradcam.raw_gradcam_heatmap(image, model, GRADCAM_LEGACY_LAYER, index)


def _write_pictures(side: LegacySide, out: RecordingWriter, kind: str, raw: np.ndarray) -> None:
    normalised = _normalise(raw)
    out.write_array(f"float32/{kind}/normalised", np.stack(normalised), "NHW")
    for case in side.workspace.tap_cases(kind):
        _write_picture(out, f"float32/{kind}/{case.index}", side.workspace.image(case)[0], normalised[case.index])


def _write_picture(out: RecordingWriter, place: str, image: np.ndarray, normalised: np.ndarray) -> None:
    resized = gradcam.resize_heatmap(normalised, *image.shape[:2])
    out.write_array(f"{place}/resized", resized, "HW")
    out.write_array(f"{place}/overlay", gradcam.merge_image_mask(image, resized, mask_thresh=MASK_THRESHOLD), "HWC")
