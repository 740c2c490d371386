"""False alarms: the correct port on other weights, other images and other conditions of the legacy."""

from __future__ import annotations

import csv
import random
import shutil
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from parity.contract import PROFILES, SPLITS
from parity.dataset import read_dataset
from parity.faults.lines import Worker, WorkerError
from parity.faults.results import Results
from parity.faults.runs import PORT_WORKER, Base, place_of, suite_gates
from parity.pipeline import Options, make_spec, prepare
from parity.processes import Listener
from parity.verdict import GateResult, Verdict, worst
from parity.workspace import Workspace

LEGACY_WORKER = "parity.faults.legacy_worker"
TRIES = 1000


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A run of the correct port that must end with a certain verdict.

    Attributes:
        id: Its name.
        sentence: What is unusual about it.
        seed: Of the weights and of the split; None takes the checkpoint and the split of the suite.
        factor: What the logits of the checkpoint are multiplied by.
        environment: Variables that the legacy's process is started with.
        expected: Verdict.
    """

    id: str
    sentence: str
    seed: int | None = None
    factor: float = 1.0
    environment: Mapping[str, str] = field(default_factory=dict)
    expected: Verdict = Verdict.PASS


CLEAN_RUNS = tuple(
    Probe(id=f"clean_{seed:02d}", sentence=f"weights, patients and images of seed {seed}", seed=seed) for seed in range(1, 21)
)
PROBES = (
    Probe(id="legacy_without_onednn", sentence="TensorFlow runs without oneDNN.", environment={"TF_ENABLE_ONEDNN_OPTS": "0"}),
    Probe(id="saturated_probe", sentence="The checkpoint is all too sure: its logits are five times as large.", factor=5.0),
    Probe(
        id="dead_gradcam_maps",
        sentence="The checkpoint is so sure that its probabilities are exactly 1 and its Grad-CAM maps dead.",
        factor=1e5,
        expected=Verdict.INCONCLUSIVE,
    ),
)


def record_probes(
    base: Base, folder: Path, probes: Sequence[Probe], threads: int, results: Results, listen: Listener
) -> list[dict[str, Any]]:
    """Run every probe that has no result yet: the legacy's side of one while the port's side of another is recorded."""
    left = [probe for probe in probes if results.read(f"clean/{probe.id}") is None]
    with ThreadPoolExecutor(1) as ahead, _Sides(base, folder, threads) as sides:
        prepared: dict[str, Future[Path]] = {probe.id: ahead.submit(sides.prepare, probe) for probe in left[:1]}

        def make(probe: Probe) -> dict[str, Any]:
            following = left[left.index(probe) + 1 :]
            run = prepared.pop(probe.id)
            error, path = run.exception(), folder / probe.id
            prepared.update({other.id: ahead.submit(sides.prepare, other) for other in following[:1]})
            row = sides.record(probe, path) if error is None else _row(probe, [], reason=str(error))
            shutil.rmtree(path, ignore_errors=True)
            return row

        rows = []
        for done, probe in enumerate(probes, start=1):
            rows.append(results.find(f"clean/{probe.id}", partial(make, probe)))
            listen({"side": "faults", "step": "run the correct port", "done": done, "of": len(probes)})
        return rows


class _Sides:
    """The warm processes of both sides."""

    def __init__(self, base: Base, folder: Path, threads: int) -> None:
        self.base = base
        self.folder = folder
        self.threads = threads
        self._workers: dict[str, Worker] = {}

    def __enter__(self) -> _Sides:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers.values():
            worker.close()

    def _worker(self, side: str, module: str, environment: Mapping[str, str]) -> Worker:
        name = f"{side} {environment}"
        if name not in self._workers:
            log = self.folder.parent / "log" / f"clean {side}.txt"
            self._workers[name] = Worker(side, module, log, self.threads, environment)
        return self._workers[name]

    def prepare(self, probe: Probe) -> Path:
        """Make the checkpoint of a probe and record the legacy's side."""
        path = self.folder / probe.id
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        known = Workspace(self.base.run).spec
        data, checkpoint, split = Path(known.data), Path(known.checkpoint), known.split
        worker = self._worker("legacy", LEGACY_WORKER, probe.environment)
        if probe.seed is not None:
            checkpoint, split = path / "checkpoint.h5", str(path / "split.csv")
            write_split(data / "data.csv", Path(split), probe.seed)
            scale = PROFILES["probe"].image_scale
            worker.ask("fit", data=str(data), split=split, image_scale=scale, seed=probe.seed, target=str(checkpoint))
        elif probe.factor != 1.0:
            checkpoint = path / "checkpoint.h5"
            worker.ask("sharpen", source=known.checkpoint, target=str(checkpoint), factor=probe.factor)
        options = Options(profile="probe", device="cpu", split=split, gates=suite_gates(), out=path)
        workspace = Workspace(path)
        prepare(workspace, make_spec(options, data, read_dataset(data, options.resolution), checkpoint), options)
        worker.ask("record", run=str(path))
        return path

    def record(self, probe: Probe, run: Path) -> dict[str, Any]:
        """Record the port's side, compare, and return what came of it."""
        start = time.monotonic()
        try:
            worker = self._worker("port", PORT_WORKER, {})
            worker.ask("begin", run=str(run), fault=None, convert=True)
            for gate in suite_gates():
                worker.ask("record", gate=gate)
            worker.ask("end")
        except WorkerError as error:
            return _row(probe, [], reason=str(error))
        results = [self.base.compare(gate, run) for gate in suite_gates()]
        return {**_row(probe, results), "seconds": round(time.monotonic() - start, 1)}


def _row(probe: Probe, results: Sequence[GateResult], reason: str = "") -> dict[str, Any]:
    verdict = worst(result.verdict for result in results)
    others = [result for result in results if result.verdict is not Verdict.PASS]
    return {
        "id": probe.id,
        "sentence": probe.sentence,
        "clean": probe in CLEAN_RUNS,
        "verdict": verdict.value,
        "expected": probe.expected.value,
        "as_expected": verdict is probe.expected,
        "gates": {result.gate: result.verdict.value for result in others},
        "place": next((place_of(result) for result in others if result.verdict is Verdict.FAIL), reason),
        "seconds": None,
    }


def write_split(table: Path, target: Path, seed: int) -> None:
    """Write a random split by patient in which every split has every class.

    Args:
        table: ``data.csv``.
        target: File to write.
        seed: Of the split.
    """
    classes: dict[str, set[str]] = defaultdict(set)
    with table.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["resolution"] == "20x":
                classes[row["patient_id"]].add(row["superclass"])
    every = set().union(*classes.values())
    rng = random.Random(seed)
    for _ in range(TRIES):
        chosen = {patient: rng.choices(SPLITS, (3, 1, 1))[0] for patient in classes}
        if all(set().union(*(classes[p] for p, name in chosen.items() if name == split)) == every for split in SPLITS):
            break
    rows = [("patient_id", "split"), *chosen.items()]
    target.write_text("".join(f"{patient},{split}\n" for patient, split in rows), encoding="utf-8")
