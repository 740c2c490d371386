"""Whole runs in real subprocesses and real environments, on a small cohort with a fitted head."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from parity.demo.cohort import make_cohort
from parity.processes import INTERPRETER_VARIABLES
from parity.workspace import PROJECT

SCALE = "0.08"
CODE = ("legacy_tf", "parity", "torch_port", "benchmarks", "gates.toml", "declared.toml", "waivers.toml", "pyproject.toml")
TIMEOUT_S = 900
STRANGE_ID = "a \"größe\" <script>alert(1)<b> & 'x'"


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str
    folder: Path

    @property
    def report(self) -> dict[str, Any]:
        return json.loads((self.folder / "report" / "report.json").read_text(encoding="utf-8"))

    def gate(self, name: str) -> dict[str, Any]:
        return next(gate for gate in self.report["gates"] if gate["gate"] == name)

    def verdicts(self) -> dict[str, str]:
        return {gate["gate"]: gate["verdict"] for gate in self.report["gates"]}


class TwoHalves(LoadScopeScheduling):
    """Of two processes (pytest-xdist) one does all that needs the `baseline`, the other plants faults and begins new runs."""

    def _split_scope(self, nodeid: str) -> str:
        return "new" if "test_faults.py" in nodeid or "test_new_runs.py" in nodeid else "runs"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TwoHalves:
    return TwoHalves(config, log)


@pytest.fixture(scope="session", autouse=True)
def environments() -> None:
    """Both sides' environments, which `nox -s tests` makes; without them nothing here can run."""
    for side, variable in INTERPRETER_VARIABLES.items():
        path = os.environ.get(variable) or PROJECT / ".nox" / side / "bin" / "python"
        if not Path(path).exists():
            pytest.skip(f"the {side} environment is not there: run nox -s {side}")
        os.environ[variable] = str(path)


def run_python(side: str, *words: object) -> None:
    """Run a program in a side's environment; it must succeed."""
    command = [os.environ[INTERPRETER_VARIABLES[side]], *map(str, words)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def run_parity(folder: Path, words: Sequence[object], *, project: Path = PROJECT) -> Finished:
    """Run ``python -m parity run`` as a user's shell would."""
    command = [sys.executable, "-m", "parity", "run", "--out", str(folder), *map(str, words)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    return Finished(done.returncode, done.stdout, done.stderr, folder)


def nox(words: list[object], folder: Path) -> int:
    """Run ``nox -s parity`` with the Python that runs the tests' own nox."""
    python = os.environ.get("PARITY_NOX_PYTHON")
    if python is None:
        pytest.skip("not started by nox")
    command = [python, "-m", "nox", "-s", "parity", "--", "--out", folder, *words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PARITY_", "NOX", "VIRTUAL_ENV"))}
    return subprocess.run(
        [*map(str, command)], cwd=PROJECT, capture_output=True, check=False, timeout=900, env=environment
    ).returncode


def interrupt_when(folder: Path, words: Sequence[object], appeared: Path) -> None:
    """Start a run and kill it, with everything it started, as soon as a recording has appeared."""
    command = [sys.executable, "-m", "parity", "run", "--out", str(folder), *map(str, words)]
    process = subprocess.Popen(
        command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + TIMEOUT_S
    while not appeared.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.poll() is None, "the run ended before it could be interrupted"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "small cohort"
    make_cohort(folder, 17, {"train": 12, "val": 6, "test": 6})
    rename_image(folder, STRANGE_ID)
    return folder


def rename_image(folder: Path, image_id: str) -> None:
    """Give the first test image of class nor a name that every report has to escape."""
    with (folder / "data.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    row = next(row for row in rows if row[0] == "nor" and row[4] in {"9", "13", "31", "40"})
    image = folder / "images" / "nor" / f"nor_20x_{row[3]}.jpg"
    row[3] = image_id
    image.rename(image.with_name(f"nor_20x_{image_id}.jpg"))
    with (folder / "data.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture(scope="session")
def checkpoint(cohort: Path) -> Path:
    path = cohort.parent / "fitted.h5"
    run_python(
        "legacy", "-m", "parity.demo.checkpoint", "fit-head",
        "--data", cohort, "--out", path, "--seed", 17, "--image-scale", SCALE,
    )  # fmt: skip
    return path


@pytest.fixture(scope="session")
def words(cohort: Path, checkpoint: Path) -> list[object]:
    return ["--data", cohort, "--checkpoint", checkpoint, "--profile", "probe", "--device", "cpu"]


@pytest.fixture(scope="session")
def baseline(tmp_path_factory: pytest.TempPathFactory, words: list[object]) -> Finished:
    """A run of the correct port, killed in the middle and started again."""
    folder = tmp_path_factory.mktemp("runs") / "baseline"
    early = folder / "legacy" / "decode" / "manifest.json"
    interrupt_when(folder, words, folder / "legacy" / "weights" / "manifest.json")
    before = early.stat().st_mtime_ns
    finished = run_parity(folder, words)
    assert early.stat().st_mtime_ns == before, "a finished recording was made again"
    return finished


def copy_run(source: Path, target: Path) -> Path:
    """Copy a run; its arrays are linked, for a recording is never changed in place."""
    shutil.copytree(source, target, copy_function=lambda a, b: (os.link if a.endswith(".npy") else shutil.copy2)(a, b))
    return target


@dataclass(frozen=True)
class Project:
    """A copy of the project whose port may be broken on purpose."""

    folder: Path

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        content = path.read_text(encoding="utf-8")
        assert content.count(old) == 1, f"{old!r} must stand once in {file}, found {content.count(old)}"
        path.write_text(content.replace(old, new), encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    folder = tmp_path / "project"
    folder.mkdir()
    for name in CODE:
        source = PROJECT / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, folder / name)
    for lock in PROJECT.glob("requirements-*.txt"):
        shutil.copy2(lock, folder)
    yield Project(folder)
    shutil.rmtree(folder)
