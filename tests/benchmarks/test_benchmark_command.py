"""``python -m benchmarks``: bad input is one message and exit code 2; two machines' results are joined."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.cli import main
from benchmarks.report import FIGURE, REPORT, render
from benchmarks.results import FILE, read_results, write_results
from parity.workspace import PROJECT
from tests.benchmarks.comparisons import find, leave_out, make_compute, make_results

GPU = {"name": "NVIDIA H100", "driver": "550.54"}


def bench(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *map(str, words)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Return the exit code of the command line, called in this process."""
    monkeypatch.setattr(sys, "argv", ["benchmarks", *map(str, words)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


MESSAGES = {
    ("--what", "nonsense"): (
        "`--what` must be one of data, compute, epoch, inference, gradcam, self, got 'nonsense' in the command line; see --help"
    ),
    ("--batch-sizes", "0"): (
        "`--batch-sizes` must be whole numbers of at least 1, with commas, got '0' in the command line; give 8,16"
    ),
    ("--precision", "tf32"): "`--precision` must be fp32 or bf16 on a CPU, got 'tf32' in the command line; leave tf32 out",
}
MORE_MESSAGES = {
    ("--batch-sizes", "8,,16"): (
        "`--batch-sizes` must be whole numbers of at least 1, with commas, got '8,,16' in the command line; give 8,16"
    ),
    ("--batch-sizes", "-8"): (
        "`--batch-sizes` must be whole numbers of at least 1, with commas, got '-8' in the command line; give 8,16"
    ),
    ("--what", ","): (
        "`--what` must name some of data, compute, epoch, inference, gradcam, self, got ',' in the command line; see --help"
    ),
    ("--precision", "fp16"): "`--precision` must be one of fp32, tf32, bf16, got 'fp16' in the command line; see --help",
    ("--precision", "fp32,tf32"): (
        "`--precision` must be fp32 or bf16 on a CPU, got 'fp32,tf32' in the command line; leave tf32 out"
    ),
    ("--device", "tpu"): "`--device` must be one of cpu, cuda, got 'tpu' in the command line; see --help",
}


@pytest.mark.parametrize("words", MESSAGES, ids=" ".join)
def test_what_cannot_be_asked_for_is_one_message(tmp_path: Path, words: tuple[str, ...]):
    done = bench("run", "--device", "cpu", "--out", tmp_path / "out", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"\nbench: {MESSAGES[words]}\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", MORE_MESSAGES, ids=" ".join)
def test_nothing_else_is_taken_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
):
    assert call(monkeypatch, "run", "--device", "cpu", "--out", tmp_path / "out", *words) == 2
    assert capsys.readouterr() == ("", f"\nbench: {MORE_MESSAGES[words]}\n")
    assert not (tmp_path / "out").exists()


def test_folders_without_results_are_one_message(tmp_path: Path):
    done = bench("merge", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "out")
    assert (done.returncode, done.stdout) == (2, "")
    (message,) = done.stderr.strip().splitlines()
    assert message.startswith("bench: `results` must be a benchmark's results.json, got ")
    assert message.endswith(f" in {tmp_path / 'a'}; give a folder that nox -s bench wrote")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("fair", [True, False])
def test_two_machines_are_joined_and_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fair: bool
):
    """The exit code is 1 if a check of the measurement itself failed."""
    first = make_results(leave_out(make_compute(), "port fp32", "port bf16"), gpu=GPU)
    second = make_results(leave_out(make_compute(), "legacy fp32"), gpu=GPU)
    if not fair:
        find(second["comparisons"][0], "port bf16")["warm_up"] = []
    for name, results in (("a", first), ("b", second)):
        write_results(tmp_path / name, results)
    code = call(monkeypatch, "merge", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "out")
    assert code == (0 if fair else 1)
    joined = read_results(tmp_path / "out" / FILE)
    assert (tmp_path / "out" / REPORT).read_text(encoding="utf-8") == render(joined) + "\n"
    said = capsys.readouterr().out
    assert said.startswith(render(joined))
    assert ("no ratio: warmed up (port bf16)" in said) != fair
    assert not (tmp_path / "out" / FIGURE).exists()


def test_only_what_was_written_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    write_results(tmp_path / "a", make_results(make_compute(), gpu=GPU))
    write_results(tmp_path / "b", make_results(gpu=GPU))
    assert call(monkeypatch, "merge", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "out") == 0
    assert (FIGURE in capsys.readouterr().out) == (tmp_path / "out" / FIGURE).exists()


def test_a_benchmark_that_measured_nothing_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    nobody = leave_out(make_compute(), "legacy fp32", "port fp32", "port bf16")
    write_results(tmp_path / "a", make_results(nobody, gpu=GPU))
    write_results(tmp_path / "b", make_results(gpu=GPU))
    assert call(monkeypatch, "merge", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "out") != 0
