"""The answer of both sides for every image, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.artefact import ArtefactError
from parity.contract import CLASSES, KINDS
from parity.predictions import read_predictions
from parity.tolerance import Limit
from parity.workspace import EVALUATION_ERROR, Workspace

RAW = "raw"


@dataclass(frozen=True, kw_only=True, eq=False)  # a row is equal to itself alone: an image may come twice
class Row:
    """One image in the ledger.

    Attributes:
        kind: ``evaluation`` and ``augmented`` on the shared bytes, ``raw`` from the files by the two command lines.
        reference: Probabilities of the legacy (K,), `candidate` those of the port.
    """

    image: str
    kind: str
    split: str
    label: int
    reference: np.ndarray
    candidate: np.ndarray

    @property
    def predictions(self) -> tuple[int, int]:
        return int(self.reference.argmax()), int(self.candidate.argmax())

    @property
    def changed(self) -> bool:
        return self.predictions[0] != self.predictions[1]

    @property
    def margins(self) -> tuple[float, float]:
        """Distance between the two largest probabilities on each side."""
        return margin(self.reference), margin(self.candidate)

    @property
    def difference(self) -> float:
        """Largest difference between a probability of the two sides."""
        return float(np.abs(self.reference - self.candidate).max())

    def to_dict(self, *, tie: bool) -> dict[str, Any]:
        reference, candidate = self.predictions
        return {
            "image": self.image,
            "kind": self.kind,
            "split": self.split,
            "label": CLASSES[self.label],
            "reference": {"prediction": CLASSES[reference], "probabilities": [float(p) for p in self.reference]},
            "candidate": {"prediction": CLASSES[candidate], "probabilities": [float(p) for p in self.candidate]},
            "margin": list(self.margins),
            "changed": self.changed,
            "tie": tie,
            "difference": self.difference,
        }


def margin(probabilities: np.ndarray) -> float:
    """Return the distance between the two largest values."""
    second, first = np.sort(probabilities)[-2:]
    return float(first - second)


def read_shared_rows(workspace: Workspace) -> list[Row]:
    """Return the rows of the shared bytes, from what the inference gate recorded in float32."""
    sides = [workspace.recording(side, "inference") for side in ("legacy", "port")]
    rows: list[Row] = []
    for kind in KINDS:
        reference, candidate = (side.read_array(f"float32/{kind}/probabilities") for side in sides)
        cases = workspace.cases(kind)
        for side, array in (("legacy", reference), ("port", candidate)):
            if array.shape != (len(cases), len(CLASSES)) or not np.isfinite(array).all():
                raise ArtefactError(f"{side}: probabilities of the {kind} images are not one finite row for each image")
        for case, a, b in zip(cases, reference, candidate, strict=True):
            rows.append(Row(image=case.image, kind=kind, split=case.split, label=case.label, reference=a, candidate=b))
    return rows


def read_raw_rows(workspace: Workspace) -> list[Row]:
    """Return the rows of the two ``evaluate`` commands, joined by file name; images of one side only are left out."""
    refused = workspace.evaluation_output("port") / EVALUATION_ERROR
    if refused.is_file():
        raise ArtefactError(f"the port's evaluate command failed: {refused.read_text(encoding='utf-8')}")
    reference, candidate = (
        read_predictions(workspace.evaluation_output(side) / "predictions.csv") for side in ("legacy", "port")
    )
    return [
        Row(
            image=case.image,
            kind=RAW,
            split=case.split,
            label=case.label,
            reference=np.array(reference[case.image]),
            candidate=np.array(candidate[case.image]),
        )
        for case in workspace.cases("evaluation")
        if case.image in reference and case.image in candidate
    ]


def group(rows: list[Row]) -> Iterator[tuple[str, str, list[Row]]]:
    """Yield the rows of each kind and split, in order."""
    keys: Mapping[tuple[str, str], None] = dict.fromkeys((row.kind, row.split) for row in rows)
    for kind, split in keys:
        yield kind, split, [row for row in rows if (row.kind, row.split) == (kind, split)]


def probability_error(rows: list[Row]) -> float:
    """Return the largest difference between a probability of the two sides."""
    return max((row.difference for row in rows), default=0.0)


def find_ties(rows: list[Row], limit: Limit) -> set[Row]:
    """Return the rows of one kind whose decision changed and whose margins are both within the largest probability difference.

    Such a flip means nothing, as long as that difference is noise: not past `limit`.
    """
    error = probability_error(rows)
    return {row for row in rows if row.changed and max(row.margins) <= error} if error < limit.value else set()
