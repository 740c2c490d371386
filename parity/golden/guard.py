"""Holds the port against the golden bundle: same gates, limits and verdicts, without TensorFlow and without the legacy."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from parity.artefact import MANIFEST, ArtefactError, hash_file
from parity.clock import Clock
from parity.contract import RunSpec
from parity.dataset import read_dataset
from parity.errors import bad_input
from parity.evaluation import evaluation_command
from parity.files import write_whole
from parity.golden.bundle import take_up, unpack, unpacked
from parity.golden.make import DATA, PARTS, TENSORS
from parity.golden.weights import restore_weights
from parity.ownership import refuse_folder, set_report_aside
from parity.pipeline import GATES_FILE, WAIVERS_FILE, conclude, record_side
from parity.processes import Listener, interpreter, run_side
from parity.signoff.covered import AUTHOR_FILE, GOLDEN
from parity.signoff.envelope import read_digests, read_envelope
from parity.signoff.statement import TEST_RESULT
from parity.tolerance import read_gates_file
from parity.verdict import Verdict
from parity.waivers import read_waivers
from parity.workspace import PROJECT, Workspace

SIGNOFF = PROJECT / "signoff"


@dataclass(frozen=True, kw_only=True)
class GuardOptions:
    """The words of the command line.

    Attributes:
        bundle: The golden bundle.
        data: The users' images, to ask the port again for every answer that the legacy gave; None leaves that out.
        weights: The accepted checkpoint, for `data`.
        out: Folder of the run.
        device: Where the port computes, ``cpu`` or ``cuda``; the bundle is of a CPU.
    """

    bundle: Path = SIGNOFF / "golden.npz"
    data: Path | None = None
    weights: Path = SIGNOFF / "weights.safetensors"
    out: Path = PROJECT / "runs" / "guard"
    device: str = "cpu"


def guard(options: GuardOptions, listen: Listener) -> tuple[Verdict, Path]:
    """Record the port and compare; return the verdict and the folder of the report.

    Raises:
        BadInputError: The bundle, the data or the weights cannot be used.
    """
    workspace, clock = Workspace(options.out.resolve()), Clock()
    gates_file, waivers = read_gates_file(GATES_FILE), read_waivers(WAIVERS_FILE)
    _check_signed(options.bundle)
    interpreter("port")
    refuse_folder(workspace, from_bundle=True)
    with workspace.lock():
        with unpacked(options.bundle, workspace.folder, PARTS) as fresh:
            if options.data is not None:
                _check_question(Workspace(fresh), options.data.resolve(), options.weights.resolve())
            # Everything has been checked: from here on what an earlier run has left is changed.
            set_report_aside(workspace)
            write_whole(workspace.bundle, hash_file(options.bundle))  # before the specification: by both its folder is known
            take_up(fresh, workspace.folder)
        restore(options.bundle, workspace, device=options.device)
        if options.data is not None:
            _ask_again(workspace, options.data.resolve(), options.weights.resolve(), listen)
        clock.lap("bundle")
        record_side(workspace, "port", listen)
        clock.lap("port")
        return conclude(workspace, gates_file, waivers, clock, listen)


def _check_signed(bundle: Path) -> None:
    """Hold a bundle against the statement that lies beside it, where there is one; who signed that is for ``verify``.

    Raises:
        BadInputError: It is another bundle.
    """
    statement = bundle.with_name(Path(AUTHOR_FILE).name)
    if bundle.is_file() and statement.is_file():
        signed = read_digests(read_envelope(statement, TEST_RESULT)[1]).get(GOLDEN)
        if hash_file(bundle) != signed:
            must, found = f"be the one that was signed, of SHA-256 {signed}", hash_file(bundle)
            raise bad_input("golden bundle", must, found, str(bundle), "take that one, or sign the migration off again")


def open_bundle(bundle: Path, workspace: Workspace, *, device: str = "cpu") -> None:
    """Make a run's folder of what a bundle holds, as if the legacy had just been recorded.

    Args:
        bundle: The golden bundle.
        workspace: The run.
        device: Where the port will compute.

    Raises:
        BadInputError: It is no whole bundle, or this environment cannot draw its weights again.
    """
    unpack(bundle, workspace.folder, PARTS)
    restore(bundle, workspace, device=device)


def restore(bundle: Path, workspace: Workspace, *, device: str) -> None:
    """Put this machine's paths and the legacy's weights into what was unpacked.

    Raises:
        BadInputError: As `open_bundle`.
    """
    try:
        _set_place(workspace, str(workspace.folder / "data"), device)
        restore_weights(workspace.folder / TENSORS, workspace)
    except (ArtefactError, KeyError, TypeError, ValueError, AttributeError, OSError, RecursionError) as error:
        found = f"{type(error).__name__}: {error}"
        raise bad_input("golden bundle", "hold a whole run", found, str(bundle), "take the one that was signed") from error
    shutil.rmtree(workspace.signed_answers, ignore_errors=True)  # what the port answers is asked here, or not at all
    write_whole(workspace.bundle, hash_file(bundle))


def _set_place(workspace: Workspace, data: str, device: str) -> None:
    """Put this folder's paths and this run's device in the place of those with which the bundle was made."""
    spec = RunSpec.read_json(workspace.spec_path)
    replace(spec, data=data, checkpoint="golden bundle", device=device).write_json(workspace.spec_path)
    for manifest in workspace.folder.glob(f"*/**/{MANIFEST}"):
        text = manifest.read_text(encoding="utf-8")
        write_whole(manifest, text.replace(DATA, json.dumps(data)[1:-1]))


def _ask_again(workspace: Workspace, data: Path, weights: Path, listen: Listener) -> None:
    """Run the port's ``evaluate`` with the accepted weights on the users' images, for the gate `decisions` to compare."""
    spec, _ = _read_signed(workspace, data)
    log = workspace.folder / "log" / "port-signed.txt"
    run_side("port", evaluation_command("port", spec, weights, workspace.signed_answers), log=log, listen=listen)


def _check_question(workspace: Workspace, data: Path, weights: Path) -> None:
    """Hold weights and images against those of the run that was signed.

    Raises:
        BadInputError: They are others.
    """
    spec, weights_sha256 = _read_signed(workspace, data)
    if not weights.is_file() or hash_file(weights) != weights_sha256:
        found = "another file" if weights.is_file() else "no file"
        must = f"be the accepted checkpoint, of SHA-256 {weights_sha256}"
        raise bad_input("--weights", must, found, str(weights), "take the file that was signed")
    images = read_dataset(data, spec.resolution)
    if images.sha256 != spec.data_sha256:
        must = f"be the data of the run that was signed, of SHA-256 {spec.data_sha256}"
        raise bad_input("--data", must, images.sha256, str(data), "give that folder, or leave --data out")


def _read_signed(workspace: Workspace, data: Path) -> tuple[RunSpec, str]:
    """Return what the run that was signed asked of the images in `data`, and the SHA-256 of its converted weights."""
    path = workspace.signed / "facts.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        split = str(workspace.signed / facts["split"]) if facts["split"].endswith(".csv") else facts["split"]
        asked = {name: facts[name] for name in ("data_sha256", "resolution", "image_scale")}
        spec = replace(workspace.spec, data=str(data), split=split, splits=tuple(facts["splits"]), images=None, **asked)
        return spec, facts["weights_sha256"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        found = f"{type(error).__name__}: {error}"
        raise bad_input("golden bundle", "say what was signed", found, path.name, "leave --data out") from error
