"""Limits that move after a run began, and waivers: whole runs of a copy of the project."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from pathlib import Path

from .conftest import Finished, Project, copy_run, run_parity

DROPOUT = [f"inference/{dtype}/dropout/{side}" for dtype in ("float64", "float32") for side in ("legacy", "port")]


def waive(project: Project, check: str, expires: date) -> None:
    with (project.folder / "waivers.toml").open("a", encoding="utf-8") as file:
        file.write(f'[[waiver]]\ncheck = "{check}"\nreason = "a test"\nowner = "testers"\nexpires = {expires}\n')


def test_limits_must_not_move_and_what_fails_can_be_waived(
    baseline: Finished, words: list[object], project: Project, tmp_path: Path
):
    run = copy_run(baseline.folder, tmp_path / "run")
    project.edit("gates.toml", '[limits."inference/dropout"]\nlimit = 6.0', '[limits."inference/dropout"]\nlimit = 1e-3')
    today = date.today()
    for check in DROPOUT[:-1]:
        waive(project, check, today)
    waive(project, DROPOUT[-1], today - timedelta(days=1))

    moved = run_parity(run, words, project=project.folder)
    assert moved.code == 1, moved.stdout + moved.stderr
    headline = moved.report["headline"]
    assert headline.startswith("FAIL (10 of 11 required gates; gates.toml changed after this run had begun: start again")
    assert f"waiver of {DROPOUT[-1]} by testers expired on {today - timedelta(days=1)}" in headline
    assert "3 checks waived: inference" in headline
    assert headline in " ".join(moved.stdout.split())
    assert len(moved.report["broken"]) == 2
    failed = [check["id"] for check in moved.gate("inference")["checks"] if check["verdict"] == "FAIL"]
    assert failed == DROPOUT[-1:], "what a waiver in force covers is not FAIL, what an expired one covers is"
    for name in ("report.html", "report.md", "junit.xml"):
        assert "gates.toml changed after this run had begun" in (run / "report" / name).read_text(encoding="utf-8")

    limits = (project.folder / "gates.toml").read_bytes()
    (run / "gates.sha256").write_text(hashlib.sha256(limits).hexdigest())  # as if it had begun with them
    project.edit("waivers.toml", str(today - timedelta(days=1)), str(today))
    waived = run_parity(run, words, project=project.folder)
    assert waived.code == 0, waived.stdout + waived.stderr
    assert waived.report["headline"].startswith("PASS (10 of 11 required gates; 4 checks waived: inference; ")
    assert waived.verdicts()["inference"] == "WAIVED"
    assert [(row["check"], row["waived"]) for row in waived.report["waivers"]] == [(check, 1) for check in DROPOUT]
    assert waived.report["coverage"]["waived"] == 0, "no recorded pair is missing"
