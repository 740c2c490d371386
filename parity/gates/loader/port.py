"""Which image, with which label, in which split and order; counts, patients, class weights; what an epoch asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from parity.artefact import RecordingWriter
from parity.gates.loader.contract import DEFAULT_EPOCHS, DEFAULT_SEED, TRACE_EPOCHS, TRACE_IMAGES, TRACED, Augment, Trace
from parity.sides.port import PortSide
from parity.sides.port_epochs import Watch, make_image, train_over
from torch_port import data


def record(side: PortSide, out: RecordingWriter) -> None:
    root = Path(side.spec.data)
    table = data.get_dataframe(root / "data.csv", side.spec.resolution, root / "images")
    patients = {Path(path).name: str(number) for path, number in zip(table.image_path, table.patient_id, strict=True)}
    loaders, class_names = side.make_loaders()
    for split, loader in loaders.items():
        names = [Path(path).name for path in loader.dataset.images]
        out.write_value(
            split,
            {
                "images": names,
                "labels": [int(label) for label in loader.dataset.labels],
                "patients": [patients[name] for name in names],
                "batches": [len(rows) for rows in loader.batch_sampler],
                "length": len(loader),
            },
        )
    out.write_value("classes", [str(name) for name in class_names])
    weights = data.compute_weights(loaders["train"])
    out.write_array("class_weights", np.array([weights[label] for label in sorted(weights)], np.float64), "K")
    _record_trace(side, out)


def _record_trace(side: PortSide, out: RecordingWriter) -> None:
    """Record what a training in the legacy order asks for, and what one in the default order does."""
    loaders = _traced_loaders(side, epoch_order="legacy")
    out.write_value("trace_files", {split: list(_files(loaders[split].dataset)) for split in TRACED})
    trace = Trace()
    levels: dict[str, np.ndarray] = {}
    for split in TRACED:
        dataset = loaders[split].dataset
        for path in dataset.images:
            image = data.read_image(path)
            trace.know(Path(path).name, image)
            levels |= {path: image} if split == "train" else {}
        dataset.augment = _seen(trace.watch(dataset.augment))
    watch = Watch(
        on_epoch=lambda number: trace.begin(f"epoch {number + 1}"),
        on_batch=lambda batch: trace.arrive(batch[1].cpu()),
        on_validation=lambda number: trace.begin(f"validation {number + 1}"),
        on_validated=lambda batch: trace.arrive(batch[1].cpu()),
        on_end=trace.end,
    )
    raised = train_over(side, loaders["train"], watch, epochs=TRACE_EPOCHS, validation=loaders["val"])
    out.write_value("untraced", raised)
    for name, table in trace.tables().items():
        out.write_value(name, table)
    _record_permutation(side, out, trace.names, levels)


def _seen(augment: Augment) -> Augment:
    """Return an augmentation that gives the head its own image."""

    def augmented(image: np.ndarray) -> dict[str, Any]:
        augment(image=image)
        return {"image": make_image()}

    return augmented


def _record_permutation(side: PortSide, out: RecordingWriter, names: dict[str, str], levels: dict[str, np.ndarray]) -> None:
    """Record what a training in the default order reads, and what the sampler gives for the same epochs."""
    sampled, trained = Trace(names), Trace(names)
    loader = _watched_loader(side, sampled)
    for number in range(DEFAULT_EPOCHS):
        loader.batch_sampler.sampler.set_epoch(number)
        sampled.follow(f"epoch {number}", loader)
    out.write_value("sampled", sampled.by_name())
    loader = _watched_loader(side, trained)
    loader.dataset.read = levels.__getitem__  # they have been read twice
    watch = Watch(
        on_epoch=lambda number: trained.begin(f"epoch {number}"), on_batch=lambda batch: trained.arrive(batch[1].cpu())
    )
    raised = train_over(side, loader, watch, epochs=DEFAULT_EPOCHS)
    out.write_value("untrained", raised)
    out.write_value("permutation", trained.by_name())


def _watched_loader(side: PortSide, trace: Trace) -> Any:
    loader = _traced_loaders(side, seed=DEFAULT_SEED)["train"]
    loader.dataset.augment = trace.watch(lambda image: {"image": make_image()})
    return loader


def _traced_loaders(side: PortSide, **options: Any) -> dict[str, Any]:
    spec = side.spec
    return data.make_loaders(spec.data, spec.resolution, spec.split, spec.image_scale, images=TRACE_IMAGES, **options)[0]


def _files(dataset: Any) -> Iterator[tuple[str, int]]:
    for path, label in zip(dataset.images, dataset.labels, strict=True):
        yield Path(path).name, int(label)
