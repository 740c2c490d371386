"""Runs that stop early, or that begin with nothing: they need no run that has been made."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from parity.workspace import PROJECT

from .conftest import nox, run_parity


def test_a_patient_in_two_splits_fails_the_loader(words, cohort: Path, tmp_path: Path):
    with (cohort / "data.csv").open(newline="") as file:
        patients = {row["patient_id"]: row["superclass"] for row in csv.DictReader(file)}
    by_class = {name: [p for p, c in patients.items() if c == name] for name in ("aca", "nor", "scc")}
    rows = [(group[i], split) for group in by_class.values() for i, split in enumerate(("train", "val", "test"))]
    rows.append((by_class["nor"][0], "test"))
    split = tmp_path / "my split.csv"
    split.write_text("patient_id,split\n" + "".join(f"{patient},{name}\n" for patient, name in rows))
    finished = run_parity(tmp_path / "run", [*words, "--split", split, "--gates", "loader"])
    assert finished.code == 1, finished.stderr
    assert finished.report["place"]["gate"] == "loader"
    assert f"patient {by_class['nor'][0]} in train and test" in finished.report["place"]["words"]


def test_exit_code_2_through_nox(words, tmp_path: Path):
    assert nox([*words, "--data", tmp_path / "nowhere"], tmp_path / "run") == 2


def test_a_terminated_run_leaves_no_process_and_says_how_to_go_on(words, tmp_path: Path):
    """While the port is recorded and the legacy's `evaluate` runs beside it; the signal reaches the command alone."""
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "parity", "run", "--out", folder, *words, "--gates", "freeze,decode,decisions"]
    process = subprocess.Popen(
        [*map(str, command)], cwd=PROJECT, stderr=subprocess.PIPE, text=True, start_new_session=True
    )  # fmt: skip
    logs = [folder / "log" / name for name in ("legacy-evaluate.txt", "port.txt")]
    deadline = time.monotonic() + 300
    while not all(log.exists() for log in logs) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.terminate()
    _, stderr = process.communicate(timeout=15)
    assert process.returncode == 130, stderr
    assert stderr.endswith("\nparity: interrupted; the same command resumes\n")
    assert "Traceback" not in stderr
    assert (folder / "legacy" / "decode" / "manifest.json").exists()
    assert not (folder / "report" / "report.json").exists()
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\x80\x04\x95pickled", "checkpoint"), (b"\x89HDF\r\n\x1a\n truncated", "checkpoint")],
    ids=["pickle", "truncated"],
)
def test_a_checkpoint_that_cannot_be_used_is_bad_input(words, tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "bad.h5"
    path.write_bytes(content)
    finished = run_parity(tmp_path / "run", [*words, "--checkpoint", path, "--gates", "decode"])
    assert finished.code == 2
    assert message in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (tmp_path / "run").exists()


def test_patients_outside_the_published_split_are_told_of_the_random_one(words, cohort: Path, tmp_path: Path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "images").symlink_to(cohort / "images")
    rows = (cohort / "data.csv").read_text(encoding="utf-8").splitlines()
    rows[1] = rows[1].rpartition(",")[0] + ",99"
    (data / "data.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    finished = run_parity(tmp_path / "run", [*words, "--data", data, "--gates", "decode"])
    assert finished.code == 2
    assert "99" in finished.stderr
    assert "--split random" in finished.stderr
