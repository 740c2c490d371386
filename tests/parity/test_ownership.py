"""A run writes into a new folder or into that of an earlier run; what somebody else has made stays, byte by byte."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from benchmarks.cli import app as benchmarks_app
from benchmarks.cli import main as benchmarks_main
from benchmarks.results import FILE, write_results
from parity import processes
from parity.cli import app, main
from parity.contract import RunSpec
from parity.demo.cohort import main as draw
from parity.errors import BadInputError
from parity.golden.bundle import pack
from parity.ownership import is_run, refuse_folder, remove_previous_report, set_report_aside
from parity.signoff.cli import signoff
from parity.signoff.retired import legacy_is_gone
from parity.workspace import PROJECT, Workspace
from tests.benchmarks.comparisons import make_compute, make_results
from tests.places import contents_of, read_only

SPEC = RunSpec(
    data="/nowhere", data_sha256="", checkpoint="/nowhere", checkpoint_sha256="", resolution="20x", split="published",
    split_sha256="", splits=("val",), image_scale=0.08, images=None, profile="probe", arch="resnet50v2", device="cpu",
    gates=("blocks",),
)  # fmt: skip
# What the commands write into a folder, and what they would take for the mark of their own.
NAMES = (
    "notes.txt", "report/notes.txt", "report/report.json", "report/report.html", "report/junit.xml",
    "report.previous/report.json", "inputs/manifest.json", "legacy/decode/00000.npy", "port/decode/00000.npy",
    "weights/port.safetensors", "log/port.txt",
    "fixtures/orientation.jpg", "witness.csv", "benchmark.json", "gates.sha256", ".lock", "unpacked.partial/a", "data/data.csv",
    "signed/facts.json", "tensors/manifest.json", "results/correct port.json", "work/a", "clean/a", "base/spec.json",
    "scorecard.json", "logs/a.txt", "report.md", "epoch.svg", "data.csv", "images/nor/a.jpg", "key.pem",
)  # fmt: skip
MARKS = ("spec.json", "golden.sha256", "results.json", "base/spec.json")
BUNDLE = "golden.npz"

Words = Callable[[Path, Path], list[str]]  # of the folder of somebody's files and of another one
GOOD: dict[str, Words] = {
    "run": lambda folder, _: ["run", "--out", str(folder), "--device", "cpu"],
    "faults": lambda folder, _: ["faults", "--out", str(folder), "--only", "cam_logits"],
    "guard": lambda folder, other: ["guard", "--out", str(folder), "--bundle", str(other / BUNDLE)],
    "signoff keygen": lambda folder, _: ["signoff", "keygen", "--key", f"{folder}/key.pem", "--name", "A", "--role", "author"],
    "bench run": lambda folder, _: ["run", "--out", str(folder), "--device", "cpu", "--what", "self"],
    "bench merge": lambda folder, other: ["merge", str(other / "a"), str(other / "b"), "--out", str(folder)],
}
BAD: dict[str, Words] = {
    "run": lambda folder, other: [
        "run", "--out", str(folder), "--data", str(other / "no"), "--checkpoint", str(other / BUNDLE),
    ],
    "run with a mistyped option": lambda folder, _: ["run", "--out", str(folder), "--image-scale", "5"],
    "report": lambda folder, _: ["report", str(folder)],
    "diff": lambda folder, _: ["diff", str(folder), str(folder)],
    "faults": lambda folder, _: ["faults", "--out", str(folder), "--only", "no such fault"],
    "faults of no kind": lambda folder, _: ["faults", "--out", str(folder), "--only", "cam_logits", "--tier", "control"],
    "faults of nothing": lambda folder, _: ["faults", "--out", str(folder), "--stage", ""],
    "guard": lambda folder, other: ["guard", "--out", str(folder), "--bundle", str(other / "no.npz")],
    "retire": lambda folder, _: ["retire", "--signers", str(folder / "notes.txt")],
    "signoff keygen": lambda folder, _: ["signoff", "keygen", "--key", f"{folder}/new.pem", "--name", "A", "--role", "boss"],
    "signoff sign": lambda folder, _: [
        "signoff", "sign", str(folder), "--name", "A", "--role", "author", "--key", f"{folder}/key.pem",
    ],
    "signoff verify": lambda folder, _: ["signoff", "verify", "--signers", str(folder / "notes.txt")],
    "bench run": lambda folder, other: ["run", "--out", str(folder), "--data", str(other / "no")],
    "bench run of a small scale": lambda folder, _: ["run", "--out", str(folder), "--image-scale", "0.001"],
    "bench run of no precision": lambda folder, _: ["run", "--out", str(folder), "--precision", ""],
    "bench run of no split": lambda folder, _: ["run", "--out", str(folder), "--split", "no.csv"],
    "bench run of no checkpoint": lambda folder, _: ["run", "--out", str(folder), "--checkpoint", "no.h5"],
    "bench merge": lambda folder, other: ["merge", str(other / "no"), str(other / "no"), "--out", str(folder)],
}  # fmt: skip


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What good input is made of; the sides' environments are there, and are not started."""
    other = tmp_path / "other"
    SPEC.write_json(other / "a run" / "spec.json")
    pack(other / "a run", other / BUNDLE, {})
    for name in ("a", "b"):
        write_results(other / name, make_results(*([make_compute()] if name == "a" else []), gpu={"name": "A", "driver": "1"}))
    for variable in processes.INTERPRETER_VARIABLES.values():
        monkeypatch.setenv(variable, sys.executable)
    return other


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f'{{"somebody\'s": "{name}"}}')
    return folder


