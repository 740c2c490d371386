"""Where a run keeps what: one folder, one writer at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from parity.artefact import ArtefactError, Recording, read_recording
from parity.contract import KINDS, RunSpec
from parity.errors import BadInputError, bad_input
from parity.files import made_folder, refuse_place, remove

PROJECT = Path(__file__).resolve().parent.parent
EVALUATION_ERROR = "error.txt"
LOCK = ".lock"
# What a run writes before anything is recorded; one that is refused takes it away again.
_BEGUN = ("spec.json", "gates.sha256", "golden.sha256", "benchmark.json", "witness.csv", "fixtures", "weights", "log", LOCK)
_RECORDED = ("inputs", "legacy")
_UNPACKED = (*_RECORDED, "data", "tensors", "signed")  # of a golden bundle: that is no recording of this run


@dataclass(frozen=True)
class Case:
    """One image of a run, as the legacy pipeline handed it out.

    Attributes:
        image: File name without its folder.
        path: Where the file is.
        kind: ``evaluation`` or ``augmented``.
        index: Position among the cases of its kind.
        batch: Number of the stored batch, and `row` its place in it.
        label: Index of the class.
    """

    image: str
    path: str
    kind: str
    index: int
    split: str
    label: int
    batch: int
    row: int

    @property
    def name(self) -> str:
        return f"{self.kind} image {self.index} ({self.image})"


@dataclass(frozen=True)
class Workspace:
    """The folder of a run."""

    folder: Path

    @property
    def spec_path(self) -> Path:
        return self.folder / "spec.json"

    @property
    def legacy_weights(self) -> Path:
        return self.folder / "weights" / "legacy.npz"

    @property
    def port_weights(self) -> Path:
        return self.folder / "weights" / "port.safetensors"

    @property
    def refusal(self) -> Path:
        """What the port's converter said, where it could not take the legacy's weights."""
        return self.folder / "weights" / "refusal.txt"

    @property
    def fixtures(self) -> Path:
        return self.folder / "fixtures"

    @property
    def benchmark(self) -> Path:
        """The benchmark of the same code, taken up when the run began."""
        return self.folder / "benchmark.json"

    @property
    def witness(self) -> Path:
        """The users' own predictions, where they were given."""
        return self.folder / "witness.csv"

    @property
    def bundle(self) -> Path:
        """Hash of the golden bundle, where the legacy's side is not recorded but taken from one."""
        return self.folder / "golden.sha256"

    @property
    def signed(self) -> Path:
        """What the legacy predicted for every image in the run that was signed, where a golden bundle has it."""
        return self.folder / "signed"

    @property
    def signed_answers(self) -> Path:
        """Folder of what the port answers for those images now, where it was asked again."""
        return self.signed / "port"

    @property
    def limits(self) -> Path:
        """Hash of the limits that the run began with."""
        return self.folder / "gates.sha256"

    @property
    def report(self) -> Path:
        return self.folder / "report"

    @property
    def previous_report(self) -> Path:
        """The report of an earlier run, until the new one is whole."""
        return self.folder / "report.previous"

    def gate_fixtures(self, gate: str) -> Path:
        """Folder of what only this gate is given."""
        return self.fixtures / gate

    def recording_folder(self, side: str, gate: str) -> Path:
        return self.folder / side / gate

    def recording(self, side: str, gate: str) -> Recording:
        """Open what `side` recorded for `gate` in this run.

        Raises:
            ArtefactError: There is nothing whole, or it is left from a run with other gates.
        """
        if gate not in self.spec.recorded_gates:
            raise ArtefactError(f"{gate} is not recorded in this run")
        return read_recording(self.recording_folder(side, gate))

    def evaluation_output(self, side: str) -> Path:
        """Folder that the side's own ``evaluate`` command writes; it holds `EVALUATION_ERROR` where that failed."""
        return self.folder / side / "evaluate"

    @cached_property
    def spec(self) -> RunSpec:
        return RunSpec.read_json(self.spec_path)

    @property
    def inputs_folder(self) -> Path:
        return self.folder / "inputs"

    @cached_property
    def inputs(self) -> Recording:
        """The bytes that both sides are fed, made once by the legacy pipeline."""
        return read_recording(self.inputs_folder)

    @cached_property
    def fixture_paths(self) -> tuple[Path, ...]:
        return tuple(sorted(self.fixtures.glob("*.jpg")))

    def cases(self, kind: str) -> tuple[Case, ...]:
        """Return the images of one kind, in the order in which the legacy pipeline handed them out."""
        return tuple(Case(**row) for row in self.inputs.values["cases"][kind])

    @property
    def all_cases(self) -> tuple[Case, ...]:
        return tuple(case for kind in KINDS for case in self.cases(kind))

    def tap_cases(self, kind: str) -> tuple[Case, ...]:
        """Return the images whose block outputs are compared: balanced over classes, in order."""
        return balanced(self.cases(kind), self.spec.tap_images)

    def image(self, case: Case) -> np.ndarray:
        """Return the stored network input of one image, (1, H, W, C) float32 in [0, 1]."""
        batch = self.inputs.read_array(f"{case.kind}/batch{case.batch:04d}/images")
        return np.array(batch[case.row : case.row + 1])

    def batches(self, kind: str) -> Iterator[np.ndarray]:
        """Yield the stored batches of one kind, (N, H, W, C) float32 in [0, 1], memory-mapped."""
        for number in range(self.inputs.values["batches"][kind]):
            yield self.inputs.read_array(f"{kind}/batch{number:04d}/images")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for one run. A run that is refused before anything is recorded leaves no new folder behind.

        Raises:
            BadInputError: Another run holds it.
        """
        refuse_place(self.folder)
        is_new = not self.folder.is_dir() or not any(self.folder.iterdir())
        with made_folder(self.folder), self._held():
            try:
                yield
            except BadInputError as error:
                # What a side that stopped has said last is in its log, which the message names.
                if is_new and str(self.folder / "log") not in str(error):
                    self._take_away()
                raise

    def _take_away(self) -> None:
        unpacked = self.bundle.is_file()
        recorded = ("port", "report", "report.previous", *(() if unpacked else _RECORDED))
        if not any((self.folder / name).exists() for name in recorded):
            for name in (*_BEGUN, *(_UNPACKED if unpacked else ())):
                remove(self.folder / name)

    @contextmanager
    def _held(self) -> Iterator[None]:
        with (self.folder / LOCK).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise bad_input(
                    "--out", "be a folder that no other run uses", str(self.folder), "the command line",
                    "wait for that run or choose another folder",
                ) from error  # fmt: skip
            yield


def balanced(cases: tuple[Case, ...], count: int) -> tuple[Case, ...]:
    """Return `count` cases, going round the classes, in their original order."""
    queues = {label: [case for case in cases if case.label == label] for label in sorted({c.label for c in cases})}
    taken: list[Case] = []
    while len(taken) < min(count, len(cases)):
        for queue in queues.values():
            if queue and len(taken) < count:
                taken.append(queue.pop(0))
    return tuple(sorted(taken, key=lambda case: case.index))


def to_json(case: Case) -> dict[str, Any]:
    """Return a case as the manifest of the inputs keeps it."""
    return dict(vars(case))
