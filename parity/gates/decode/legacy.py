"""Hash of the decoded pixels of every file, read by the legacy generator with its augmentation taken out."""

from __future__ import annotations

from typing import Any

import numpy as np

from legacy_tf.generator import CustomDataGenerator
from parity.artefact import RecordingWriter, hash_array
from parity.contract import CLASSES
from parity.sides.legacy import LegacySide


def record(side: LegacySide, out: RecordingWriter) -> None:
    paths = {case.image: case.path for case in side.workspace.all_cases}
    paths |= {f"fixture {path.name}": str(path) for path in side.workspace.fixture_paths}
    hashes = {name: hash_array(_decode(path)) for name, path in side.track(list(paths.items()), "decode")}
    out.write_value("sha256", hashes)


def _decode(path: str) -> np.ndarray:
    made = CustomDataGenerator(np.array([path]), np.array([0]), len(CLASSES), _unchanged, 1, shuffle_epoch=False)
    return made[0][0][0]


def _unchanged(image: Any) -> dict[str, Any]:
    return {"image": image}
