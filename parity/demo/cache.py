"""Synthetic cohorts with their checkpoints, made once and kept under a key of everything they come from."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from parity.artefact import hash_file
from parity.demo.cohort import COHORT_VERSION, IMAGES_PER_SPLIT, JPEG_QUALITY, make_cohort
from parity.imports import imported_files
from parity.processes import Listener, run_side
from parity.reuse import LOCKS, PACKAGES, hash_files
from parity.workspace import PROJECT

CHECKPOINT = "legacy.h5"
COMMAND = "parity.demo.checkpoint"


@dataclass(frozen=True, kw_only=True)
class Synthetic:
    """A cohort and how its checkpoint is made.

    Attributes:
        name: Of its folder, and in the progress.
        seed: Of every random choice.
        images_per_split: How many there are.
        quality: Of the JPEG files.
        command: Of `parity.demo.checkpoint`, with options of its own.
        image_scale: That the checkpoint is made for.
    """

    name: str
    seed: int
    images_per_split: Mapping[str, int]
    quality: int
    command: tuple[str, ...]
    image_scale: float

    @property
    def folder(self) -> Path:
        return PROJECT / ".cache" / self.name


DEMO = Synthetic(
    name="demo", seed=17, images_per_split=IMAGES_PER_SPLIT, quality=JPEG_QUALITY, command=("train",), image_scale=0.25
)
# Small, for it goes into the golden bundle: as many training images as make an epoch of more than one batch.
GUARD = Synthetic(
    name="guard",
    seed=19,
    images_per_split={"train": 12, "val": 3, "test": 3},
    quality=50,
    command=("fit-head", "--last-norm-shift", "2"),
    image_scale=0.08,
)


def cache_folder(which: Synthetic) -> Path:
    """Return where a cohort is for this code and these locks."""
    code = {PROJECT / "parity/demo/cache.py", *imported_files(PROJECT, "parity.demo.cohort", COMMAND)}  # it says the options
    code |= {*(PROJECT / PACKAGES["legacy"]).rglob("*.py")}
    locks = [hash_file(PROJECT / LOCKS[side]) for side in ("legacy", "core")]
    key = f"{COHORT_VERSION} {which} {hash_files(code)} {locks}"
    return which.folder / hashlib.sha256(key.encode()).hexdigest()[:16]


def make_dataset(which: Synthetic, listen: Listener) -> Path:
    """Return the folder of the synthetic cohort, drawn if it is not there."""
    folder = cache_folder(which) / "lung"
    if not folder.is_dir():
        partial = folder.with_name(f"lung.{os.getpid()}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)

        def progress(done: int, of: int) -> None:
            listen({"side": "core", "step": f"{which.name}: draw tissue", "done": done, "of": of})

        try:
            make_cohort(partial, which.seed, which.images_per_split, quality=which.quality, progress=progress)
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder


def make_checkpoint(which: Synthetic, listen: Listener) -> Path:
    """Return the checkpoint that the legacy pipeline makes of the cohort, made if it is not there."""
    data = make_dataset(which, listen)
    checkpoint = data.with_name(CHECKPOINT)
    if not checkpoint.is_file():
        partial = data.with_name("partial.h5")
        options = {"--data": data, "--out": partial, "--seed": which.seed, "--image-scale": which.image_scale}
        words = [str(word) for option in options.items() for word in option]

        def relay(message: dict[str, object]) -> None:
            if "done" in message:  # the last line is the result, which the run judges for itself
                listen({**message, "side": "legacy", "step": f"{which.name}: {message['step']}"})

        arguments = ["-m", COMMAND, *which.command, *words]
        run_side("legacy", arguments, log=data.with_name("training.txt"), listen=relay)
        partial.rename(checkpoint)
    return checkpoint
