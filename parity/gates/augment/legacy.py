"""The legacy's training pipeline: its results for given random numbers, its transforms one by one, and what it draws."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np

from legacy_tf import datasets
from parity.artefact import RecordingWriter, hash_array
from parity.gates.augment.contract import (
    COUNTED_DRAWS,
    DRAWS,
    FIXTURE,
    SHOWN_DRAWS,
    STEP,
    STREAM_IMAGES,
    DrawnParameters,
    apply_cases,
)
from parity.sides.legacy import LegacySide


def record(side: LegacySide, out: RecordingWriter) -> None:
    generator = side.make_generators()[0]["train"]
    _record_draws(side, out, generator)
    hashes = {}
    for case, result in apply_cases(generator.augment, imageio.imread(side.workspace.fixtures / FIXTURE)):
        hashes[case] = hash_array(result)
        out.write_array(f"transform/{case}", result[::STEP, ::STEP], "HWC")
    out.write_value("transforms", hashes)
    drawn = DrawnParameters(generator.augment)
    random.seed(17)
    for _ in range(COUNTED_DRAWS):
        drawn(image=None)
    drawn.write(out)
    spec = side.spec
    few, _ = datasets.make_generators(spec.data, spec.resolution, spec.split, spec.image_scale, images=STREAM_IMAGES)
    out.write_value("stream_images", len(few["train"].images))


def _record_draws(side: LegacySide, out: RecordingWriter, generator: Any) -> None:
    hashes = {}
    for draw in side.track(range(DRAWS[side.spec.profile]), "augment"):
        path = generator.images[draw % len(generator.images)]
        random.seed(draw)
        np.random.seed(draw)  # noqa: NPY002
        image = generator.augment(image=imageio.imread(path))["image"]
        hashes[f"draw {draw}"] = [Path(path).name, hash_array(image)]
        if draw < SHOWN_DRAWS:
            out.write_array(f"image/{draw}", image, "HWC")
    out.write_value("draws", hashes)
    out.write_value("files", [str(path) for path in generator.images])
