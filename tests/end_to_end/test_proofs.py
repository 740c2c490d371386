"""What is too long for the tests: whole runs on the demo and on real tissue, and the memory of the recorders."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from parity.contract import BATCH_SIZE
from parity.demo.cohort import make_cohort
from parity.processes import interpreter
from parity.workspace import PROJECT

from .conftest import Finished, run_parity, run_python

pytestmark = pytest.mark.slow

SHARED_DATA = Path(os.environ.get("PARITY_SHARED_DATA", PROJECT.parent / "shared" / "data"))
TISSUE = SHARED_DATA / "tissue_tiles"
DEMO_LIMIT_S, DISK_LIMIT_BYTES = 8 * 60, 4e9
PROFILE_LIMITS_S = {"probe": 60, "quick": 4 * 60, "full": 12 * 60}  # with the checkpoint cached
MEMORY_RATIO = 1.1
FEW, MANY = BATCH_SIZE, 4 * BATCH_SIZE
POLL_S = 0.02


def assert_same_function(finished: Finished) -> None:
    assert finished.code == 0, finished.stdout + finished.stderr
    assert finished.report["headline"].startswith("PASS (20 of 20 required gates")
    for gate in ("blocks", "inference", "gradcam"):
        checks = [
            check for check in finished.gate(gate)["checks"] if f"{gate}/float64/" in check["id"] and "_rel" in check["id"]
        ]
        worst = max(checks, key=lambda check: check["observed"])
        print(f"{gate}: worst float64 {worst['observed']:.2e} at {worst['id']} (limit {worst['limit']:g})")
        assert worst["observed"] <= 1e-10
    assert not any(row["changed"] for row in finished.report["ledger"])


def folder_bytes(*folders: Path) -> int:
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())


def test_the_demo_passes_in_time_and_space(tmp_path: Path):
    """With nothing cached at most 8 minutes and 4 GB, with the checkpoint cached at most 4."""
    cache = PROJECT / ".cache" / "demo"
    aside = cache.with_name(f"demo.{os.getpid()}.aside")
    if cache.exists():
        cache.rename(aside)
    try:
        start = time.monotonic()
        assert_same_function(run_parity(tmp_path / "first", []))
        first_s = time.monotonic() - start
        disk = folder_bytes(tmp_path / "first", cache)
        start = time.monotonic()
        finished = run_parity(tmp_path / "second", [])
        second_s = time.monotonic() - start
        assert_same_function(finished)
        print(f"demo: {first_s:.0f} s with nothing cached, {second_s:.0f} s with the checkpoint, {disk / 1e9:.1f} GB")
        print(f"demo timings: {finished.report['timings']}")
        legacy = [row for row in finished.report["ledger"] if row["kind"] == "evaluation" and row["split"] == "test"]
        right = [row["reference"]["prediction"] == row["label"] for row in legacy]
        assert 0.8 < sum(right) / len(right) < 1.0, "the demo tells the classes apart, and not always"
        assert {row["reference"]["prediction"] for row in legacy} == {"aca", "nor", "scc"}
    finally:
        if aside.exists():
            shutil.rmtree(cache, ignore_errors=True)
            aside.rename(cache)
    assert first_s <= DEMO_LIMIT_S
    assert second_s <= PROFILE_LIMITS_S["quick"]
    assert disk <= DISK_LIMIT_BYTES


@pytest.mark.parametrize("profile", ["probe", "full"])
def test_the_demo_passes_in_the_other_profiles(tmp_path: Path, profile: str):
    """``quick`` is the test above."""
    start = time.monotonic()
    finished = run_parity(tmp_path / "run", ["--profile", profile])
    elapsed_s = time.monotonic() - start
    print(f"demo, {profile}: {elapsed_s:.0f} s; {finished.report['headline']}; {finished.report['timings']}")
    assert finished.code == 0, finished.stdout + finished.stderr
    assert elapsed_s <= PROFILE_LIMITS_S[profile]


@pytest.mark.skipif(not TISSUE.is_dir(), reason="real tissue is not here: set PARITY_SHARED_DATA")
def test_real_tissue_passes_at_full_size(tmp_path: Path):
    checkpoint = tmp_path / "tissue.h5"
    run_python("legacy", "-m", "parity.demo.checkpoint", "fit-head", "--data", TISSUE, "--out", checkpoint, "--seed", 17)
    finished = run_parity(tmp_path / "run", ["--data", TISSUE, "--checkpoint", checkpoint])
    assert_same_function(finished)


def peak_anonymous_bytes(side: str, folder: Path) -> int:
    """Run a side's recorder on a prepared run and return the peak of its anonymous memory."""
    process = subprocess.Popen(
        [interpreter(side), "-m", "parity.recorder", side, str(folder)],
        cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    peak = 0
    while process.poll() is None:
        try:
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                if line.startswith("RssAnon:"):
                    peak = max(peak, int(line.split()[1]) * 1024)
        except (OSError, ValueError):
            break
        time.sleep(POLL_S)
    assert process.wait() == 0
    return peak


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_four_times_the_images_need_no_more_memory(tmp_path: Path, checkpoint: Path):
    """Both runs fill their batches of 8, which decide the peak; a run of 4 images never has a whole one."""
    folder = tmp_path / "cohort"
    make_cohort(folder, 17, {"train": 12, "val": 32, "test": 32})
    peaks: dict[str, list[int]] = {"legacy": [], "port": []}
    for images in FEW, MANY:
        words = ["--data", folder, "--checkpoint", checkpoint, "--profile", "probe", "--images", images]
        run = tmp_path / f"run{images}"
        finished = run_parity(run, words)
        assert finished.code in (0, 3), finished.stderr
        for side, found in peaks.items():
            shutil.rmtree(run / side)
            found.append(peak_anonymous_bytes(side, run))
    for side, (few, many) in peaks.items():
        print(f"{side}: {few / 1e6:.0f} MB for {FEW} images a split, {many / 1e6:.0f} MB for {MANY}: {many / few:.3f} times")
    assert all(many <= MEMORY_RATIO * few for few, many in peaks.values())
