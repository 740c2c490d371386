"""When a recording may be used again: only if everything it came from is the same."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from parity.artefact import ArtefactError, hash_file, read_recording
from parity.imports import imported_files
from parity.workspace import PROJECT, Workspace

PACKAGES = {"legacy": "legacy_tf", "port": "torch_port"}
LOCKS = {"legacy": "requirements-tf.txt", "port": "requirements-torch.txt", "core": "requirements-core.txt"}
CUDA_LOCK = "requirements-tf-cuda.txt"  # what a machine with a GPU installs for the legacy
CUDA_PACKAGE = "nvidia-cudnn-cu12"  # of it alone
RECORDER = "parity.recorder"  # what it imports by name, besides: the side, and the gate's own module
_FLAG_PREFIXES = ("TF_", "XLA_", "OMP_", "MKL_", "ONEDNN_", "DNNL_", "CUDA_", "CUBLAS_", "TORCH_", "NVIDIA_")


def hash_files(paths: Iterable[Path]) -> str:
    """Return one hash over the names and bytes of files below the project."""
    listing = {str(path.relative_to(PROJECT)): hash_file(path) for path in sorted(paths)}
    return hashlib.sha256(json.dumps(listing, sort_keys=True).encode()).hexdigest()


def hash_package(package: str) -> str:
    """Return one hash over the Python files of a package of the project."""
    return hash_files((PROJECT / package).rglob("*.py"))


def installed_versions() -> dict[str, str]:
    """Return every distribution that is installed in this environment."""
    found = {str(item.metadata["Name"]).lower(): item.version for item in distributions()}
    return dict(sorted(found.items()))


# As the process was started: frameworks set variables and extend the search path when they are imported.
FLAGS = {name: value for name, value in os.environ.items() if name.startswith(_FLAG_PREFIXES)}
INSTALLED = installed_versions()


def find_lock(side: str) -> str:
    """Return the lock that this process's environment, that of `side`, was made from."""
    return CUDA_LOCK if side == "legacy" and CUDA_PACKAGE in INSTALLED else LOCKS[side]


@cache
def hash_code(side: str, gate: str) -> str:
    """Return one hash over the code that records a gate, as it was when this process first asked.

    That is the side's whole package, and what of the project the gate's recorder imports.
    """
    recorders = (RECORDER, f"parity.sides.{side}", f"parity.gates.{gate}.{side}")
    return hash_files({*(PROJECT / PACKAGES[side]).rglob("*.py"), *imported_files(PROJECT, *recorders)})


def recording_key(side: str, gate: str, workspace: Workspace, *, depends: Mapping[str, str]) -> str:
    """Return what a recording depends on, as one hash.

    Args:
        side: ``legacy`` or ``port``.
        gate: Gate, or ``inputs``.
        workspace: The run; its options count, except which gates were asked for and, for the legacy, the port's architecture.
        depends: Digests of other recordings that this one reads.
    """
    own = workspace.gate_fixtures(gate)
    fixtures = {path.name: path for path in workspace.fixture_paths}
    fixtures |= {path.relative_to(own).as_posix(): path for path in sorted(own.rglob("*")) if path.is_file()}
    ignored = {"gates"} if side == "port" else {"gates", "arch"}
    options = {name: value for name, value in workspace.spec.to_dict().items() if name not in ignored}
    parts = {
        "code": hash_code(side, gate),
        "lock": hash_file(PROJECT / find_lock(side)),
        "versions": INSTALLED,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "flags": FLAGS,
        "options": options,
        "fixtures": {name: hash_file(path) for name, path in fixtures.items()},
        "depends": dict(depends),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def is_current(folder: Path, key: str) -> bool:
    """Return whether `folder` holds a whole recording made from `key`."""
    try:
        recording = read_recording(folder)
    except ArtefactError:
        return False
    if "error" in recording.values:  # what raised once, out of memory for example, is tried again
        return False
    return recording.key == key and all((folder / entry.file).is_file() for entry in recording.arrays.values())
