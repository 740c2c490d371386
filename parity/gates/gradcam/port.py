"""Grad-CAM of every image, of every class of some; each step on the legacy's maps; and what the ``gradcam`` command writes."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image

from parity.architecture import GRADCAM_PORT_LAYER
from parity.artefact import Recording, RecordingWriter
from parity.command_line import flatten, run_command
from parity.contract import CLASSES, DTYPES, KINDS
from parity.gates.gradcam.contract import FIXTURE_IMAGE, FIXTURE_MAPS, class_cases, command_cases, command_options
from parity.sides.port import PortSide
from parity.sides.port_predict import run_predict
from parity.workspace import Case
from torch_port import gradcam
from torch_port.__main__ import main
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
    _write_classes(side, out)
    with TemporaryDirectory(dir=side.workspace.folder) as folder:
        options = command_options(side.name, side.workspace, side.workspace.port_weights, Path(folder))
        run_command(main, ["gradcam", *flatten(options)])
        _write_command(side, out, Path(folder))
    with TemporaryDirectory(dir=side.workspace.folder) as folder:
        _write_predict(side, out, Path(folder))


def _write_predict(side: PortSide, out: RecordingWriter, folder: Path) -> None:
    """Write what ``predict`` makes of the same files with maps asked for, in the order of the contract."""
    cases, maps = command_cases(side.workspace), folder / "maps"
    code, rows = run_predict(side, cases, folder, maps)
    paths = {case.image: maps / f"{Path(case.image).stem}.npz" for case in cases}
    written = {image: np.load(path) for image, path in paths.items() if path.is_file()}
    out.write_value("predict/exit_code", code)
    out.write_value("predict/rows", rows)
    out.write_value("predict/predicted", {image: int(arrays["predicted"]) for image, arrays in written.items()})
    out.write_value("predict/overlays", sorted(path.stem for path in maps.glob("*.png")))
    if written:
        out.write_array("predict/raw", np.stack([arrays["raw"] for arrays in written.values()]), "NHW")


def _write_classes(side: PortSide, out: RecordingWriter) -> None:
    """Write the maps of every class: of images of the run, and of what the command reads."""
    network, size = side.model("float64"), (side.spec.height_px, side.spec.width_px)
    inputs = {
        "evaluation": [side.tensor(side.workspace.image(case), "float64") for case in class_cases(side.workspace)],
        "command": [
            gradcam.get_img_array(case.path, size, dtype=torch.float64).to(side.device)  # as Keras divides in this precision
            for case in command_cases(side.workspace)
        ],
    }
    for kind, images in inputs.items():
        maps = [
            [gradcam.raw_gradcam_heatmap(image, network, GRADCAM_PORT_LAYER, k) for k in range(len(CLASSES))]
            for image in images
        ]
        out.write_array(f"float64/classes/{kind}", np.array(maps), "NKHW")


def _write_command(side: PortSide, out: RecordingWriter, folder: Path) -> None:
    """Write what the command has written, in its own order, and the maps at the size of the overlays."""
    overlays = sorted(folder.glob("*.png"))
    with np.load(folder / "raw_maps.npz") as maps:
        raw, images, predicted = (maps[name] for name in ("raw", "image", "predicted"))
    out.write_value("command/images", [Path(str(name)).stem for name in images])
    out.write_value("command/overlays", [path.stem.partition("_")[2] for path in overlays])
    out.write_value("command/predicted", [int(index) for index in predicted])
    out.write_array("command/raw", raw, "NHW")
    size = (side.spec.height_px, side.spec.width_px)
    resized = [gradcam.resize_heatmap(gradcam.normalise_heatmap(heatmap), *size) for heatmap in raw]
    out.write_array("command/resized", np.stack(resized), "NHW")
    out.write_array("command/overlay", np.stack([np.asarray(Image.open(path)) for path in overlays]), "NHWC")


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
