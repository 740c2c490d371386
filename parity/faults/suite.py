"""The whole suite: the correct port, every fault, clean runs, and the smallest fault that each gate sees."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from parity.artefact import hash_file
from parity.dataset import read_dataset
from parity.demo.cache import DEMO, make_checkpoint, make_dataset
from parity.errors import bad_input
from parity.faults.catalogue import all_faults, read_faults
from parity.faults.clean import CLEAN_RUNS, PROBES, run_probe
from parity.faults.fault import Fault
from parity.faults.pool import Pool, Workers
from parity.faults.power import PROBES as POWER
from parity.faults.power import find_smallest
from parity.faults.results import Results
from parity.faults.runs import Base, run_fault, suite_gates, trace_port
from parity.faults.scorecard import FOLDER, hash_code, make_scorecard
from parity.files import write_whole
from parity.lines import WorkerError
from parity.ownership import is_run, is_unused, refuse_results
from parity.pipeline import GATES_FILE, Options, make_spec, prepare, record_side
from parity.processes import Listener
from parity.tolerance import read_gates_file
from parity.verdict import worst
from parity.workspace import Workspace

# Of each split: with eight, classes are unbalanced, and the demo's checkpoint takes some images for another class.
IMAGES = 8
BASE = "base"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The words of the command line. Without `only`, `stages`, `tiers` and `file` the suite is whole."""

    only: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    file: Path | None = None
    jobs: int = 0
    out: Path = FOLDER

    @property
    def whole(self) -> bool:
        return not (self.only or self.stages or self.tiers or self.file)

    @property
    def processes(self) -> int:
        """Warm processes at a time; left out, one for each core, at most four."""
        return self.jobs or min(4, os.cpu_count() or 1)

    @property
    def threads(self) -> int:
        """Threads of each process."""
        return max(1, (os.cpu_count() or 1) // self.processes)

    def faults(self) -> list[Fault]:
        """Return the chosen faults, in their order."""
        return [
            fault
            for fault in (read_faults(self.file) if self.file else all_faults())
            if (not self.only or fault.id in self.only)
            and (not self.stages or fault.stage in self.stages)
            and (not self.tiers or fault.tier.value in self.tiers)
        ]


def run_suite(choice: Choice, listen: Listener, source: tuple[Path, Path] | None = None) -> dict[str, Any]:
    """Run what was chosen and return the scorecard, which is also written to the folder.

    Args:
        choice: What.
        listen: Told of the progress.
        source: Data folder and checkpoint; None: the demo.

    Raises:
        BadInputError: Something of it is unknown, or a side cannot be recorded.
    """
    faults = check_choice(choice)
    start = time.monotonic()
    base = prepare_base(choice, listen, source or (make_dataset(DEMO, listen), make_checkpoint(DEMO, listen)))
    code = hash_code()  # before anything is run: code that is edited meanwhile must not be credited with it
    key = hash_everything(base.run, code)
    correct = Results(choice.out / "results", key).find("correct port", lambda: _correct_port(base, choice.out / "log"))
    base.touched = {gate: frozenset(names) for gate, names in correct["touched"].items()}
    results = Results(choice.out / "results", f"{key}+{hash_file(choice.file)}" if choice.file else key)
    pool = Pool(
        processes=choice.processes, threads=choice.threads, logs=choice.out / "log", results=results, listen=listen
    )  # fmt: skip
    file = {"file": str(choice.file)} if choice.file else {}
    rows = pool.run(
        "plant faults",
        {f"faults/{fault.stage}/{fault.id}": partial(run_fault, base, fault, {"id": fault.id, **file}) for fault in faults},
    )
    clean, power = [], []
    if choice.whole:
        power = pool.run(
            "find the smallest fault of each gate", {f"power/{gate}": partial(find_smallest, base, gate) for gate in POWER}
        )
        probes = (*CLEAN_RUNS, *PROBES)
        folder = choice.out / "clean"
        clean = pool.run(
            "run the correct port", {f"clean/{probe.id}": partial(run_probe, base, folder, probe) for probe in probes}
        )
    scorecard = make_scorecard(
        correct=correct,
        rows=rows,
        clean=clean,
        power=power,
        code=code,
        whole=choice.whole,
        elapsed_s=time.monotonic() - start,
    )
    write_whole(choice.out / "scorecard.json", json.dumps(scorecard, indent=1) + "\n")
    return scorecard


def check_choice(choice: Choice) -> list[Fault]:
    """Return the chosen faults, if there are some and the folder is new, empty, or that of an earlier suite.

    Raises:
        BadInputError: It is not so, or the folder cannot be written.
    """
    faults, folder, base = choice.faults(), choice.out, choice.out / BASE
    if not faults:
        raise bad_input("faults", "be some", "none", "--only, --stage and --tier", "choose those that exist together")
    only_begun = folder.is_dir() and {path.name for path in folder.iterdir()} == {BASE} and is_unused(base)
    refuse_results(folder, base / "spec.json", is_run(base) or only_begun, made_by="nox -s faults")
    return faults


def prepare_base(choice: Choice, listen: Listener, source: tuple[Path, Path]) -> Base:
    """Record the legacy in the probe profile, or take what is current."""
    data, checkpoint = source
    options = Options(profile="probe", images=IMAGES, device="cpu", gates=suite_gates(), out=choice.out / BASE)
    gates_file = read_gates_file(GATES_FILE)
    spec = make_spec(options, data, read_dataset(data, options.resolution), checkpoint, gates_file)
    workspace = Workspace(options.folder)
    with workspace.lock():
        prepare(workspace, spec)
        record_side(workspace, "legacy", listen)
    return Base(run=workspace.folder, work=choice.out / "work", gates_file=gates_file)


def hash_everything(run: Path, code: str) -> str:
    """Return one hash over the code and what the legacy recorded."""
    recorded = [Workspace(run).recording("legacy", gate).digest for gate in suite_gates()]
    return "+".join([code, *(digest[:16] for digest in recorded)])


def _correct_port(base: Base, logs: Path) -> dict[str, Any]:
    with Workers(logs, os.cpu_count() or 1) as workers:
        try:
            results, touched = trace_port(base, workers.get("port"))
        except WorkerError as error:
            return {"verdict": "NOT_RUN", "gates": {}, "touched": {}, "reason": str(error)}
    verdict = worst(result.verdict for result in results)
    return {
        "verdict": verdict.value,
        "gates": {result.gate: result.verdict.value for result in results},
        "touched": {gate: sorted(names) for gate, names in touched.items()},
    }
