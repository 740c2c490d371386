"""How the port's ``predict`` is asked: a folder of links to images of a run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from parity.contract import RunSpec
from parity.workspace import Case


def link_images(folder: Path, cases: Iterable[Case]) -> None:
    """Make a folder of links to the images, those of each split in a folder of their own."""
    for case in cases:
        (folder / case.split).mkdir(parents=True, exist_ok=True)
        (folder / case.split / case.image).symlink_to(case.path)


def predict_options(spec: RunSpec, checkpoint: Path, table: Path) -> dict[str, object]:
    """Return the options of the command."""
    return {
        "--checkpoint": checkpoint,
        "--arch": spec.arch,
        "--image-scale": spec.image_scale,
        "--device": spec.device,
        "--out": table,
    }
