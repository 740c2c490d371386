"""The sides' own ``evaluate`` commands, as a user would give them, on the raw files."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from parity.command_line import CANNOT_WRITE, flatten
from parity.contract import RunSpec
from parity.errors import BadInputError, LostSideError
from parity.files import write_whole
from parity.processes import Listener, run_side
from parity.reuse import PACKAGES, hash_package
from parity.workspace import EVALUATION_ERROR, Workspace

PRECISION = {"legacy": "float32", "port": "32-true"}  # like with like: on a GPU TensorFlow's own default is TF32
EVALUATED_GATES = {"freeze", "decisions"}  # they read what the commands write


@contextmanager
def evaluated(workspace: Workspace, side: str, listen: Listener) -> Iterator[None]:
    """Run the side's own ``evaluate`` beside the block, if a gate reads what it writes; it is done when the block ends."""
    current = Workspace(workspace.folder)
    with ThreadPoolExecutor(1) as pool:
        task = pool.submit(_evaluate, current, side, listen) if EVALUATED_GATES & set(current.spec.gates) else None
        if task is not None and current.spec.device != "cpu":
            task.result()  # one process at a time has the memory of a GPU
        yield
        if task is not None:
            task.result()


def _evaluate(workspace: Workspace, side: str, listen: Listener) -> None:
    """Run the side's own ``evaluate`` on the raw files, unless its output is current.

    What the legacy refuses is bad input; what the port alone refuses is a finding, left for the gates. A port that was killed
    has refused nothing.
    """
    step = f"{PACKAGES[side]} evaluate"
    listen({"side": side, "step": step, "done": 0, "of": 1})
    out = workspace.evaluation_output(side)
    checkpoint = workspace.spec.checkpoint if side == "legacy" else workspace.port_weights
    command = evaluation_command(side, workspace.spec, checkpoint, out)
    key = _key(workspace, side, command)
    stamp = out / "key.txt"
    if not (stamp.is_file() and stamp.read_text() == key):
        shutil.rmtree(out, ignore_errors=True)
        log = workspace.folder / "log" / f"{side}-evaluate.txt"
        try:
            run_side(side, command, log=log, listen=listen)
            write_whole(stamp, key)
        except BadInputError as error:
            if side == "legacy" or isinstance(error, LostSideError) or CANNOT_WRITE in str(error):
                raise
            write_whole(out / EVALUATION_ERROR, str(error))
    listen({"side": side, "step": step, "done": 1, "of": 1})


def _key(workspace: Workspace, side: str, command: list[str]) -> str:
    """Return what the command's output depends on, as one hash.

    The key of a recording names everything of its side, as it was when that was recorded: code, lock, versions, inputs,
    checkpoint, options. The command itself is run later, with the words that it is given now; where the run's folder is does
    not count.
    """
    words = [word.replace(str(workspace.folder), "RUN") for word in command]
    parts = [workspace.recording(side, "inference").key, hash_package(PACKAGES[side]), words]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def evaluation_command(side: str, spec: RunSpec, checkpoint: str | Path, out: Path) -> list[str]:
    """Return the side's own command as a user would give it."""
    options = data_options(side, spec, checkpoint, out) | {"--precision": PRECISION[side]}
    return ["-m", PACKAGES[side], "evaluate", *map(str, flatten(options))]


def data_options(side: str, spec: RunSpec, checkpoint: str | Path, out: Path) -> dict[str, object]:
    """Return the options of a run that the side's commands have in common."""
    return {
        "--data": spec.data,
        "--checkpoint": checkpoint,
        "--resolution": spec.resolution,
        "--split": spec.split,
        "--splits": ",".join(spec.splits),
        "--image-scale": spec.image_scale,
        "--device": spec.device,
        "--out": out,
        **({"--images": spec.images} if spec.images else {}),
        **({"--arch": spec.arch} if side == "port" else {}),
    }
