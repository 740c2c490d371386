"""The benchmark with both real sides, on small images: everybody is measured, at the same work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.audit import audit, is_measured
from benchmarks.plan import WHAT
from benchmarks.results import read_results
from benchmarks.summary import list_agreement
from parity.workspace import PROJECT

from .conftest import SCALE, TIMEOUT_S

pytestmark = pytest.mark.slow
# What other work on a small machine can spoil; everything else is settled by what was asked of the live objects.
TIMES = {"warmed up", "synchronised", "same as itself", "slowdown seen"}


def test_all_contestants_are_measured_at_the_same_work(cohort: Path, checkpoint: Path, tmp_path: Path):
    words = ["--data", cohort, "--checkpoint", checkpoint, "--image-scale", SCALE, "--device", "cpu", "--out", tmp_path]
    command = [sys.executable, "-m", "benchmarks", "run", *map(str, words)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    results = read_results(tmp_path)
    assert results["finished"] is True
    comparisons = results["comparisons"]
    assert {comparison["what"] for comparison in comparisons} == set(WHAT)
    for comparison in comparisons:
        assert all(is_measured(row) for row in comparison["contestants"]), done.stdout
        wrong = [check for check in audit(comparison) if check.verdict != "PASS" and check.check not in TIMES]
        assert not wrong
        for row in list_agreement(comparison):
            assert row.difference < (1e-4 if row.precision == "fp32" else 0.1), row
    assert (tmp_path / "epoch.svg").is_file()
    assert "not measured" not in (tmp_path / "report.md").read_text(encoding="utf-8").split("## Memory")[0]
