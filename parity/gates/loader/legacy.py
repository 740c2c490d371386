"""Which image, with which label, in which split and order; counts, patients, class weights; what ``fit`` asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
from keras.src.engine import data_adapter

from legacy_tf import datasets, utils
from parity.artefact import RecordingWriter
from parity.gates.loader.contract import TRACE_EPOCHS, TRACE_IMAGES, TRACED, Trace
from parity.sides.legacy import LegacySide


def record(side: LegacySide, out: RecordingWriter) -> None:
    table, _ = datasets.read_images(side.spec.data, side.spec.resolution)
    patients = {Path(path).name: patient for path, patient in zip(table.image_path, table.patient_id, strict=True)}
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
    weights = utils.compute_weights(generators["train"])
    out.write_array("class_weights", np.array([weights[label] for label in sorted(weights)], np.float64), "K")
    _record_trace(side, out)


def _record_trace(side: LegacySide, out: RecordingWriter) -> None:
    """Record what the machinery of ``fit`` asks for: its data handlers, without a model to train."""
    spec = side.spec
    generators, _ = datasets.make_generators(spec.data, spec.resolution, spec.split, spec.image_scale, images=TRACE_IMAGES)
    out.write_value("trace_files", {split: list(_files(generators[split])) for split in TRACED})
    trace = Trace()
    for split in TRACED:
        for path in generators[split].images:
            trace.know(Path(path).name, imageio.imread(path))
        generators[split].augment = trace.watch(generators[split].augment)
    trace.begin("epoch 1")
    training = data_adapter.get_data_handler(x=generators["train"], epochs=TRACE_EPOCHS, shuffle=True, model=None)
    validation = None
    for epoch, batches in training.enumerate_epochs():
        trace.follow(f"epoch {epoch + 1}", _steps(training, batches))
        trace.begin(f"validation {epoch + 1}")
        validation = validation or data_adapter.get_data_handler(x=generators["val"], epochs=1, model=None)
        for _, validation_batches in validation.enumerate_epochs():
            trace.follow(f"validation {epoch + 1}", _steps(validation, validation_batches))
    for name, table in trace.tables().items():
        out.write_value(name, table)


def _steps(handler: Any, batches: Iterator[Any]) -> Iterator[Any]:
    for _ in handler.steps():
        yield next(batches)


def _files(generator: Any) -> Iterator[tuple[str, int]]:
    for path, label in zip(generator.images, generator.labels, strict=True):
        yield Path(path).name, int(label)
