"""Which image, with which label, in which split and order; counts, patients, class weights."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from legacy_tf import utils
from parity.artefact import RecordingWriter
from parity.sides.legacy import LegacySide


def record(side: LegacySide, out: RecordingWriter) -> None:
    root = Path(side.spec.data)
    table = utils.get_dataframe(root / "data.csv", side.spec.resolution, f"{root / 'images'}/")
    patients = {Path(path).name: str(number) for path, number in zip(table.image_path, table.patient_id, strict=True)}
    generators, class_names = side.make_generators()
    for split, made in generators.items():
        names = [Path(path).name for path in made.images]
        out.write_value(
            split,
            {
                "images": names,
                "labels": [int(label) for label in made.labels],
                "patients": [patients[name] for name in names],
                "batches": [len(made.images[i : i + made.batch_size]) for i in range(0, len(names), made.batch_size)],
                "length": len(made),
            },
        )
    out.write_value("classes", [str(name) for name in class_names])
    random.seed(17)
    generators["train"][0]
    out.write_value("order_after_item_0", [Path(path).name for path in generators["train"].images])
    weights = utils.compute_weights(generators["train"])
    out.write_array("class_weights", np.array([weights[label] for label in sorted(weights)], np.float64), "K")
