"""Which image, with which label, in which split and order; counts, patients, class weights."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np

from parity.artefact import RecordingWriter
from parity.sides.port import PortSide
from torch_port import data


def record(side: PortSide, out: RecordingWriter) -> None:
    root = Path(side.spec.data)
    table = data.get_dataframe(root / "data.csv", side.spec.resolution, root / "images")
    patients = {Path(path).name: str(number) for path, number in zip(table.image_path, table.patient_id, strict=True)}
    loaders, class_names = side.make_loaders(epoch_order="legacy")
    for split, loader in loaders.items():
        names = [Path(path).name for path in loader.dataset.images]
        out.write_value(
            split,
            {
                "images": names,
                "labels": [int(label) for label in loader.dataset.labels],
                "patients": [patients[name] for name in names],
                "batches": _batch_lengths(loader),
                "length": len(loader),
            },
        )
    out.write_value("classes", [str(name) for name in class_names])
    weights = data.compute_weights(loaders["train"])
    out.write_array("class_weights", np.array([weights[label] for label in sorted(weights)], np.float64), "K")
    train = side.make_loaders(epoch_order="legacy")[0]["train"]
    random.seed(17)
    next(iter(train.batch_sampler))
    names = [Path(path).name for path in train.dataset.images]
    out.write_value("order_after_item_0", [names[row] for row in train.batch_sampler.order])


def _batch_lengths(loader: Any) -> list[int]:
    return [len(rows) for rows in loader.batch_sampler]
