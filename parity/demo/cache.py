"""The embedded demo, made once: cohort and checkpoint, kept under a key of everything they come from."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from parity.artefact import hash_file
from parity.demo.cohort import COHORT_VERSION, make_cohort
from parity.processes import Listener, run_side
from parity.reuse import LOCKS, PACKAGES, hash_files
from parity.workspace import PROJECT

DEMO_FOLDER = PROJECT / ".cache" / "demo"
SEED = 17
CHECKPOINT = "legacy.h5"


def cache_folder() -> Path:
    """Return the folder of the demo for this code, seed and lock."""
    made_by = ("cohort", "drawing", "checkpoint", "training", "settling")
    code = [PROJECT / "parity" / "demo" / f"{name}.py" for name in made_by]
    code += (PROJECT / PACKAGES["legacy"]).rglob("*.py")
    locks = [hash_file(PROJECT / LOCKS[side]) for side in ("legacy", "core")]
    key = f"{COHORT_VERSION} {SEED} {hash_files(code)} {locks}"
    return DEMO_FOLDER / hashlib.sha256(key.encode()).hexdigest()[:16]


def demo_dataset(listen: Listener) -> Path:
    """Return the folder of the synthetic cohort, drawn if it is not there."""
    folder = cache_folder() / "lung"
    if not folder.is_dir():
        partial = folder.with_name(f"lung.{os.getpid()}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        make_cohort(
            partial,
            SEED,
            progress=lambda done, of: listen({"side": "core", "step": "demo: draw tissue", "done": done, "of": of}),
        )
        partial.rename(folder)
    return folder


def demo_checkpoint(listen: Listener) -> Path:
    """Return the checkpoint that the legacy pipeline trained on the cohort, trained if it is not there."""
    data = demo_dataset(listen)
    checkpoint = data.with_name(CHECKPOINT)
    if not checkpoint.is_file():
        partial = data.with_name("partial.h5")
        arguments = [
            "-m",
            "parity.demo.checkpoint",
            "train",
            "--data",
            str(data),
            "--out",
            str(partial),
            "--seed",
            str(SEED),
        ]

        def relay(message: dict[str, object]) -> None:
            if "done" in message:  # the last line is the result, which the run judges for itself
                listen({**message, "side": "legacy", "step": f"demo: {message['step']}"})

        run_side("legacy", arguments, log=data.with_name("training.txt"), listen=relay)
        partial.rename(checkpoint)
    return checkpoint
