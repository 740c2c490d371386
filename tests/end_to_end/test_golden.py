"""A golden bundle of a run, and the guard that holds the port against it, as commands."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from parity.golden.make import write_bundle
from parity.workspace import PROJECT, Workspace

from .conftest import STRANGE_ID, TIMEOUT_S, Finished, Project, copy_run


def run_guard(folder: Path, words: Sequence[object], *, project: Path = PROJECT) -> Finished:
    command = [sys.executable, "-m", "parity", "guard", "--out", str(folder), *map(str, words)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    return Finished(done.returncode, done.stdout, done.stderr, folder)


@pytest.fixture(scope="module")
def bundle(baseline: Finished, cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the correct port's run. Its images have plain names, as the golden run's have."""
    folder = tmp_path_factory.mktemp("golden")
    data, run = folder / "data", copy_run(baseline.folder, folder / "run")
    shutil.copytree(cohort, data)
    for image in data.rglob(f"*{STRANGE_ID}.jpg"):
        image.rename(image.with_name("nor_20x_99.jpg"))
    for path in (*run.rglob("*.json"), *run.rglob("*.csv"), *data.rglob("*.csv")):
        text = path.read_text(encoding="utf-8").replace(str(cohort), str(data))
        for escaped in (
            json.dumps(STRANGE_ID)[1:-1],
            json.dumps(STRANGE_ID, ensure_ascii=False)[1:-1],
            STRANGE_ID.replace('"', '""'),
        ):
            text = text.replace(escaped, "99")
        path.write_text(text, encoding="utf-8")
    write_bundle(Workspace(run), Workspace(baseline.folder), folder / "golden.npz", seed=17)
    return folder / "golden.npz"


def test_the_port_passes_with_all_its_answers_and_every_check_of_the_run(
    bundle: Path, baseline: Finished, cohort: Path, tmp_path: Path
):
    weights = baseline.folder / "weights" / "port.safetensors"
    guarded = run_guard(tmp_path / "guard", ["--bundle", bundle, "--data", cohort, "--weights", weights])
    assert guarded.code == 0, guarded.stdout + guarded.stderr
    assert "against the golden bundle" in guarded.report["headline"]
    assert "NOT_RUN" not in guarded.report["headline"]
    for gate in guarded.report["gates"]:
        known = [check["id"] for check in baseline.gate(gate["gate"])["checks"]]
        found = [check["id"] for check in gate["checks"] if "/signed/" not in check["id"]]
        assert found == known, gate["gate"]
    signed = {check["id"]: check for check in guarded.gate("decisions")["checks"] if "/signed/" in check["id"]}
    assert set(signed) == {
        "decisions/exact/signed/images", "decisions/float32/signed/changed", "decisions/float32/signed/probabilities/max_abs",
    }  # fmt: skip
    assert all(check["n"] > 0 for check in signed.values())
    assert guarded.report["coverage"] == baseline.report["coverage"]

    other = run_guard(tmp_path / "guard", ["--bundle", bundle, "--data", cohort, "--weights", bundle])
    assert other.code == 2
    assert "`--weights` must be the accepted checkpoint" in other.stderr


def test_a_broken_port_and_a_moved_limit_fail(bundle: Path, project: Project, tmp_path: Path):
    project.edit("torch_port/model.py", "BATCH_NORM_EPSILON = 1.001e-5", "BATCH_NORM_EPSILON = 1e-5")
    project.edit(
        "gates.toml", '[limits."loader/class_weights"]\nlimit = 1e-12', '[limits."loader/class_weights"]\nlimit = 1e-11'
    )
    broken = run_guard(tmp_path / "guard", ["--bundle", bundle], project=project.folder)
    assert broken.code == 1, broken.stdout + broken.stderr
    said, headline = " ".join(broken.stdout.split()), broken.report["headline"]
    assert "first failing gate: blocks" in said
    assert "blocks/float64/conv2/block1/out" in said
    assert broken.gate("config")["verdict"] == "FAIL", "config names the parameter"
    assert "gates.toml is not the one that the golden bundle was made with" in headline
    assert "predictions of the users' images NOT_RUN" in headline
