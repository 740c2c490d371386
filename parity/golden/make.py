"""The golden bundle: one small run that passed, its legacy side kept so that it needs no legacy to be compared with.

The run is of a synthetic cohort and of a backbone drawn from a seed, so that most of its weights need not be kept; images
travel as bytes. Every large array is reduced (`parity.reduction`), but for what a block of the port is fed with.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.artefact import Recording, RecordingWriter, hash_file
from parity.demo.cache import GUARD, make_checkpoint, make_dataset
from parity.errors import bad_input
from parity.files import write_whole
from parity.gates.decisions.compare import noise_floor
from parity.golden.bundle import pack
from parity.golden.weights import keep_weights
from parity.kernels import specification
from parity.pipeline import Options, run
from parity.processes import Listener
from parity.reduction import SAMPLE, SKETCH
from parity.verdict import Verdict
from parity.workspace import PROJECT, Workspace

PROFILE = "guard"
FOLDER = PROJECT / "runs" / "golden"
TENSORS = "tensors"
PARTS = frozenset(("spec.json", "gates.sha256", "fixtures", "data", "inputs", "legacy", TENSORS, "signed"))
DATA = "{data}"  # stands for the folder of the images, wherever the bundle is unpacked
EVALUATED = ("predictions.csv", "metrics.json")
NOTHING = re.compile(r"(?!)")
# Which arrays of a gate are reduced, and how; all others are kept whole.
REDUCED: Mapping[str, tuple[re.Pattern[str], str]] = {
    "blocks": (re.compile(r"float(32|64)/.*"), SKETCH),
    "inference": (re.compile(r"float(32|64)/(evaluation|augmented)/\d+/.*"), SKETCH),
    "gradients": (re.compile(r"float64/.*"), SKETCH),
    "lockstep": (re.compile(r"float64/(weights|m|v)/.*"), SAMPLE),
}
FED = re.compile(r"blocks/float64/.*")  # the port's next block is fed with these, rounded


def make_bundle(signed: Workspace, target: Path, listen: Listener) -> None:
    """Record the golden run, unless what is there is current, and write the bundle.

    Args:
        signed: The run that is signed off: its predictions of every image go into the bundle.
        target: File to write.
        listen: Called with each progress line.

    Raises:
        BadInputError: The golden run does not pass.
    """
    write_bundle(record_golden_run(listen), signed, target, seed=GUARD.seed)


def write_bundle(golden: Workspace, signed: Workspace, target: Path, *, seed: int) -> None:
    """Write the bundle of a run whose kernels, where they are not kept, come from a seed."""
    folder = golden.folder.with_name(f"{golden.folder.name}.bundle")
    shutil.rmtree(folder, ignore_errors=True)
    _copy_inputs(golden, folder)
    for gate in golden.spec.recorded_gates:
        if gate == "weights":
            keep_weights(golden.recording("legacy", gate), folder / TENSORS, seed)
        elif golden.recording_folder("legacy", gate).is_dir():
            _copy_recording(golden.recording("legacy", gate), folder / "legacy" / gate, golden.spec.data)
    _copy_predictions(signed, folder / signed.signed.name)
    pack(folder, target, {"kernels": specification(seed)})
    shutil.rmtree(folder)


def record_golden_run(listen: Listener) -> Workspace:
    """Return the run that goes into the bundle; it has passed.

    Raises:
        BadInputError: It has not.
    """
    data, checkpoint = make_dataset(GUARD, listen), make_checkpoint(GUARD, listen)
    options = Options(data=data, checkpoint=str(checkpoint), profile=PROFILE, device="cpu", out=FOLDER / "run")
    verdict, report = run(options, listen)
    if verdict is not Verdict.PASS:
        must, remedy = "pass before anything is held against it", "read its report: the port is not what was signed"
        raise bad_input("golden run", must, verdict.value, str(report), remedy)
    return Workspace(options.folder)


def _copy_inputs(golden: Workspace, folder: Path) -> None:
    folder.mkdir(parents=True)
    golden.spec.write_json(folder / golden.spec_path.name)
    shutil.copyfile(golden.limits, folder / golden.limits.name)
    shutil.copytree(golden.fixtures, folder / golden.fixtures.name)
    shutil.copytree(golden.spec.data, folder / "data")
    _copy_recording(golden.inputs, folder / golden.inputs_folder.name, golden.spec.data)
    evaluated = Workspace(folder).evaluation_output("legacy")
    evaluated.mkdir(parents=True)
    for name in EVALUATED:
        shutil.copyfile(golden.evaluation_output("legacy") / name, evaluated / name)


def _copy_recording(recording: Recording, folder: Path, data: str) -> None:
    gate = folder.name
    pattern, how = REDUCED.get(gate, (NOTHING, ""))
    with RecordingWriter(folder, key=recording.key) as out:
        for name, entry in recording.arrays.items():
            array = recording.read_array(name)
            if pattern.fullmatch(name):
                out.write_reduced(name, array, entry.axes, how, rounded=bool(FED.fullmatch(f"{gate}/{name}")))
            else:
                out.write_array(name, array, entry.axes)
        values = json.dumps(dict(recording.values)).replace(json.dumps(data)[1:-1], DATA)
        for name, value in json.loads(values).items():
            out.write_value(name, value)


def _copy_predictions(signed: Workspace, folder: Path) -> None:
    """Keep what the legacy predicts for every image of the users, and what it takes to ask the port again."""
    folder.mkdir()
    spec = signed.spec
    shutil.copyfile(signed.evaluation_output("legacy") / "predictions.csv", folder / "predictions.csv")
    split = Path(spec.split)
    if split.is_absolute():
        shutil.copyfile(split, folder / "split.csv")
    facts: dict[str, Any] = {
        "data_sha256": spec.data_sha256,
        "weights_sha256": hash_file(signed.port_weights),
        "noise_floor": noise_floor(signed),
        "resolution": spec.resolution,
        "split": "split.csv" if split.is_absolute() else spec.split,
        "splits": list(spec.splits),
        "image_scale": spec.image_scale,
    }
    write_whole(folder / "facts.json", json.dumps(facts, indent=1, sort_keys=True))
