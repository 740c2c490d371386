"""Hash of every evaluation image as the port's loader batches it, and of every Grad-CAM input."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from parity.artefact import RecordingWriter, hash_array, permute_axes
from parity.sides.port import PortSide
from torch_port import data, gradcam


def record(side: PortSide, out: RecordingWriter) -> None:
    cases = side.workspace.cases("evaluation")
    taps = side.workspace.tap_cases("evaluation")
    size = (side.spec.height_px, side.spec.width_px)
    batch, gradcam_input = {}, {}
    for case, image in zip(side.track(cases, "preprocess"), _loaded_images(side), strict=True):
        opened = permute_axes(np.asarray(gradcam.get_img_array(case.path, size)), "NCHW", "NHWC")
        key = f"{case.index} {case.image}"
        batch[key], gradcam_input[key] = hash_array(image), hash_array(opened)
        if case in taps:
            out.write_array(f"batch/{case.index}", image, "NHWC")
            out.write_array(f"gradcam_input/{case.index}", opened, "NHWC")
    out.write_value("sha256", {"batch": batch, "gradcam_input": gradcam_input})


def _loaded_images(side: PortSide) -> Iterator[np.ndarray]:
    """Yield what the loaders of the compared splits make of the legacy's files, image by image, in the legacy's axis order.

    Which files are in a split is for the loader gate.
    """
    loaders, _ = side.make_loaders()
    if "train" in side.spec.splits:
        loaders["train"] = data.make_evaluation_loader(loaders["train"], side.spec.image_scale)
    for split in side.spec.splits:
        cases = [case for case in side.workspace.cases("evaluation") if case.split == split]
        dataset = loaders[split].dataset
        dataset.images, dataset.labels = [case.path for case in cases], [case.label for case in cases]
        for images, _labels in loaders[split]:
            for row in permute_axes(images.numpy(), "NCHW", "NHWC"):
                yield row[np.newaxis]
