"""A recording is used again only when everything it came from is the same."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from modulefinder import ModuleFinder
from pathlib import Path

import numpy as np
import pytest

from parity import imports, reuse
from parity.artefact import RecordingWriter
from parity.contract import GATES, PROFILES, RunSpec
from parity.demo import cache
from parity.demo.cache import DEMO, GUARD, cache_folder
from parity.faults import scorecard
from parity.reuse import PACKAGES, is_current, recording_key
from parity.signoff.retired import legacy_is_gone
from parity.workspace import PROJECT, Workspace

PARTS = ("parity", "torch_port", "legacy_tf", "benchmarks", "requirements-*.txt")
RECORDERS = [
    *((side, gate) for gate in GATES for side in PACKAGES if (PROJECT / f"parity/gates/{gate}/{side}.py").is_file()),
    *([] if legacy_is_gone(PROJECT) else [("legacy", "inputs")]),
]
SPEC = RunSpec(
    data="/d", data_sha256="1", checkpoint="/c", checkpoint_sha256="2", resolution="20x", split="published", split_sha256="",
    splits=("val",), image_scale=0.08, images=None, profile=next(iter(PROFILES)), arch="resnet50v2", device="cpu",
    gates=("blocks",),
)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of this project."""
    copy = tmp_path / "project"
    for part in (path for pattern in PARTS for path in PROJECT.glob(pattern)):
        copied = copy / part.name
        shutil.copytree(part, copied, ignore=shutil.ignore_patterns("__pycache__")) if part.is_dir() else (
            shutil.copyfile(part, copied)
        )
    for lock in reuse.LOCKS.values():
        (copy / lock).touch()  # the legacy's may be retired
    monkeypatch.setattr(reuse, "PROJECT", copy)
    return copy


def forget() -> None:
    """Know nothing of any file, as another process would."""
    reuse.hash_code.cache_clear()
    imports._imported_names.cache_clear()


def walk_imports(project: Path, side: str, gate: str) -> set[Path]:
    """Return the files of the project that a recorder imports, by the standard library's reading of the compiled code."""
    finder = ModuleFinder(path=[str(project)])
    modules = ("parity.recorder", f"parity.sides.{side}", f"parity.gates.{gate}.{side}")
    for name in modules if gate != "inputs" else modules[:2]:
        finder.import_hook(name)
    return {Path(module.__file__) for module in finder.modules.values() if module.__file__}


@pytest.fixture
def key(project: Path, tmp_path: Path) -> Callable[..., str]:
    def make(side: str = "port", **options: object) -> str:
        workspace = Workspace(tmp_path / "run")
        workspace.fixtures.mkdir(parents=True, exist_ok=True)
        forget()
        RunSpec.from_dict({**SPEC.to_dict(), **options}).write_json(workspace.spec_path)
        return recording_key(side, "blocks", workspace, depends={"inputs": "a"})

    return make


def test_nothing_changed_nothing_is_recorded_again(key):
    assert key() == key()
    assert key(gates=["config"]) == key(), "which gates were asked for does not matter"


@pytest.fixture
def reads(project: Path) -> dict[tuple[str, str], set[Path]]:
    """Every recorder with the files that its key must follow: what it imports, and its side's whole package."""
    found = {
        (side, gate): walk_imports(project, side, gate) | set((project / PACKAGES[side]).rglob("*.py"))
        for side, gate in RECORDERS
    }
    assert len(found) >= 15
    assert all(len(files) > 20 for files in found.values())
    return found


def test_a_key_follows_every_module_that_its_recorder_imports_and_no_other(project: Path, reads):
    for (side, gate), files in reads.items():
        names = ("parity.recorder", f"parity.sides.{side}", f"parity.gates.{gate}.{side}")
        package = set((project / PACKAGES[side]).rglob("*.py"))
        assert imports.imported_files(project, *names) | package == files, (side, gate)


def test_one_byte_more_in_a_module_makes_the_recordings_stale_that_it_makes(project: Path, reads):
    forget()
    before = {recorder: reuse.hash_code(*recorder) for recorder in RECORDERS}
    counted = 0
    for path in sorted(project.rglob("*.py")):
        content = path.read_bytes()
        path.write_bytes(content + b"#")
        reuse.hash_code.cache_clear()
        for reader in (True, False):  # one recorder of each side that imports it, and one that does not
            asked = {side: (side, gate) for (side, gate), files in reads.items() if (path in files) == reader}
            for recorder in asked.values():
                assert (reuse.hash_code(*recorder) != before[recorder]) == reader, (path, recorder)
                counted += reader
        path.write_bytes(content)
    assert counted > len({path for files in reads.values() for path in files})


def test_an_import_inside_a_function_and_a_relative_one_count(project: Path):
    recorder, measurement = project / "parity/gates/decode/port.py", project / "parity/measurement.py"
    forget()
    before = reuse.hash_code("port", "decode")
    for line in ("from parity import measurement", "from ...measurement import Worst", "import parity.measurement"):
        recorder.write_text(f"def record(side, out):\n    {line}\n")
        forget()
        found = reuse.hash_code("port", "decode")
        assert found != before
        content = measurement.read_bytes()
        measurement.write_bytes(content + b"#")
        forget()
        assert reuse.hash_code("port", "decode") != found, line
        measurement.write_bytes(content)


def test_a_recorder_imports_by_name_only_what_the_key_names(project: Path):
    """An import whose module is worked out when it runs is not found by reading; the recorder's own two are given."""
    files = {path for recorder in RECORDERS for path in walk_imports(project, *recorder)}
    found = {path for path in files if {"import_module", "__import__", "exec"} & set(re.findall(r"\w+", path.read_text()))}
    assert found == {project / "parity/recorder.py"}
    assert (project / "parity/recorder.py").read_text().count("import_module(") == 2


