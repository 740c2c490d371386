"""Each well-known mistake, made in a copy of the port, must FAIL at the right gate and place."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Finished, Project, copy_run, run_parity

MISTAKES = {
    "batch norm epsilon 1e-5": (
        ("torch_port/model.py", "BATCH_NORM_EPSILON = 1.001e-5", "BATCH_NORM_EPSILON = 1e-5"),
        "blocks",
        "blocks/float64/conv2/block1/out/",
    ),
    "ImageNet normalisation": (
        (
            "torch_port/transforms.py",
            "transforms = [A.Resize(*input_size(percent_resize)), A.ToFloat(max_value=MAX_LEVEL)]",
            "transforms = [A.Resize(*input_size(percent_resize)), A.Normalize()]",
        ),
        "preprocess",
        "preprocess/exact/batch/sha256",
    ),
    "max pool padded with minus infinity": (
        (
            "torch_port/model.py",
            "nn.Sequential(nn.ZeroPad2d(1), nn.MaxPool2d(3, stride=2))",
            "nn.Sequential(nn.MaxPool2d(3, stride=2, padding=1))",
        ),
        "blocks",
        "blocks/float64/stem/pool/",
    ),
    "a kernel transposed wrongly": (
        (
            "torch_port/weights.py",
            "tensors[row.port] = tensor.permute(row.axes)",
            "tensors[row.port] = tensor.permute((3, 2, 1, 0) if row.legacy == 'conv3_block2_2_conv/kernel' else row.axes)",
        ),
        "weights",
        "weights/exact/conv3_block2_2_conv/kernel/elements",
    ),
    "class order of the labels": (
        (
            "torch_port/metadata.py",
            "for index, name in enumerate(class_names)}",
            "for index, name in enumerate([*class_names[1::-1], *class_names[2:]])}",
        ),
        "loader",
        "loader/exact/train/labels",
    ),
    "class order of the head's columns": (
        (
            "torch_port/weights.py",
            "tensors[row.port] = tensor.permute(row.axes)",
            "tensors[row.port] = tensor.permute(row.axes)[[1, 0, 2] if row.legacy == 'last_dense/kernel' else slice(None)]",
        ),
        "weights",
        "weights/exact/last_dense/kernel/elements",
    ),
}


# What a forward fault can show in: the evaluate commands and Grad-CAM come after the place of every mistake here.
FORWARD_GATES = "config,numerics,decode,preprocess,loader,weights,blocks,inference"


def run_broken(project: Project, baseline: Finished, words, tmp_path: Path, gates: str = FORWARD_GATES) -> Finished:
    """Run the broken copy on a copy of the recorded run: the legacy's recordings are still good, the port's are not."""
    folder = copy_run(baseline.folder, tmp_path / "run")
    before = (folder / "legacy" / "blocks" / "manifest.json").stat().st_ino
    finished = run_parity(folder, [*words, "--gates", gates], project=project.folder)
    assert (folder / "legacy" / "blocks" / "manifest.json").stat().st_ino == before
    return finished


# `test_faults.py` plants them in a running port, `test_golden.py` breaks one in its file; here each takes half a minute.
@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_port_fails_at_its_place(project: Project, baseline: Finished, words, tmp_path: Path, mistake: str):
    edit, gate, check = MISTAKES[mistake]
    project.edit(*edit)
    finished = run_broken(project, baseline, words, tmp_path)
    assert finished.code == 1, finished.stdout + finished.stderr
    place = finished.report["place"]
    assert place["gate"] == gate, place
    assert place["check"].startswith(check), place
    assert f"first failing gate: {gate}" in finished.stdout


@pytest.mark.slow
def test_torchvision_resnet50_is_called_a_different_function(baseline: Finished, words, tmp_path: Path):
    folder = copy_run(baseline.folder, tmp_path / "run")
    finished = run_parity(folder, [*words, "--arch", "torchvision_resnet50"])
    assert finished.code == 1, finished.stderr
    assert finished.report["place"]["gate"] == "weights"
    assert finished.verdicts()["blocks"] == "FAIL"
    assert finished.gate("blocks")["follows_from"] == "weights"


@pytest.mark.slow
def test_config_names_the_parameter_before_the_gate_that_fails(project: Project, baseline: Finished, words, tmp_path: Path):
    project.edit("torch_port/model.py", "DROPOUT = 0.5", "DROPOUT = 0.3")
    finished = run_broken(project, baseline, words, tmp_path)
    assert finished.code == 1
    assert finished.report["place"]["gate"] == "inference"
    assert "config names network/dpout/rate" in finished.report["place"]["words"]


def test_a_port_that_raises_is_a_finding(project: Project, baseline: Finished, words, tmp_path: Path):
    project.edit("torch_port/gradcam.py", "def raw_gradcam_heatmap(", "def removed(")
    finished = run_broken(project, baseline, words, tmp_path, gates="gradcam")
    assert finished.code == 1, finished.stderr
    assert finished.verdicts()["gradcam"] == "FAIL"


@pytest.mark.slow
def test_a_changed_frozen_module_fails_at_freeze(project: Project, baseline: Finished, words, tmp_path: Path):
    path = project.folder / "legacy_tf" / "utils.py"
    path.write_text(path.read_text() + "\n")
    folder = copy_run(baseline.folder, tmp_path / "run")
    finished = run_parity(folder, [*words, "--gates", "freeze"], project=project.folder)
    assert finished.code == 1, finished.stderr
    assert finished.report["place"]["gate"] == "freeze"
    assert "legacy_tf/utils.py" in finished.report["place"]["words"]


def test_a_recording_cut_short_fails(baseline: Finished, words, tmp_path: Path):
    folder = copy_run(baseline.folder, tmp_path / "run")
    victim = max((folder / "port" / "blocks").glob("*.npy"), key=lambda path: path.stat().st_size)
    content = victim.read_bytes()
    victim.unlink()  # the original is linked: write a new file
    victim.write_bytes(content[:-64])
    finished = run_parity(folder, [*words, "--gates", "blocks"])
    assert finished.code == 1
    assert finished.report["place"]["gate"] == "blocks"
    assert "cannot be read" in finished.report["place"]["words"]