def call(monkeypatch: pytest.MonkeyPatch, name: str, words: list[str]) -> int | str | None:
    """Return the exit code of a command line, called in this process."""
    monkeypatch.setattr(sys, "argv", ["parity", *words])
    with pytest.raises(SystemExit) as caught:
        (benchmarks_main if name.startswith("bench") else main)()
    return caught.value.code


def test_every_command_is_tried():
    def names(found: typer.Typer, prefix: str) -> set[str]:
        return {
            prefix + (info.name or info.callback.__name__) for info in found.registered_commands if info.callback is not None
        }

    known = names(app, "") | names(signoff, "signoff ") | names(benchmarks_app, "bench ")
    assert known == {name.partition(" of ")[0].partition(" with ")[0] for name in BAD}
    assert set(GOOD) == known - {"report", "diff", "retire", "signoff sign", "signoff verify"}, "these have no --out"


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("marks", [(), MARKS], ids=["files", "files that look like marks"])
def test_good_input_changes_nothing_in_somebodys_folder(
    name: str,
    marks: tuple[str, ...],
    other: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    if name == "run" and legacy_is_gone(PROJECT):
        pytest.skip("legacy_tf is retired: nothing is recorded")
    folder = fill(tmp_path / "folder", *NAMES, *marks)
    before = contents_of(tmp_path)
    assert call(monkeypatch, name, GOOD[name](folder, other)) == 2
    assert contents_of(tmp_path) == before
    assert "must be a new" in capsys.readouterr().err


@pytest.mark.parametrize("name", BAD)
def test_bad_input_changes_nothing_in_any_folder(
    name: str, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    full = fill(tmp_path / "full", *NAMES)
    run = fill(tmp_path / "run", *(name for name in NAMES if "/notes" not in name))
    SPEC.write_json(run / "spec.json")
    before = contents_of(tmp_path)
    for folder in (full, run, tmp_path / "new" / "deep"):
        assert call(monkeypatch, name, BAD[name](folder, other)) == 2
        said = capsys.readouterr().err.strip()
        assert said.startswith(("parity: ", "bench: "))
        assert "Traceback" not in said
        assert contents_of(tmp_path) == before


@pytest.mark.parametrize("name", ["run", "faults", "guard", "bench run", "bench merge"])
def test_a_folder_that_cannot_be_written_is_refused_at_once(
    name: str, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    (tmp_path / "out").mkdir()
    with read_only(tmp_path / "out"):
        for folder in (tmp_path / "out", tmp_path / "out" / "new"):
            assert call(monkeypatch, name, GOOD[name](folder, other)) == 2
            assert "`--out` must be a folder that can be written, got " in capsys.readouterr().err


def test_a_cohort_is_not_drawn_over_somebodys(tmp_path: Path, capsys: pytest.CaptureFixture):
    folder = fill(tmp_path / "folder", "data.csv", "images/nor/nor_20x_0.jpg")
    before = contents_of(folder)
    assert draw(["--out", str(folder)]) == 2
    assert "`--out` must be a new or empty folder, or one that parity.demo.cohort has made, got" in capsys.readouterr().err
    assert contents_of(folder) == before


def test_an_input_inside_of_the_runs_folder_is_refused(
    other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    """The run would replace it."""
    run = tmp_path / "run"
    SPEC.write_json(run / "spec.json")
    fill(run, "witness.csv")
    before = contents_of(run)
    assert call(monkeypatch, "run", ["run", "--out", str(run), "--witness", str(run / "witness.csv")]) == 2
    assert "`--witness` must be outside of the run's folder, got" in capsys.readouterr().err
    assert contents_of(run) == before


def make_run(folder: Path, *, bundle: bool = False) -> Workspace:
    workspace = Workspace(folder)
    SPEC.write_json(workspace.spec_path)
    if bundle:
        workspace.bundle.write_text("0")
    return workspace


def test_a_run_is_known_by_its_specification_also_of_an_earlier_version(tmp_path: Path):
    refuse_folder(make_run(tmp_path))
    less = {name: value for name, value in SPEC.to_dict().items() if name not in ("arch", "device", "gates")}
    for spec in (less, {**less, "new": 1}):
        (tmp_path / "spec.json").write_text(json.dumps(spec))
        assert is_run(tmp_path)
        refuse_folder(Workspace(tmp_path))


@pytest.mark.parametrize("content", ["", "[]", "3", "null", '"data_sha256"', '{"openapi": 3}', "\xff", "[" * 100_000])
def test_another_specification_is_none_of_ours(tmp_path: Path, content: str):
    (tmp_path / "spec.json").write_text(content, encoding="latin-1")
    with pytest.raises(BadInputError, match=r"`--out` must be a new or empty folder, or one that nox -s parity has made"):
        refuse_folder(Workspace(tmp_path))


@pytest.mark.parametrize("names", [(), (".lock",)])
def test_a_folder_in_which_a_run_has_just_begun_is_as_good_as_new(tmp_path: Path, names: tuple[str, ...]):
    before = contents_of(fill(tmp_path, *names))
    refuse_folder(Workspace(tmp_path))
    assert contents_of(tmp_path) == before


@pytest.mark.parametrize("bundle", [False, True])
def test_run_and_guard_do_not_take_each_others_folders(tmp_path: Path, bundle: bool):
    workspace = make_run(tmp_path, bundle=bundle)
    refuse_folder(workspace, from_bundle=bundle)
    with pytest.raises(BadInputError, match=r"`--out` must be a folder of nox -s (parity|guard), got 'one of nox -s"):
        refuse_folder(workspace, from_bundle=not bundle)


@pytest.mark.parametrize(
    "name", ["report/notes.txt", "report/assets/mine.webp", "report.previous/report.json.bak", "report/a/b"]
)
def test_somebodys_file_among_the_reports_is_named(tmp_path: Path, name: str):
    workspace = make_run(tmp_path)
    fill(tmp_path, *REPORT, name)
    with pytest.raises(BadInputError, match=r"`report` must be a folder of the report alone, got '(notes|assets|report|a)"):
        refuse_folder(workspace)


REPORT = ("report/report.json", "report/report.html", "report/recommendation.md", "report/assets/gradcam-0-reference.webp")
PREVIOUS = tuple(name.replace("report/", "report.previous/", 1) for name in REPORT)


def test_an_old_report_is_aside_until_the_new_one_is_whole(tmp_path: Path):
    workspace = make_run(fill(tmp_path, *REPORT))
    old = contents_of(workspace.report)
    refuse_folder(workspace)
    set_report_aside(workspace)
    assert not workspace.report.exists()
    for _ in range(2):  # the second time after a run that stopped while it wrote the report
        assert contents_of(workspace.previous_report) == old
        fill(tmp_path, "report/report.json", "report/report.html.partial")
        remove_previous_report(workspace)
        assert contents_of(workspace.previous_report) == old
        refuse_folder(workspace)
        set_report_aside(workspace)
        assert not workspace.report.exists()
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "recommendation.md").write_text("new")
    set_report_aside(workspace)  # it is whole, and takes the place of the one before
    assert contents_of(workspace.previous_report) == {"recommendation.md": b"new"}
    fill(tmp_path, *REPORT)
    remove_previous_report(workspace)
    assert not workspace.previous_report.exists()
    assert contents_of(workspace.report) == old


def refused(workspace: Workspace, message: str, *names: str) -> None:
    def run() -> None:
        with workspace.lock():
            fill(workspace.folder, *names)
            raise BadInputError(f"refused {message}")

    with pytest.raises(BadInputError, match="refused"):
        run()


BEGUN = ("spec.json", "gates.sha256", "witness.csv", "fixtures/schedule/traces.json", "log/legacy.txt", "weights/refusal.txt")


def test_a_refused_run_leaves_no_new_folder(tmp_path: Path):
    workspace = Workspace(tmp_path / "runs" / "nope-20x-quick")
    refused(workspace, "")
    refused(workspace, "", *BEGUN)
    refused(workspace, "", *BEGUN, "golden.sha256", "inputs/a", "legacy/a", "data/a", "tensors/a", "signed/a")
    refused(workspace, f"{workspace.folder}.csv, which lies beside it, and {workspace.folder} itself", *BEGUN)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_refused_for_another_run_leaves_that_as_it_is(tmp_path: Path):
    workspace = Workspace(tmp_path / "run")
    with workspace.lock():
        fill(workspace.folder, *BEGUN)
        before = contents_of(workspace.folder)
        with pytest.raises(BadInputError, match="no other run uses"), workspace.lock():
            pass
        assert contents_of(workspace.folder) == before


def test_a_folder_that_the_system_cannot_make_is_bad_input(tmp_path: Path):
    with pytest.raises(BadInputError, match=r"`file` must be one that can be written, got 'No such file or directory'"):
        make_nothing(Path("/proc/x"))


def make_nothing(folder: Path) -> None:
    with Workspace(folder).lock():
        raise AssertionError("there is no such folder")


@pytest.mark.parametrize(
    "kept", ["what it has recorded", "what the message names", "what was there", "what somebody has put there"]
)
def test_a_refused_run_keeps(tmp_path: Path, kept: str):
    folder = tmp_path / "run"
    if kept == "what it has recorded":
        refused(Workspace(folder), "", *BEGUN, "inputs/manifest.json")
    elif kept == "what the message names":
        refused(Workspace(folder), f"see {folder}/log/legacy.txt", *BEGUN)
    elif kept == "what was there":
        make_run(folder)
        refused(Workspace(folder), "", *BEGUN)
    else:
        refused(Workspace(folder), "", *BEGUN, "notes.txt")
        assert [path.name for path in folder.iterdir()] == ["notes.txt"]
        return
    assert {path.parts[0] for path in map(Path, BEGUN)} <= {path.name for path in folder.iterdir()}


def test_joined_and_measured_results_do_not_replace_each_other(
    other: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    before = contents_of(other / "a")
    assert call(monkeypatch, "bench merge", GOOD["bench merge"](other / "a", other)) == 2
    assert contents_of(other / "a") == before
    write_results(other / "joined", {**make_results(), "merged": ["1", "2"]})
    assert call(monkeypatch, "bench run", GOOD["bench run"](other / "joined", other)) == 2
    assert capsys.readouterr().err.count(f"got 'other files and no {FILE} of it' in ") == 2


def test_the_project_has_no_place_that_tests_have_filled():
    assert not (PROJECT / "runs" / "nope-20x-quick").exists()
