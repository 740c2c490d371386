"""The inputs of a run, made once by the legacy pipeline and stored as bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from legacy_tf import datasets, export
from parity.artefact import RecordingWriter, hash_file
from parity.contract import PROFILES
from parity.recorder import track
from parity.workspace import Case, to_json


def record_inputs(side: Any, key: str) -> None:
    """Record evaluation and augmented batches, and the weights as an npz beside them."""
    workspace = side.workspace
    workspace.legacy_weights.parent.mkdir(exist_ok=True)
    export.export_checkpoint(workspace.spec.checkpoint, workspace.legacy_weights)
    with RecordingWriter(workspace.inputs_folder, key=key) as out:
        # Before the training generator is read, which reshuffles its images.
        evaluation = [(split, _evaluation_generator(side, split)) for split in workspace.spec.splits]
        limit = PROFILES[workspace.spec.profile].augmented_batches
        train = side.generators["train"]
        counts = {
            "evaluation": [(split, generator, len(generator)) for split, generator in evaluation],
            "augmented": [("train", train, min(limit or len(train), len(train)))],
        }
        cases = {kind: _write_batches(out, kind, sources) for kind, sources in counts.items()}
        out.write_value("cases", cases)
        out.write_value("batches", {kind: sum(n for *_, n in sources) for kind, sources in counts.items()})
        out.write_value("weights_sha256", hash_file(workspace.legacy_weights))


def _evaluation_generator(side: Any, split: str) -> Any:
    made = side.generators[split]
    return datasets.evaluation_generator(made, side.spec.image_scale) if split == "train" else made


def _write_batches(out: RecordingWriter, kind: str, sources: list[tuple[str, Any, int]]) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = []
    jobs = [(split, generator, number) for split, generator, count in sources for number in range(count)]
    for batch, (split, generator, number) in enumerate(track(jobs, "legacy", f"inputs: {kind}")):
        images, labels = generator[number]
        start = number * generator.batch_size
        paths = [str(path) for path in generator.images[start : start + len(images)]]
        out.write_array(f"{kind}/batch{batch:04d}/images", images, "NHWC")
        out.write_array(f"{kind}/batch{batch:04d}/labels", labels, "NK")
        for row, (path, label) in enumerate(zip(paths, labels.argmax(axis=1).tolist(), strict=True)):
            case = Case(Path(path).name, path, kind, len(cases), split, label, batch, row)
            cases.append(to_json(case))
    return cases
