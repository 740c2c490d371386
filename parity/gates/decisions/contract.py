"""What the port's ``predict`` is asked, and how its recorder and the comparison name it."""

from __future__ import annotations

from pathlib import Path

from parity.gates.gradcam.contract import command_cases
from parity.workspace import Case, Workspace

ALL, MAPPED = "all", "mapped"  # runs of the command: every image, and those whose maps are asked for
RUNS = (ALL, MAPPED)
MAPS = "maps/raw"


def predicted_cases(workspace: Workspace, run: str) -> list[Case]:
    """Return the images of a run of the command, in the order of the evaluation."""
    cases = workspace.cases("evaluation")
    if run == ALL:
        return list(cases)
    mapped = {case.index for case in command_cases(workspace)}
    return [case for case in cases if case.index in mapped]


def link_images(folder: Path, cases: list[Case]) -> None:
    """Make a folder of links to the images, those of each split in a folder of their own."""
    for case in cases:
        (folder / case.split).mkdir(parents=True, exist_ok=True)
        (folder / case.split / case.image).symlink_to(case.path)