def edited(path: Path, hash_now: Callable[[], str]) -> str:
    """Return the hash with one byte more in a file."""
    content = path.read_bytes()
    path.write_bytes(content + b"#")
    found = hash_now()
    path.write_bytes(content)
    return found


@pytest.mark.skipif(legacy_is_gone(PROJECT), reason="the demo is trained by the legacy")
def test_a_demo_is_made_again_when_anything_changes_that_makes_it(project: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cache, "PROJECT", project)
    finder = ModuleFinder(path=[str(project)])
    for name in ("parity.demo.cohort", "parity.demo.checkpoint"):
        finder.import_hook(name)
    makes = {Path(module.__file__) for module in finder.modules.values() if module.__file__}
    assert {"cohort.py", "drawing.py", "training.py", "settling.py", "kernels.py", "errors.py"} <= {path.name for path in makes}
    makes |= {project / "parity/demo/cache.py", *(project / "legacy_tf").rglob("*.py")}  # the options stand in the first
    before = [cache_folder(which).name for which in (DEMO, GUARD)]
    for path in project.rglob("*.py"):
        for which, name in zip((DEMO, GUARD), before, strict=True):
            assert (edited(path, lambda which=which: cache_folder(which).name) != name) == (path in makes), path


def test_a_scorecard_is_of_one_harness_and_of_both_sides(project: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scorecard, "PROJECT", project)
    shutil.copyfile(PROJECT / "gates.toml", project / "gates.toml")
    before = scorecard.hash_code()
    files = [project / "gates.toml", *project.rglob("*.py")]
    for path in files:
        assert (edited(path, scorecard.hash_code) != before) == (path.relative_to(project).parts[0] != "benchmarks"), path


@pytest.mark.parametrize(
    ("file", "port", "legacy"),
    [("torch_port/figures.py", True, False), ("requirements-torch.txt", True, False), ("requirements-tf.txt", False, True)],
)
def test_an_edited_file_makes_its_side_stale(project: Path, key, file: str, port: bool, legacy: bool):
    before = key("port"), key("legacy")
    (project / file).write_text("# two")
    assert (key("port") != before[0], key("legacy") != before[1]) == (port, legacy)


def test_a_new_module_of_the_port_makes_it_stale(project: Path, key):
    before = key()
    (project / "torch_port" / "extra.py").write_text("")
    assert key() != before


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("data_sha256", "9"),
        ("checkpoint_sha256", "9"),
        ("image_scale", 0.1),
        ("images", 3),
        ("device", "cuda"),
        ("split_sha256", "9"),
    ],
)
def test_another_input_or_option_makes_it_stale(key, option: str, value: object):
    assert key(**{option: value}) != key()


@pytest.mark.parametrize("name", ["FLAGS", "INSTALLED"])
def test_another_flag_or_installed_version_makes_it_stale(key, monkeypatch: pytest.MonkeyPatch, name: str):
    before = key()
    monkeypatch.setattr(reuse, name, {"name": "another"})
    assert key() != before


def test_flags_are_those_of_the_start(key, monkeypatch: pytest.MonkeyPatch):
    """tensorflow sets variables of its own while it is imported, in the middle of a recording."""
    before = key()
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    assert key() == before


def test_another_fixture_makes_it_stale(key, tmp_path: Path):
    before = key()
    (tmp_path / "run" / "fixtures" / "a.jpg").write_bytes(b"x")
    assert key() != before


def test_code_edited_during_a_run_is_not_credited(project: Path, key):
    before = reuse.hash_code("port", "blocks")
    (project / "torch_port" / "model.py").write_text("# two")
    assert reuse.hash_code("port", "blocks") == before


def test_a_gate_that_raised_is_tried_again(tmp_path: Path):
    folder = tmp_path / "port" / "blocks"
    with RecordingWriter(folder, key="k") as out:
        out.write_value("error", "RuntimeError: out of memory")
    assert not is_current(folder, "k")


def test_only_a_whole_recording_with_the_same_key_is_current(tmp_path: Path):
    folder = tmp_path / "port" / "blocks"
    assert not is_current(folder, "k")
    with RecordingWriter(folder, key="k") as out:
        out.write_array("a", np.zeros(3), "C")
    assert is_current(folder, "k")
    assert not is_current(folder, "other")
    (folder / "00000.npy").unlink()
    assert not is_current(folder, "k")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["key"] == "k"


def test_the_lock_is_that_of_what_is_installed(key, project: Path, monkeypatch: pytest.MonkeyPatch):
    """On a machine with a GPU the legacy's environment comes from another lock."""
    cuda, usual = project / "requirements-tf-cuda.txt", project / "requirements-tf.txt"
    cuda.write_text("one")
    monkeypatch.setattr(reuse, "INSTALLED", {"tensorflow": "2.15.1"})
    assert reuse.find_lock("legacy") == usual.name
    before = key("legacy")
    cuda.write_text("two")
    assert key("legacy") == before
    monkeypatch.setattr(reuse, "INSTALLED", {"tensorflow": "2.15.1", "nvidia-cudnn-cu12": "8.9.4.25"})
    assert reuse.find_lock("legacy") == cuda.name
    assert reuse.find_lock("port") == "requirements-torch.txt"
    before = key("legacy")
    usual.write_text("two")
    assert key("legacy") == before
    cuda.write_text("three")
    assert key("legacy") != before
