"""What the README says of a whole suite: a small scorecard that is committed, and is called old when the code has changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.errors import bad_input
from parity.faults.choice import Choice
from parity.faults.scorecard import gate_rows, hash_code, render
from parity.faults.suite import run_suite
from parity.files import write_whole
from parity.processes import Listener
from parity.workspace import PROJECT

SCHEMA = "parity-faults-kept/1"
KEPT = PROJECT / "parity" / "faults" / "scorecard.json"


def run_faults(choice: Choice, listen: Listener, keep: Path | None) -> tuple[str, list[str]]:
    """Run what was chosen; return the tables for the console, and what falls short.

    Args:
        choice: What.
        listen: Told of the progress.
        keep: File for what the README says; None: it stays as it is.

    Raises:
        BadInputError: As `parity.faults.suite.run_suite`, or something less than a whole suite is to be kept.
    """
    if keep is not None and not choice.whole:
        raise bad_input(
            "--keep", "be given with a whole suite", str(keep), "the command line", "choose no faults, gates or data"
        )
    scorecard = run_suite(choice, listen)
    if keep is not None:
        write_whole(keep, json.dumps(make_kept(scorecard), indent=1) + "\n")
    text = render(scorecard, choice.out)
    return "\n".join([text, *describe_age(read_kept(KEPT))]), list(scorecard["shortcomings"])


def make_kept(scorecard: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a whole scorecard: counts, and the smallest fault of each gate."""
    others = [*scorecard["controls"], *scorecard["hazards"]]
    runs = scorecard["correct_port"]["runs"]
    return {
        "schema": SCHEMA,
        "code": scorecard["code"],
        "elapsed_s": scorecard["elapsed_s"],
        "score": scorecard["score"],
        "by_tier": scorecard["by_tier"],
        "clean": {"passed": sum(row["verdict"] == "PASS" for row in runs), "of": len(runs)},
        "controls": len(scorecard["controls"]),
        "hazards": len(scorecard["hazards"]),
        "unexpected": [row["id"] for row in others if not row["as_expected"]],
        "shortcomings": scorecard["shortcomings"],
        "caught": {row["gate"]: len(row["caught"]) for row in gate_rows(scorecard)},
        "smallest": {row["gate"]: row["smallest"] for row in scorecard["power"]},
    }


def read_kept(path: Path) -> dict[str, Any] | None:
    """Return what was kept, and whether it is ``old``: of other code than there is now. None: there is nothing."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {**kept, "old": kept["code"] != hash_code()} if kept["schema"] == SCHEMA else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def describe_age(kept: Mapping[str, Any] | None) -> list[str]:
    """Return a line where the numbers of the README are not those of this code."""
    if kept is None or not kept["old"]:
        return []
    place = KEPT.relative_to(PROJECT)
    return [
        f"{place}, from which the README's numbers are, is old: of code {kept['code'][:12]}. nox -s faults -- --keep {place}"
    ]
