"""Whose a folder is: a run writes into a new folder or into that of an earlier run, and into no other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from parity.errors import bad_input
from parity.files import refuse_place, remove
from parity.workspace import LOCK, Workspace

SPEC_WORDS = {"data_sha256", "checkpoint_sha256", "resolution"}  # what `spec.json` has had from the first version on
REPORT_FILES = re.compile(
    r"(report\.json|report\.html|report\.md|junit\.xml|recommendation\.md|"
    r"assets/gradcam-[\w-]+\.(webp|png))(\.partial)?"
)


def refuse_folder(workspace: Workspace, *, from_bundle: bool = False) -> None:
    """Refuse a folder that is neither new, nor empty, nor that of an earlier run of the same kind. Nothing is changed.

    Args:
        workspace: The folder.
        from_bundle: Whether the run takes the legacy's side from a golden bundle.

    Raises:
        BadInputError: It is another folder, cannot be written, or somebody's files are where the report goes.
    """
    refuse_place(workspace.folder)
    if is_unused(workspace.folder):
        return
    kinds = {False: "nox -s parity", True: "nox -s guard"}
    remedy = "choose a new folder"
    if not is_run(workspace.folder):
        must = f"be a new or empty folder, or one that {kinds[from_bundle]} has made"
        raise bad_input("--out", must, "other files", str(workspace.folder), remedy)
    if workspace.bundle.is_file() != from_bundle:
        found = f"one of {kinds[not from_bundle]}"
        raise bad_input("--out", f"be a folder of {kinds[from_bundle]}", found, str(workspace.folder), remedy)
    for folder in (workspace.report, workspace.previous_report):
        others = list(_others(folder))
        if others:
            remedy = "move what is yours to another folder"
            raise bad_input("report", "be a folder of the report alone", ", ".join(others[:5]), str(folder), remedy)


def is_unused(folder: Path) -> bool:
    """Return whether a folder is not there, is empty, or holds only the lock of a run that was stopped at its beginning."""
    return not folder.is_dir() or {path.name for path in folder.iterdir()} <= {LOCK}


def is_run(folder: Path) -> bool:
    """Return whether a folder is that of a run: it has the specification that every run writes first."""
    try:
        return bool(json.loads(Workspace(folder).spec_path.read_text(encoding="utf-8")).keys() >= SPEC_WORDS)
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        return False


def _others(report: Path) -> Iterator[str]:
    """Yield the files below the folder of a report that are not the report's."""
    for path in sorted(report.rglob("*")):
        name = path.relative_to(report).as_posix()
        if name != "assets" and not REPORT_FILES.fullmatch(name):
            yield name


def set_report_aside(workspace: Workspace) -> None:
    """Move the report of an earlier run aside: its verdict must not be taken for that of a run that stops.

    Of a run that stopped while it wrote its report, the report before it is the whole one, and stays.
    """
    if not workspace.report.is_dir():
        return
    if not workspace.previous_report.is_dir():
        workspace.report.rename(workspace.previous_report)
    elif _is_whole(workspace.report):
        remove(workspace.previous_report)
        workspace.report.rename(workspace.previous_report)
    else:
        remove(workspace.report)


def _is_whole(report: Path) -> bool:
    return (report / "recommendation.md").is_file()  # which is written last


def remove_previous_report(workspace: Workspace) -> None:
    """Remove the report that was set aside, once the new one is whole."""
    if _is_whole(workspace.report):
        remove(workspace.previous_report)


def refuse_results(folder: Path, file: Path, is_ours: bool, *, made_by: str) -> None:
    """Refuse a folder that is not empty, unless `file` in it is what a command has made. Nothing is changed.

    Args:
        folder: For results.
        file: By which its own folders are known.
        is_ours: Whether it is what the command has made.
        made_by: The command.

    Raises:
        BadInputError: It is another folder, or cannot be written.
    """
    refuse_place(folder)
    if folder.is_dir() and any(folder.iterdir()) and not is_ours:
        must = f"be a new or empty folder, or one that {made_by} has made"
        raise bad_input("--out", must, f"other files and no {file.name} of it", str(folder), "choose a new folder")
