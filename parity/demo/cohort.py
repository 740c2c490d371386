"""The embedded demo's data: a synthetic cohort in the layout of LungHist700, drawn from a seed.

A few images of every split are labelled as one class and drawn as another, so that a classifier that has learnt the
classes gets them wrong: gates on decisions and on Grad-CAM need misclassified images.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parity.demo.drawing import draw_tissue
from parity.errors import BadInputError, bad_input
from parity.files import write_whole
from parity.ownership import refuse_results

# Part of the key under which a demo checkpoint is cached: raise it whenever the images change.
COHORT_VERSION = "2"
CLASSES = ("aca", "nor", "scc")
SUBCLASSES: Mapping[str, tuple[str, ...]] = {
    "aca": ("bd", "md", "pd"),
    "nor": ("",),
    "scc": ("bd", "md", "pd"),
}
RESOLUTION = "20x"
TABLE = "data.csv"
JPEG_QUALITY = 90
# The publication's patient split of the 20x images (generator.get_reproducible_ids of the legacy).
PATIENTS: Mapping[str, tuple[int, ...]] = {
    "train": (
        2,
        3,
        4,
        5,
        7,
        8,
        12,
        14,
        15,
        16,
        17,
        18,
        20,
        21,
        23,
        24,
        25,
        26,
        28,
        29,
        30,
        33,
        36,
        37,
        38,
        39,
        41,
        42,
        45,
    ),
    "val": (1, 6, 27, 32, 44),
    "test": (9, 13, 31, 40),
}
IMAGES_PER_SPLIT: Mapping[str, int] = {"train": 48, "val": 9, "test": 9}
# One image in this many is drawn as another class than its label says.
HARD_EVERY = 9
LOOKALIKE = {"aca": "scc", "scc": "aca", "nor": "aca"}
# A pool of processes costs more than it saves below this many images.
POOL_FROM = 16

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class CohortImage:
    """One image to draw: its row in data.csv, its split, and the class whose looks it has."""

    split: str
    superclass: str
    subclass: str
    image_id: int
    patient_id: int
    drawn_as: str

    @property
    def hard(self) -> bool:
        """Whether it looks like another class than its label says."""
        return self.drawn_as != self.superclass

    @property
    def path(self) -> str:
        """Where it is, relative to the data folder."""
        folder = f"{self.superclass}_{self.subclass}" if self.subclass else self.superclass
        return f"images/{folder}/{folder}_{RESOLUTION}_{self.image_id}.jpg"


Job = tuple[Path, CohortImage, int, int]  # data folder, image, seed, JPEG quality


def plan_cohort(
    images_per_split: Mapping[str, int] = IMAGES_PER_SPLIT,
) -> list[CohortImage]:
    """Lay out the cohort: which patient, class and looks each image has.

    Args:
        images_per_split: Number of images of ``train``, ``val`` and ``test``, each at least 3; classes are balanced.

    Returns:
        The images in the order of data.csv: by class, subclass and image number.

    Raises:
        BadInputError: If a split is missing, unknown, or too small to hold every class.
    """
    if set(images_per_split) != set(PATIENTS) or min(images_per_split.values()) < len(CLASSES):
        expectation = f"give {', '.join(PATIENTS)} at least {len(CLASSES)} images each"
        raise bad_input(
            "images_per_split",
            expectation,
            dict(images_per_split),
            "make_cohort",
            "ask for more images",
        )
    numbers: dict[tuple[str, str], int] = {}
    planned = []
    for split, count in images_per_split.items():
        for superclass, subclass, patient, drawn_as in _plan_split(split, count):
            number = numbers[superclass, subclass] = numbers.get((superclass, subclass), 0) + 1
            planned.append(
                CohortImage(
                    split=split,
                    superclass=superclass,
                    subclass=subclass,
                    image_id=number,
                    patient_id=patient,
                    drawn_as=drawn_as,
                )
            )
    return sorted(planned, key=lambda image: (image.superclass, image.subclass, image.image_id))


def _plan_split(split: str, count: int) -> Iterator[tuple[str, str, int, str]]:
    """Yield class, subclass, patient and looks of each image of one split."""
    hard_total = count // HARD_EVERY
    for position, superclass in enumerate(CLASSES):
        images = len(range(position, count, len(CLASSES)))
        hard = len(range(position, hard_total, len(CLASSES)))
        own = PATIENTS[split][position :: len(CLASSES)]
        for i in range(images):
            # As in the real data set, some patients have images of two classes: the last image goes to a neighbour.
            shared = i == images - 1 and i >= len(own)
            patient = PATIENTS[split][(position + 1) % len(CLASSES)] if shared else own[i % len(own)]
            drawn_as = LOOKALIKE[superclass] if i in range(1, 1 + hard) else superclass
            subclasses = SUBCLASSES[superclass]
            yield superclass, subclasses[i % len(subclasses)], patient, drawn_as


def make_cohort(
    folder: Path,
    seed: int = 17,
    images_per_split: Mapping[str, int] = IMAGES_PER_SPLIT,
    *,
    quality: int = JPEG_QUALITY,
    processes: int = 1,
    progress: Progress | None = None,
) -> list[CohortImage]:
    """Draw the cohort into ``folder``: ``images/`` first and ``data.csv`` last, so that a folder with it is whole.

    The files are byte-identical for the same seed and library versions, whatever ``processes`` is.

    Args:
        folder: Data folder to make; files of the same names are overwritten.
        seed: Seed of every random choice; 0 or more.
        images_per_split: Number of images of each split.
        quality: Of the JPEG files.
        processes: How many images to draw at once; more than 1 needs a main module that can be imported again
            (`if __name__ == "__main__"`), for the processes are spawned.
        progress: Called with the number of images done and their total.

    Returns:
        The images, in the order of data.csv.

    Raises:
        BadInputError: If a split is too small, or the seed is negative.
    """
    if seed < 0:
        raise bad_input("seed", "be 0 or more", seed, "make_cohort", "choose another")
    planned = plan_cohort(images_per_split)
    (folder / TABLE).unlink(missing_ok=True)
    for parent in {(folder / image.path).parent for image in planned}:
        parent.mkdir(parents=True, exist_ok=True)
    jobs = [(folder, image, seed, quality) for image in planned]
    for done, _ in enumerate(_run(jobs, processes), start=1):
        if progress:
            progress(done, len(jobs))
    _write_table(folder, planned)
    return planned


def _run(jobs: list[Job], processes: int) -> Iterator[None]:
    if processes < 2 or len(jobs) < POOL_FROM:
        yield from map(_write_image, jobs)
        return
    # Spawned, not forked: the caller may have threads.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_write_image, jobs, chunksize=2)


def _write_image(job: Job) -> None:
    """Draw one image from its own random stream, so that neither order nor processes matter."""
    folder, image, seed, quality = job
    subclass = SUBCLASSES[image.superclass].index(image.subclass)
    rng = np.random.default_rng([seed, CLASSES.index(image.superclass), subclass, image.image_id])
    tint = np.random.default_rng([seed, 99, image.patient_id]).integers(-8, 9, 3)
    draw_tissue(image.drawn_as, rng, tint).save(folder / image.path, "JPEG", quality=quality)


def _write_table(folder: Path, planned: list[CohortImage]) -> None:
    write_whole(folder / TABLE, _render_table(planned))


def _render_table(planned: list[CohortImage]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["superclass", "subclass", "resolution", "image_id", "patient_id"])
    for image in planned:
        writer.writerow([image.superclass, image.subclass, RESOLUTION, image.image_id, image.patient_id])
    return text.getvalue()


def refuse_others(folder: Path, planned: list[CohortImage]) -> None:
    """Refuse a folder that is neither new, nor empty, nor that of the same cohort.

    Raises:
        BadInputError: It is another folder, or cannot be written.
    """
    table = folder / TABLE
    is_ours = table.is_file() and table.read_bytes() == _render_table(planned).encode()
    refuse_results(folder, table, is_ours, made_by="parity.demo.cohort")


def main(arguments: list[str] | None = None) -> int:
    """Draw a cohort from the command line; progress goes to stdout as JSON lines."""
    parser = argparse.ArgumentParser(prog="python -m parity.demo.cohort", description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="data folder to make")
    parser.add_argument("--seed", type=int, default=17, help="seed of every random choice (default 17)")
    options = parser.parse_args(arguments)

    def show(done: int, total: int) -> None:
        print(json.dumps({"step": "cohort", "done": done, "of": total}), flush=True)

    try:
        refuse_others(options.out, plan_cohort())
        make_cohort(options.out, options.seed, processes=2, progress=show)
    except BadInputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
