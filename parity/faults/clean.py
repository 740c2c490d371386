"""False alarms: the correct port on other weights, other images and other conditions of the legacy."""

from __future__ import annotations

import random
import shutil
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity.contract import SPLITS
from parity.dataset import read_dataset, read_rows
from parity.errors import bad_input
from parity.faults.pool import Workers
from parity.faults.runs import Base, place_of, suite_gates
from parity.files import write_whole
from parity.lines import Worker, WorkerError
from parity.pipeline import Options, make_spec
from parity.verdict import GateResult, Verdict, worst
from parity.workspace import Workspace

# What these gates are given is injected on both sides: neither weights nor images can change their results.
INJECTED = ("loss", "optimizer", "schedule", "commands", "metrics")
TRIES = 1000


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A run of the correct port that must end with a certain verdict.

    Attributes:
        id: Its name.
        sentence: What is unusual about it.
        seed: Of a split by patient; None takes the split of the suite.
        change: How the checkpoint of the suite is changed: a request of the legacy's worker, and its words.
        environment: Variables that the legacy's process is started with.
        expected: Verdict.
    """

    id: str
    sentence: str
    seed: int | None = None
    change: tuple[str, Mapping[str, Any]] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    expected: Verdict = Verdict.PASS

    @property
    def gates(self) -> tuple[str, ...]:
        """Gates to record: under other conditions all, of other weights or images those that they can change."""
        return suite_gates() if self.environment else tuple(gate for gate in suite_gates() if gate not in INJECTED)


CLEAN_RUNS = tuple(
    Probe(
        id=f"clean_{seed:02d}",
        sentence=f"weights, patients and images of seed {seed}",
        seed=seed,
        change=("shake", {"seed": seed}),
    )
    for seed in range(1, 21)
)
PROBES = (
    Probe(id="legacy_without_onednn", sentence="TensorFlow runs without oneDNN.", environment={"TF_ENABLE_ONEDNN_OPTS": "0"}),
    Probe(
        id="saturated_probe",
        sentence="The checkpoint is all too sure: its logits are twice as large.",
        change=("sharpen", {"factor": 2.0}),
    ),
    Probe(
        id="dead_gradcam_maps",
        sentence="Many Grad-CAM maps have nothing positive.",
        change=("deaden", {"seed": 17}),
    ),
    Probe(
        id="silent_gradcam_layer",
        sentence="The layer that Grad-CAM looks at gives nothing but zeros.",
        change=("silence", {}),
        expected=Verdict.INCONCLUSIVE,
    ),
)


def run_probe(base: Base, folder: Path, probe: Probe, workers: Workers) -> dict[str, Any]:
    """Record both sides of a probe, compare, and return what came of it.

    Args:
        base: The suite's run, whose data and checkpoint serve where the probe has none of its own.
        folder: For the run.
        probe: What to run.
        workers: Warm processes.
    """
    start = time.monotonic()
    run = folder / probe.id
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    try:
        _record_legacy(base, probe, run, workers.get("legacy", probe.environment))
        port = workers.get("port")
        port.ask("begin", run=str(run), fault=None, convert=True)
        for gate in probe.gates:
            port.ask("record", gate=gate)
        port.ask("end")
        row = _row(probe, [base.compare(gate, run) for gate in probe.gates])
    except WorkerError as error:
        row = _row(probe, [], reason=str(error))
    finally:
        shutil.rmtree(run, ignore_errors=True)
    return {**row, "seconds": round(time.monotonic() - start, 1)}


def _record_legacy(base: Base, probe: Probe, run: Path, worker: Worker) -> None:
    """Make the checkpoint and the split of a probe, and record the legacy's side."""
    known = Workspace(base.run).spec
    data, checkpoint, split = Path(known.data), Path(known.checkpoint), known.split
    if probe.seed is not None:
        split = str(run / "split.csv")
        write_split(data / "data.csv", Path(split), probe.seed)
    if probe.change is not None:
        checkpoint = run / "checkpoint.h5"
        request, words = probe.change
        worker.ask(request, source=known.checkpoint, target=str(checkpoint), **words)
    options = Options(profile="probe", device="cpu", split=split, gates=probe.gates, out=run)
    spec = make_spec(options, data, read_dataset(data, options.resolution), checkpoint, base.gates_file)
    spec.write_json(Workspace(run).spec_path)
    (run / "fixtures").symlink_to(base.run / "fixtures")
    worker.ask("record", run=str(run))


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
    }


def write_split(table: Path, target: Path, seed: int) -> None:
    """Write a random split by patient in which every split has every class.

    Args:
        table: ``data.csv``.
        target: File to write.
        seed: Of the split.

    Raises:
        BadInputError: There are too few patients.
    """
    classes: dict[str, set[str]] = defaultdict(set)
    for row in read_rows(table):
        if row["resolution"] == "20x":
            classes[row["patient_id"]].add(row["superclass"])
    every = set().union(*classes.values())
    rng = random.Random(seed)
    for _ in range(TRIES):
        chosen = {patient: rng.choices(SPLITS, (3, 1, 1))[0] for patient in classes}
        if all(set().union(*(classes[p] for p, name in chosen.items() if name == split)) == every for split in SPLITS):
            break
    else:
        must = f"have patients enough to give each split all of {', '.join(sorted(every))}"
        raise bad_input("data.csv", must, f"{len(classes)} patients", str(table), "add some")
    rows = [("patient_id", "split"), *chosen.items()]
    write_whole(target, "".join(f"{patient},{split}\n" for patient, split in rows))
