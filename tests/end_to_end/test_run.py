"""The main job, from a user's command to the files it leaves."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from parity.contract import GATES
from parity.report.schema import read_schema
from parity.workspace import PROJECT
from tests.places import contents_of

from .conftest import STRANGE_ID, Finished, copy_run, nox, run_parity

REQUIRED = (
    "freeze",
    "config",
    "numerics",
    "decode",
    "preprocess",
    "loader",
    "weights",
    "blocks",
    "inference",
    "decisions",
    "gradcam",
)


def test_the_correct_port_passes_after_an_interruption(baseline: Finished):
    assert baseline.code == 0, baseline.stdout + baseline.stderr
    others = len(GATES) - len(REQUIRED)  # one fewer with a benchmark
    assert re.match(
        rf"PASS \(11 of 11 required gates; ({others}|{others - 1}) not run: augment, loss,", baseline.report["headline"]
    )
    assert "legacy unwitnessed" in baseline.report["headline"]
    assert [gate["gate"] for gate in baseline.report["gates"]] == list(GATES)
    coverage = baseline.report["coverage"]
    assert coverage["expected"] == coverage["compared"] > 500
    assert coverage["waived"] == 0


def test_float64_proves_the_same_function(baseline: Finished):
    for gate in ("blocks", "inference", "gradcam"):
        errors = [
            check["observed"]
            for check in baseline.gate(gate)["checks"]
            if f"{gate}/float64/" in check["id"] and "_rel" in check["id"]
        ]
        assert len(errors) >= 4
        assert max(errors) < 1e-10


def test_the_report_is_written_in_every_format(baseline: Finished):
    folder = baseline.folder / "report"
    jsonschema.validate(baseline.report, read_schema())
    assert (folder / "report.md").stat().st_size <= 60_000
    assert (folder / "junit.xml").exists()
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert "https://" not in html
    assert str(folder / "report.html") in baseline.stdout


def test_everything_is_reused_when_nothing_changed(baseline: Finished, words):
    def recordings() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in baseline.folder.glob("*/*/manifest.json")}

    before = recordings()
    (baseline.folder / "notes.txt").write_text("somebody's")
    again = run_parity(baseline.folder, words)
    assert again.code == 0
    assert recordings() == before
    assert (baseline.folder / "notes.txt").read_text() == "somebody's"
    assert not (baseline.folder / "report.previous").exists()
    assert again.report["gates"] == baseline.report["gates"]


def test_weights_that_another_code_left_behind_are_converted_again(baseline: Finished, words, tmp_path: Path):
    """A run of an edited port converts the weights first: stopped after that, it leaves recordings of the code before."""
    folder = copy_run(baseline.folder, tmp_path / "run")
    weights = folder / "weights" / "port.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-4] + bytes(4))
    assert run_parity(folder, [*words, "--gates", "config,decode"]).code == 4
    tensors = slice(8 + int.from_bytes(whole[:8], "little"), None)  # after the header, in which the order of remarks is free
    assert weights.read_bytes()[tensors] == whole[tensors]


def write_witness(path: Path, source: Finished, change: float = 0.0) -> Path:
    with (source.folder / "legacy" / "evaluate" / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    rows[3][1] = str(float(rows[3][1]) + change)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def test_a_faithful_witness_passes(baseline: Finished, words, tmp_path: Path):
    witness = write_witness(tmp_path / "w.csv", baseline)
    finished = run_parity(copy_run(baseline.folder, tmp_path / "run"), [*words, "--witness", witness])
    assert finished.code == 0
    assert "legacy unwitnessed" not in finished.report["headline"]


def test_what_is_mistyped_is_bad_input_and_changes_nothing_in_a_finished_run(baseline: Finished, words, tmp_path: Path):
    witness = tmp_path / "w.csv"
    witness.write_text("image,aca,nor,scc\nsomebody_else.jpg,0.1,0.2,0.7\n")
    run = copy_run(baseline.folder, tmp_path / "run")
    before = contents_of(run)
    for more, message in {
        ("--witness", witness): "somebody_else.jpg",
        ("--image-scale", "5"): "`--image-scale` must be from 0.03 to 1, got 5.0",
        ("--gates", ""): "`--gates` must name some of",
        ("--data", "/typo"): "`--data` must be a folder with data.csv and images/, got '/typo'",
        ("--checkpoint", "/typo"): "`--checkpoint` must be a Keras checkpoint, got '/typo'",
    }.items():
        finished = run_parity(run, [*words, *more])
        assert finished.code == 2
        assert message in finished.stderr
        assert "Traceback" not in finished.stderr
        assert contents_of(run) == before, "the report that was to be signed, and all else, is as it was"


def test_exit_code_0_through_nox(baseline: Finished, words):
    assert nox(words, baseline.folder) == 0


def test_exit_code_1_a_changed_witness_fails_at_freeze(baseline: Finished, words, tmp_path: Path):
    witness = write_witness(tmp_path / "w.csv", baseline, change=1e-3)
    folder = copy_run(baseline.folder, tmp_path / "run")
    assert nox([*words, "--witness", witness], folder) == 1
    finished = Finished(1, "", "", folder)
    assert finished.report["place"]["gate"] == "freeze"
    assert "witness" in finished.report["place"]["words"]


@pytest.mark.slow  # a whole run; `tests/parity` asks the gate for its verdict, and the run for its exit code
def test_exit_code_3_a_checkpoint_that_says_the_same_of_every_image_is_inconclusive(baseline: Finished, words, tmp_path: Path):
    with np.load(baseline.folder / "weights" / "legacy.npz", allow_pickle=False) as weights:
        arrays = dict(weights)
    arrays["last_dense/kernel"] *= 1e-6
    np.savez(tmp_path / "constant.npz", **arrays)
    changed = [*words, "--checkpoint", tmp_path / "constant.npz"]
    assert nox(changed, tmp_path / "run") == 3
    finished = Finished(3, "", "", tmp_path / "run")
    assert finished.verdicts()["decisions"] == "INCONCLUSIVE"
    assert "FAIL" not in finished.verdicts().values()


def test_exit_code_4_when_required_gates_were_not_run(baseline: Finished, words, tmp_path: Path):
    folder = copy_run(baseline.folder, tmp_path / "run")
    assert nox([*words, "--gates", "config,decode"], folder) == 4
    assert (
        Finished(4, "", "", folder)
        .report["headline"]
        .startswith(f"NOT_RUN (2 of 11 required gates; {len(GATES) - 2} not run: freeze")
    )


def test_a_folder_in_use_is_refused(baseline: Finished, words):
    holder = (
        "import sys; from pathlib import Path; from parity.workspace import Workspace\n"
        "with Workspace(Path(sys.argv[1])).lock():\n    print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(baseline.folder)],
        cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        finished = run_parity(baseline.folder, words)
        process.communicate("")
    assert finished.code == 2
    assert "no other run uses" in finished.stderr


def test_strange_file_names_go_through_and_are_escaped(baseline: Finished):
    name = f"nor_20x_{STRANGE_ID}.jpg"
    assert name in [row["image"] for row in baseline.report["ledger"]]
    for rendering in ("report.html", "junit.xml"):
        assert "<script>alert(1)" not in (baseline.folder / "report" / rendering).read_text(encoding="utf-8")
    markdown = (baseline.folder / "report" / "report.md").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in re.sub(r"`[^`\n]*`", "", markdown), "outside of code, which renders as it stands"


@pytest.mark.slow
def test_training_images_can_be_evaluated_too(baseline: Finished, words, tmp_path: Path):
    finished = run_parity(
        tmp_path / "run", [*words, "--splits", "train,val", "--gates", "freeze,decode,preprocess,decisions", "--images", "3"]
    )
    assert finished.code == 4, finished.stdout + finished.stderr
    assert finished.verdicts()["preprocess"] == "PASS"
    assert finished.verdicts()["decisions"] == "PASS"
