"""The whole suite: the correct port, every fault, clean runs, and the smallest fault that each gate sees."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from parity.artefact import hash_file, read_recording
from parity.dataset import read_dataset
from parity.demo.cache import DEMO, make_checkpoint, make_dataset
from parity.errors import bad_input
from parity.evaluation import evaluated
from parity.faults.choice import BASE, LOG, Choice, check_choice
from parity.faults.clean import CLEAN_RUNS, PROBES, run_probe
from parity.faults.fault import Fault
from parity.faults.pool import Pool, Workers
from parity.faults.power import PROBES as POWER
from parity.faults.power import find_smallest
from parity.faults.results import Results
from parity.faults.runs import Base, run_fault, suite_gates, trace_port
from parity.faults.scorecard import hash_code, make_scorecard
from parity.files import write_whole
from parity.imports import files_of_a_script
from parity.lines import WorkerError
from parity.pipeline import DEMO as DEMO_CHECKPOINT
from parity.pipeline import GATES_FILE, Options, check_options, make_spec, prepare, record_side
from parity.processes import Listener
from parity.tolerance import read_gates_file
from parity.verdict import worst
from parity.workspace import PROJECT, Workspace

# Of each split: with eight, classes are unbalanced, and the demo's checkpoint takes some images for another class.
IMAGES = 8


def run_suite(choice: Choice, listen: Listener, source: tuple[Path, Path] | None = None) -> dict[str, Any]:
    """Run what was chosen and return the scorecard, which is also written to the folder.

    Args:
        choice: What.
        listen: Told of the progress.
        source: Data folder and checkpoint; None: those of the choice.

    Raises:
        BadInputError: Something of it is unknown or does not fit the code, or a side cannot be recorded.
    """
    faults = check_choice(choice)
    start = time.monotonic()
    suite = open_suite(choice, faults, listen, source)
    pool = Pool(
        processes=choice.processes, threads=choice.threads, logs=choice.out / "log", limit_s=choice.limit_s,
        results=Results(choice.out / "results", suite.key), listen=listen,
    )  # fmt: skip
    rows = pool.run(
        "plant faults",
        {f"faults/{fault.stage}/{fault.id}": partial(run_fault, suite.base, fault, choice.words(fault.id)) for fault in faults},
    )
    clean, power = [], []
    if choice.whole:
        power = pool.run(
            "find the smallest fault of each gate",
            {f"power/{gate}": partial(find_smallest, suite.base, gate) for gate in POWER},
        )
        folder = choice.out / "clean"
        clean = pool.run(
            "run the correct port",
            {f"clean/{probe.id}": partial(run_probe, suite.base, folder, probe) for probe in (*CLEAN_RUNS, *PROBES)},
        )
    scorecard = make_scorecard(
        correct=suite.correct,
        rows=rows,
        clean=clean,
        power=power,
        code=suite.code,
        whole=choice.whole,
        elapsed_s=time.monotonic() - start,
        gates=choice.gates,
    )
    write_whole(choice.out / "scorecard.json", json.dumps(scorecard, indent=1) + "\n")
    return scorecard


@dataclass(frozen=True, kw_only=True)
class Suite:
    """What a suite is held against.

    Attributes:
        base: The recorded legacy and the correct port.
        code: Hash of the code, as it was before anything was run: what is edited meanwhile must not be credited with it.
        key: Of everything that results depend on.
        correct: The correct port's verdicts, and what each gate runs of it.
    """

    base: Base
    code: str
    key: str
    correct: Mapping[str, Any]


def open_suite(choice: Choice, faults: Sequence[Fault], listen: Listener, source: tuple[Path, Path] | None = None) -> Suite:
    """Fit all faults, then record the legacy and trace the correct port, or take what is current.

    Raises:
        BadInputError: A fault does not fit the code, or a side cannot be recorded.
    """
    with Workers(choice.out / LOG, os.cpu_count() or 1, choice.limit_s) as workers:
        refuse_unfit(choice, faults, workers)
        base = prepare_base(choice, listen, source)
        code = hash_code()
        key = hash_everything(base.run, code)
        results = Results(choice.out / "results", key)
        correct = results.find("correct port", lambda: _correct_port(base, workers))
    base.touched = {gate: frozenset(names) for gate, names in correct["touched"].items()}
    return Suite(base=base, code=code, key=key + hash_choice(choice), correct=correct)


def refuse_unfit(choice: Choice, faults: Sequence[Fault], workers: Workers) -> None:
    """Plant every fault in a port of its own and take it out again, before anything is recorded.

    Raises:
        BadInputError: Some do not fit the code; all of them are named.
    """
    asked = [choice.words(fault.id) for fault in faults]
    if choice.whole:
        asked += [{"id": gate, "amount": 2.0**-10} for gate in POWER]
    try:
        unfit = workers.get("port").ask("fit", faults=asked)["unfit"]
    except WorkerError as error:
        raise bad_input("faults", "be planted", str(error), "the port's process", f"see {choice.out / LOG}") from error
    if unfit:
        named = "".join(f"\n  {id}: {reason}" for id, reason in unfit.items())
        place = str(choice.file or "parity/faults")
        raise bad_input("faults", "fit the code", f"{len(unfit)} that do not", place, f"adapt them, none was planted:{named}")


def prepare_base(choice: Choice, listen: Listener, source: tuple[Path, Path] | None = None) -> Base:
    """Record the legacy in the probe profile, its own command too, or take what is current.

    Raises:
        BadInputError: The data or the checkpoint cannot be used.
    """
    options = Options(
        profile="probe", images=IMAGES, device="cpu", gates=suite_gates(), out=choice.out / BASE,
        data=choice.data, checkpoint=choice.checkpoint, image_scale=choice.image_scale,
    )  # fmt: skip
    check_options(options)
    data = choice.data.resolve() if choice.data else source[0] if source else make_dataset(DEMO, listen)
    given = choice.checkpoint != DEMO_CHECKPOINT
    checkpoint = Path(choice.checkpoint).resolve() if given else source[1] if source else make_checkpoint(DEMO, listen)
    gates_file = read_gates_file(GATES_FILE)
    spec = make_spec(options, data, read_dataset(data, options.resolution), checkpoint, gates_file)
    workspace = Workspace(options.folder)
    with workspace.lock():
        prepare(workspace, spec)
        record_side(workspace, "legacy", listen)
        with evaluated(workspace, "legacy", listen):
            pass
    return Base(run=workspace.folder, work=choice.out / "work", gates_file=gates_file, gates=choice.gates, file=choice.file)


def hash_everything(run: Path, code: str) -> str:
    """Return one hash over the code, the options of the run, and what the legacy recorded and its own command wrote."""
    workspace = Workspace(run)
    options = {name: value for name, value in workspace.spec.to_dict().items() if name not in ("data", "checkpoint")}
    recordings = [read_recording(path).digest for path in sorted((run / "legacy").glob("*")) if path.name in suite_gates()]
    written = [hash_file(path) for path in sorted(workspace.evaluation_output("legacy").glob("*.[cj]s*"))]
    return hash_text(json.dumps([code, options, workspace.inputs.digest, recordings, written], sort_keys=True))


def hash_choice(choice: Choice) -> str:
    """Return what results depend on beside the base: a file of one's own with all that it imports, and the gates."""
    files = sorted(files_of_a_script(choice.file.resolve(), PROJECT)) if choice.file else []
    parts = [[str(path), hash_file(path)] for path in files]
    return "+" + hash_text(json.dumps([parts, choice.gates])) if parts or choice.gates else ""


def hash_text(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _correct_port(base: Base, workers: Workers) -> dict[str, Any]:
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
