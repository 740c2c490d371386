"""A run without a framework: recordings written by hand, as small as the contract allows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from parity.artefact import RecordingWriter
from parity.contract import CLASSES, GATES, RunSpec
from parity.tolerance import GatesFile, read_gates_file
from parity.verdict import GateResult
from parity.workspace import PROJECT, Case, Workspace, to_json

Arrays = dict[str, tuple[np.ndarray, str]]
LABELS = (0, 0, 1, 1, 2, 2)
SPEC = RunSpec(
    data="/data", data_sha256="", checkpoint="/c.h5", checkpoint_sha256="", resolution="20x", split="published",
    split_sha256="", splits=("val", "test"), image_scale=0.08, images=None, profile="probe",
    arch="resnet50v2", device="cpu", gates=tuple(GATES),
)  # fmt: skip


@dataclass
class Side:
    arrays: Arrays = field(default_factory=dict)
    values: dict[str, object] = field(default_factory=dict)


@dataclass
class HandmadeRun:
    """Both sides of one gate; `compare` writes them and asks the gate.

    Attributes:
        predict: What the port recorded of ``predict``, for the gate that reads no recording of its own beside it.
    """

    workspace: Workspace
    gates_file: GatesFile
    legacy: Side = field(default_factory=Side)
    port: Side = field(default_factory=Side)
    predict: Side = field(default_factory=Side)

    def write(self, gate: str) -> None:
        for name, side in (("legacy", self.legacy), ("port", self.port)):
            with RecordingWriter(self.workspace.recording_folder(name, gate), key="key") as out:
                for array_name, (array, axes) in side.arrays.items():
                    out.write_array(array_name, array, axes)
                for value_name, value in side.values.items():
                    out.write_value(value_name, value)

    def both(self, name: str, array: np.ndarray, axes: str) -> None:
        self.legacy.arrays[name] = (array, axes)
        self.port.arrays[name] = (array.copy(), axes)

    def compare(self, gate: str, function: Callable[[Workspace, GatesFile], GateResult]) -> GateResult:
        self.write(gate)
        return function(Workspace(self.workspace.folder), self.gates_file)

    def write_evaluation(self, side: str, rows: Mapping[str, np.ndarray], figures: Mapping[str, object]) -> None:
        folder = self.workspace.evaluation_output(side)
        folder.mkdir(parents=True, exist_ok=True)
        lines = [",".join([image, *(repr(float(value)) for value in row)]) for image, row in rows.items()]
        (folder / "predictions.csv").write_text("\n".join(["image,aca,nor,scc", *lines]) + "\n", encoding="utf-8")
        (folder / "metrics.json").write_text(json.dumps(figures), encoding="utf-8")


@pytest.fixture
def handmade(tmp_path: Path) -> HandmadeRun:
    """Six evaluation images in two splits and six augmented ones, two of each class."""
    workspace = Workspace(tmp_path)
    SPEC.write_json(workspace.spec_path)
    height, width = SPEC.height_px, SPEC.width_px
    with RecordingWriter(tmp_path / "inputs", key="key") as out:
        cases: dict[str, list[dict[str, object]]] = {}
        for kind in ("evaluation", "augmented"):
            splits = ("val", "test") * 3 if kind == "evaluation" else ("train",) * 6
            cases[kind] = [
                to_json(Case(f"{CLASSES[label]}_20x_{i}.jpg", f"/data/{i}.jpg", kind, i, splits[i], label, 0, i))
                for i, label in enumerate(LABELS)
            ]
            out.write_array(f"{kind}/batch0000/images", np.zeros((6, height, width, 3), np.float32), "NHWC")
            out.write_array(f"{kind}/batch0000/labels", np.eye(3, dtype=np.float32)[list(LABELS)], "NK")
        out.write_value("cases", cases)
        out.write_value("batches", {"evaluation": 1, "augmented": 1})
    return HandmadeRun(workspace, read_gates_file(PROJECT / "gates.toml"))


def probabilities(labels: tuple[int, ...] = LABELS, confidence: float = 0.7, seed: int = 17) -> np.ndarray:
    """Return confident, slightly different rows (N, K) whose largest value is at the label."""
    rng = np.random.default_rng(seed)
    rows = np.full((len(labels), 3), (1 - confidence) / 2) + rng.uniform(-0.05, 0.05, (len(labels), 3))
    rows[np.arange(len(labels)), labels] = confidence
    return rows / rows.sum(axis=1, keepdims=True)
