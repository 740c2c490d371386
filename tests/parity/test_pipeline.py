"""Options, disk, device and checkpoint, before anything is recorded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from parity import devices, disk, pipeline
from parity.artefact import ArtefactError
from parity.contract import GATES, PROFILES, RunSpec
from parity.dataset import DatasetFacts
from parity.disk import check_disk, needed_bytes
from parity.errors import BadInputError
from parity.pipeline import Options, choose_device, make_spec
from parity.signoff.retired import legacy_is_gone
from parity.tolerance import read_gates_file
from parity.workspace import PROJECT, Case, Workspace, balanced

FACTS = DatasetFacts(images=24, sha256="0")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "weights.h5"
    path.write_bytes(b"weights")
    return path


def spec(checkpoint: Path, **options: object) -> RunSpec:
    gates_file = read_gates_file(PROJECT / "gates.toml")
    return make_spec(Options(**{"device": "cpu", **options}), checkpoint.parent, FACTS, checkpoint, gates_file)


def test_defaults_are_filled_in(checkpoint: Path):
    quick = spec(checkpoint)
    assert (quick.height_px, quick.width_px, quick.images) == (300, 400, None)
    assert (quick.resolution, quick.split, quick.splits) == ("20x", "published", ("val", "test"))
    assert "throughput" in quick.gates
    probe = spec(checkpoint, profile="probe")
    assert (probe.height_px, probe.width_px, probe.images) == (96, 128, 3)
    assert spec(checkpoint, profile="probe", images=7).images == 7


def test_sizes_are_cut_off_as_the_legacy_does(checkpoint: Path):
    assert spec(checkpoint, image_scale=0.2549).height_px == 305


def test_a_spec_comes_back_from_its_file(checkpoint: Path, tmp_path: Path):
    made = spec(checkpoint)
    made.write_json(tmp_path / "spec.json")
    assert RunSpec.read_json(tmp_path / "spec.json") == made


def test_a_gate_brings_the_recordings_that_it_reads(checkpoint: Path):
    assert spec(checkpoint, gates=("decisions",)).recorded_gates == ("inference", "decisions")
    everything = spec(checkpoint, gates=tuple(GATES)).recorded_gates
    assert everything == tuple(GATES)


@pytest.mark.parametrize("kind", ["file", "folder", "prefix", "index", "data"])
def test_a_checkpoint_is_hashed_whatever_its_form(tmp_path: Path, kind: str):
    path = tmp_path / "a [new] folder" / "checkpoint [1]"
    index, data = path.with_name(f"{path.name}.index"), path.with_name(f"{path.name}.data-00000-of-00001")
    part = {"file": path, "folder": path / "a" / "b", "prefix": index, "index": data, "data": index}[kind]
    path = {"index": index, "data": data}.get(kind, path)
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(b"one")
    before = pipeline._hash_checkpoint(path)
    part.write_bytes(b"two")
    assert pipeline._hash_checkpoint(path) != before


def test_a_missing_checkpoint_and_split_are_bad_input(tmp_path: Path, checkpoint: Path):
    with pytest.raises(BadInputError, match=r"be a Keras checkpoint"):
        spec(tmp_path / "nowhere.h5")
    with pytest.raises(BadInputError, match=r"be published, random or a CSV file"):
        spec(checkpoint, split="nowhere.csv")


def test_too_little_disk_is_told_before_anything_is_written(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    free = type("Usage", (), {"free": 100_000_000})
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: free)
    with pytest.raises(BadInputError, match=r"have 4\.\d GB free, got '0\.1 GB'"):
        check_disk(spec(checkpoint), FACTS, Workspace(tmp_path))


def test_the_disk_estimate_grows_with_what_is_asked_for(checkpoint: Path):
    quick = needed_bytes(spec(checkpoint), 24)
    assert 2e9 < quick < 4.5e9, "the demo's limit"
    assert needed_bytes(spec(checkpoint, profile="probe"), 24) < quick < needed_bytes(spec(checkpoint, profile="full"), 24)
    assert needed_bytes(spec(checkpoint), 691) - quick == pytest.approx((691 - 24) * 300 * 400 * 3 * 4)


@pytest.mark.parametrize("name", ["nvidia0", "nvidia3", "dxg"])  # a container may hold any GPU of its machine
def test_a_gpu_is_used_only_where_there_is_one(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(devices, "DEVICES", tmp_path)
    (tmp_path / "nvidiactl").touch()
    assert choose_device(None) == "cpu"
    with pytest.raises(BadInputError, match=r"use --device cpu"):
        choose_device("cuda")
    (tmp_path / name).touch()
    assert choose_device(None) == "cuda"
    assert choose_device("cpu") == "cpu"


def test_the_same_options_come_back_to_the_same_folder(tmp_path: Path):
    assert Options().folder == PROJECT / "runs" / "demo-20x-quick"
    assert Options(data=tmp_path / "my data", resolution="40x").folder.name == "my data-40x-quick"
    assert Options(out=tmp_path / "x").folder == tmp_path / "x"


def test_tap_images_are_balanced_over_classes():
    cases = tuple(Case(f"{i}.jpg", "", "evaluation", i, "val", label, 0, i) for i, label in enumerate([0, 0, 0, 1, 2, 2]))
    assert [case.index for case in balanced(cases, 4)] == [0, 1, 3, 4]
    assert len(balanced(cases, 99)) == 6


def test_every_profile_taps_at_least_one_image_of_each_kind():
    assert all(profile.tap_images >= 1 for profile in PROFILES.values())


def test_what_is_retired_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "legacy_tf" / "__pycache__").mkdir(parents=True)  # git leaves it behind
    monkeypatch.setattr(pipeline, "PROJECT", tmp_path)
    with pytest.raises(BadInputError, match="it is retired"):
        pipeline.run(Options(out=tmp_path / "run"), print)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(legacy_is_gone(PROJECT), reason="legacy_tf is retired: nothing is recorded")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--profile", "slow"], "`--profile` must be one of probe, guard, quick, full, got 'slow'"),
        (["--resolution", "10x"], "`--resolution` must be one of 20x, 40x, got '10x'"),
        (["--arch", "vgg"], "`--arch` must be one of resnet50v2, torchvision_resnet50, got 'vgg'"),
        (["--splits", "val,exam"], "`--splits` must be one of train, val, test, got 'exam'"),
        (["--splits", ","], "`--splits` must name some of"),
        (["--gates", "lockstep,nonsense"], "`--gates` must be one of"),
        (["--device", "tpu"], "`--device` must be one of cpu, cuda, got 'tpu'"),
        (["--data", "nowhere", "--checkpoint", str(PROJECT / "README.md")], "must be a folder with data.csv and images/"),
        (["--data", "nowhere"], "`--checkpoint` must be given with --data"),
        (["--gates", ""], "`--gates` must name some of"),
        (["--image-scale", "0.01"], "`--image-scale` must be from 0.03 to 1, got 0.01"),
        (["--checkpoint", "nowhere"], "`--checkpoint` must be a Keras checkpoint, got"),
        (["--split", "nowhere.csv"], "`--split` must be published, random or a CSV file, got 'nowhere.csv'"),
        (["--witness", "nowhere.csv"], "`predictions` must be a CSV file"),
        (["--images", "0"], "--images"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_a_wrong_word_ends_with_one_message_and_exit_code_2(tmp_path: Path, words: list[str], message: str):
    command = [sys.executable, "-m", "parity", "run", "--out", str(tmp_path / "run"), *words]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "draw tissue" not in done.stderr, "nothing long comes before"
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(legacy_is_gone(PROJECT), reason="legacy_tf is retired: nothing is recorded")
@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("published", "written like 1, got ['001'] in"),
        ("random", "written like 1, got ['001'] in"),
        ("own.csv", "cells separated by semicolons (;) instead of commas"),
    ],
)
def test_a_split_that_the_patients_do_not_allow_is_refused_before_an_image_is_read(tmp_path: Path, split: str, message: str):
    (tmp_path / "data.csv").write_text("superclass,subclass,resolution,image_id,patient_id\nnor,,20x,1,001\n")
    (tmp_path / "own.csv").write_text("patient_id;split\n001;val\n")
    asked = str(tmp_path / split) if split == "own.csv" else split
    words = ["--data", str(tmp_path), "--checkpoint", str(PROJECT / "README.md"), "--split", asked]
    command = [sys.executable, "-m", "parity", "run", "--out", str(tmp_path / "run"), *words]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "run").exists()


def test_help_names_every_option():
    command = [sys.executable, "-m", "parity", "run", "--help"]
    shown = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for option in ("--data", "--checkpoint", "--resolution", "--split", "--splits", "--image-scale", "--images", "--profile"):
        assert option in shown
    for option in ("--arch", "--device", "--witness", "--gates", "--out"):
        assert option in shown


@pytest.mark.parametrize("scale", [0.0, 0.02, 1.5, float("nan"), float("inf")])
def test_an_impossible_scale_is_bad_input(checkpoint: Path, scale: float):
    with pytest.raises(BadInputError, match=r"`--image-scale` must be from 0\.03 to 1"):
        spec(checkpoint, image_scale=scale)


def test_a_folder_that_cannot_be_made_is_bad_input(checkpoint: Path):
    with pytest.raises(BadInputError, match=r"be a folder that can be written"), Workspace(checkpoint).lock():
        pass


def test_a_gate_that_this_run_does_not_record_is_not_read(checkpoint: Path, tmp_path: Path):
    workspace = Workspace(tmp_path)
    spec(checkpoint, gates=("decode",)).write_json(workspace.spec_path)
    with pytest.raises(ArtefactError, match=r"^gradcam is not recorded in this run$"):
        workspace.recording("port", "gradcam")
