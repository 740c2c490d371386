"""What a reader needs to repeat a run: command, hashes, versions, hardware."""

from __future__ import annotations

import os
import platform
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.artefact import ArtefactError, hash_file
from parity.clock import Clock
from parity.contract import RunSpec
from parity.demo.cache import DEMO
from parity.reuse import INSTALLED, LOCKS, PACKAGES, hash_package
from parity.tolerance import GatesFile
from parity.workspace import PROJECT, Workspace

CODE = (*PACKAGES.values(), "parity", "benchmarks")
SHOWN_PACKAGES = (
    "tensorflow", "keras", "torch", "torchvision", "captum", "torchmetrics", "albumentations", "opencv-python-headless",
    "numpy", "scikit-learn", "pillow", "imageio", "safetensors", "h5py",
)  # fmt: skip


def describe_run(workspace: Workspace, gates_file: GatesFile, clock: Clock) -> dict[str, Any]:
    """Return the ``run`` part of report.json."""
    spec = workspace.spec
    counts = Counter(case.split for case in workspace.cases("evaluation"))
    return {
        "id": workspace.folder.name,
        "profile": spec.profile,
        "command": guard_words(spec) if workspace.bundle.is_file() else command_words(spec),
        "demo": is_demo(spec.data) or is_demo(spec.checkpoint),
        "started": clock.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "elapsed_s": round(sum(clock.seconds.values()), 1),
        "host": {
            "system": platform.platform(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "memory_gb": memory_gb(),
            "gpu": "NVIDIA" if shutil.which("nvidia-smi") else "none",
        },
        # A golden bundle is made on a CPU.
        "devices": {"legacy": "cpu" if workspace.bundle.is_file() else spec.device, "port": spec.device},
        "data": {
            "folder": spec.data,
            "sha256": spec.data_sha256,
            "images": len(workspace.cases("evaluation")),
            "resolution": spec.resolution,
            "split": spec.split,
            "splits": list(spec.splits),
            "image_scale": spec.image_scale,
            "counts": {**counts, "augmented": len(workspace.cases("augmented"))},
        },
        "checkpoint": {"path": spec.checkpoint, "sha256": spec.checkpoint_sha256},
        "arch": spec.arch,
        "code": {name: hash_package(name) for name in CODE if (PROJECT / name).is_dir()},
        "environments": _environments(workspace),
        "gates_toml": gates_file.sha256,
        "witness": {"sha256": hash_file(workspace.witness)} if workspace.witness.is_file() else None,
    }


def memory_gb() -> float:
    """Return the memory of this machine."""
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)


def is_demo(path: str) -> bool:
    """Return whether a path is part of the embedded demo."""
    return DEMO.folder in Path(path).parents


def guard_words(spec: RunSpec) -> list[str]:
    """Return the command that repeats a guard's run."""
    return ["nox", "-s", "guard", *(["--", "--device", spec.device] if spec.device != "cpu" else [])]


def command_words(spec: RunSpec) -> list[str]:
    """Return the command that repeats the run."""
    options = {
        "--data": None if is_demo(spec.data) else spec.data,
        "--checkpoint": None if is_demo(spec.checkpoint) else spec.checkpoint,
        "--resolution": spec.resolution,
        "--split": spec.split,
        "--splits": ",".join(spec.splits),
        "--image-scale": spec.image_scale,
        "--images": spec.images,
        "--profile": spec.profile,
        "--arch": spec.arch,
        "--device": spec.device,
    }
    words = [str(word) for option, value in options.items() if value is not None for word in (option, value)]
    return ["nox", "-s", "parity", "--", *words]


def _environments(workspace: Workspace) -> dict[str, Any]:
    found: dict[str, Any] = {
        "core": {
            "python": platform.python_version(),
            "lock": hash_file(PROJECT / LOCKS["core"]),
            "packages": _shown(INSTALLED),
        }
    }
    for side in ("legacy", "port"):
        try:
            values = workspace.recording(side, "numerics").values
            installed, flags = values["installed"], {**values["flags"], **values["environment"]}
        except (ArtefactError, KeyError):
            continue
        found[side] = {**installed, "flags": flags, "packages": _shown(installed["packages"])}
    return found


def _shown(packages: Mapping[str, str]) -> dict[str, str]:
    return {name: packages[name] for name in SHOWN_PACKAGES if name in packages}
