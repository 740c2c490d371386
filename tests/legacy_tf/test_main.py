"""The command line: what it writes, what it says, how it ends."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics

from legacy_tf import commands, generator, models, traintest
from legacy_tf.__main__ import main

from .conftest import ROWS, image_name, write_metadata

SCALE = "0.04"  # 48x64


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory) -> Path:
    """Two epochs of training from random weights."""
    out = tmp_path_factory.mktemp("trained")
    arguments = [
        "train",
        "--data",
        str(dataset),
        "--image-scale",
        SCALE,
        "--weights",
        "none",
        "--epochs",
        "2",
        "--seed",
        "1",
    ]
    assert main([*arguments, "--out", str(out)]) == 0
    return out


def read_predictions(path: Path) -> tuple[list[str], np.ndarray]:
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["image", "aca", "nor", "scc"]
    return [row[0] for row in rows], np.array([row[1:] for row in rows], np.float32)


def test_train_writes_weights_curves_history_and_figures(trained):
    assert {path.name for path in trained.iterdir()} == {
        ".legacy_tf-train.sha256",
        "best_weights.index",
        "best_weights.data-00000-of-00001",
        "checkpoint",
        "curves.png",
        "history.json",
        "metrics.json",
        "predictions.csv",
    }
    history = json.loads((trained / "history.json").read_text())
    assert len(history["val_loss"]) == 2
    assert {"loss", "lr", "metrics/MCC", "val_metrics/P@R_99"} <= set(history)


@pytest.mark.parametrize("name", ["run [1]", "run{x}"])
def test_a_folder_that_keras_takes_for_a_pattern_is_refused_before_training(dataset, tmp_path, capsys, name):
    """It could be written, and not be read again."""
    assert main(["train", "--data", str(dataset), "--out", str(tmp_path / name)]) == 2
    assert "must be a path that Keras does not take for a pattern" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seed", ["-1", "4294967296"])
def test_a_seed_that_numpy_does_not_take(dataset, tmp_path, capsys, seed):
    with pytest.raises(SystemExit) as ended:
        main(["gradcam", "--data", str(dataset), "--checkpoint", "x", "--out", str(tmp_path), f"--seed={seed}"])
    assert ended.value.code == 2
    assert "must be a whole number from 0 to 2**32 - 1" in capsys.readouterr().err


def test_a_class_without_training_images_is_refused_before_training(dataset, tmp_path, capsys):
    split = tmp_path / "own.csv"
    split.write_text("patient_id,split\n2,train\n4,train\n1,val\n9,test\n")
    assert main(["train", "--data", str(dataset), "--split", str(split), "--out", str(tmp_path / "out")]) == 2
    assert "training images must be of every class, got none of nor" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def evaluated(dataset, trained, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("evaluated")
    arguments = [
        "evaluate",
        "--data",
        str(dataset),
        "--checkpoint",
        str(trained),
        "--image-scale",
        SCALE,
        "--out",
        str(out),
    ]
    assert main([*arguments, "--splits", "test,val", "--images", "2"]) == 0
    return out


def test_evaluate_writes_rows_in_the_order_asked_for_and_agrees_with_train(evaluated, trained):
    names, probabilities = read_predictions(evaluated / "predictions.csv")
    assert names == [image_name(ROWS[number]) for number in (6, 7, 3, 4)]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    all_names, all_probabilities = read_predictions(trained / "predictions.csv")
    assert all_names == [image_name(row) for row in ROWS[3:]]
    order = [all_names.index(name) for name in names]
    np.testing.assert_allclose(probabilities, all_probabilities[order], rtol=1e-5)


def test_evaluate_writes_figures_and_null_for_an_undefined_auc(evaluated):
    written = json.loads((evaluated / "metrics.json").read_text())
    _, probabilities = read_predictions(evaluated / "predictions.csv")
    assert list(written) == ["test", "val"]
    predicted = probabilities[:2].argmax(axis=1)
    assert written["test"] == {
        "n": 2,
        "roc_auc": None,
        "accuracy": metrics.accuracy_score([0, 1], predicted),
        "precision": metrics.precision_score([0, 1], predicted, average="macro", zero_division=0),
        "recall": metrics.recall_score([0, 1], predicted, average="macro", zero_division=0),
        "confusion_matrix": metrics.confusion_matrix([0, 1], predicted, labels=[0, 1, 2], normalize="true").tolist(),
    }


def test_gradcam_writes_overlays_and_maps(dataset, trained, tmp_path, capsys):
    arguments = [
        "gradcam",
        "--data",
        str(dataset),
        "--checkpoint",
        str(trained / "best_weights"),
        "--image-scale",
        SCALE,
    ]
    assert main([*arguments, "--samples", "3", "--splits", "val", "--seed", "3", "--out", str(tmp_path / "out")]) == 0
    stems = {Path(image_name(row)).stem for row in ROWS[3:6]}
    made = {stem + end for stem in stems for end in (".png", ".npz")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {".legacy_tf-gradcam.sha256", *made}
    for stem in stems:
        with Image.open(tmp_path / "out" / f"{stem}.png") as overlay:
            assert overlay.size == (64, 48)
        with np.load(tmp_path / "out" / f"{stem}.npz", allow_pickle=False) as maps:
            assert maps["raw"].shape == maps["normalised"].shape == (2, 2)
            assert maps["resized"].shape == (48, 64)
    assert "wrote 3 overlays" in capsys.readouterr().out


@pytest.fixture
def loaded(model, monkeypatch):
    """Commands take the session's model instead of building and loading one."""
    monkeypatch.setattr(commands, "_trained_model", lambda options, num_classes: model)


def test_gradcam_says_where_a_map_is_dead(dataset, loaded, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(commands.gradcam, "raw_gradcam_heatmap", lambda *_: np.full((2, 2), -1.0))
    arguments = ["gradcam", "--data", str(dataset), "--checkpoint", "x", "--image-scale", SCALE]
    assert main([*arguments, "--samples", "1", "--out", str(tmp_path)]) == 0
    assert "nothing speaks for the predicted class" in capsys.readouterr().out


def test_export_writes_the_npz(trained, tmp_path, capsys):
    assert main(["export", str(trained), "--out", str(tmp_path / "legacy.npz")]) == 0
    assert "wrote 274 tensors" in capsys.readouterr().out
    with np.load(tmp_path / "legacy.npz", allow_pickle=False) as arrays:
        assert len(arrays.files) == 274


def refuse(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Standard error of a command that has to end with exit code 2 and one message."""
    capsys.readouterr()
    try:
        code = main(list(arguments))
    except SystemExit as ended:  # argparse
        code = ended.code
    captured = capsys.readouterr()
    assert code == 2
    assert "Traceback" not in captured.err
    return captured.err


def test_bad_data_is_one_message(capsys, tmp_path):
    error = refuse(capsys, "evaluate", "--data", "nowhere", "--checkpoint", "x.h5", "--out", str(tmp_path / "out"))
    assert error.startswith("error: `nowhere` must be a folder, got nothing of that kind there")
    assert not (tmp_path / "out").exists()


def test_bad_checkpoint_is_one_message(capsys, dataset, tmp_path):
    error = refuse(
        capsys,
        "evaluate",
        "--data",
        str(dataset),
        "--checkpoint",
        "x.h5",
        "--image-scale",
        SCALE,
        "--out",
        str(tmp_path / "out"),
    )
    assert error == "error: checkpoint `x.h5` must be a file or a folder, got nothing there\n"
    assert not (tmp_path / "out").exists()


def test_wrong_class_count(capsys, trained, tmp_path):
    error = refuse(capsys, "export", str(trained), "--out", str(tmp_path / "x.npz"), "--num-classes", "4")
    assert "with 4 classes, got 2 of another shape" in error
    assert not (tmp_path / "x.npz").exists()


def test_patients_outside_the_published_split(capsys, own_dataset, tmp_path):
    write_metadata(own_dataset, (*ROWS, ("nor", "", "20x", "9", 99)))
    error = refuse(capsys, "evaluate", "--data", str(own_dataset), "--checkpoint", "x.h5", "--out", str(tmp_path))
    assert "got 99 in" in error
    assert "use --split random" in error


def test_no_gpu(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(commands.tf.config, "list_physical_devices", lambda kind: [])
    error = refuse(capsys, "evaluate", "--data", "x", "--checkpoint", "x", "--out", str(tmp_path), "--device", "cuda")
    assert "`--device` must be a device that TensorFlow sees, got 'cuda' where it sees no GPU; use --device cpu" in error


def test_imagenet_weights_without_internet(capsys, monkeypatch, dataset, tmp_path):
    def fail(*_: object, **__: object) -> None:
        raise Exception("URL fetch failure on https://example.org/weights.h5: None -- Name or service not known")

    monkeypatch.setattr(models, "resnet_model", fail)
    error = refuse(capsys, "train", "--data", str(dataset), "--image-scale", SCALE, "--out", str(tmp_path))
    assert "got 'imagenet', which could not be downloaded (URL fetch failure" in error
    assert "give --weights FILE, or --weights none" in error


def test_weights_that_are_no_file(capsys, dataset, tmp_path):
    error = refuse(
        capsys, "train", "--data", str(dataset), "--image-scale", SCALE, "--out", str(tmp_path), "--weights", "no.h5"
    )
    assert "`--weights` must be imagenet, none or a weights file" in error
    assert "got 'no.h5', which could not be loaded" in error


def test_training_that_never_has_a_finite_loss(capsys, monkeypatch, dataset, tmp_path):
    def fail(*_: object) -> None:
        raise commands.tf.errors.NotFoundError(None, None, "no best_weights")

    monkeypatch.setattr(traintest, "train_model", fail)
    monkeypatch.setattr(models, "get_model", lambda *_, **__: (None, models.NAME))
    monkeypatch.setattr(traintest, "compile_model", lambda *_: None)
    error = refuse(capsys, "train", "--data", str(dataset), "--image-scale", SCALE, "--out", str(tmp_path), "--weights", "none")
    assert "validation loss must be finite in some epoch, got none" in error


def test_an_error_of_ours_is_not_blamed_on_the_input(monkeypatch, dataset, tmp_path):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(models, "get_model", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["train", "--data", str(dataset), "--image-scale", SCALE, "--out", str(tmp_path), "--weights", "none"])


def test_more_samples_than_images(capsys, dataset, tmp_path):
    error = refuse(capsys, "gradcam", "--data", str(dataset), "--checkpoint", "x", "--samples", "4", "--out", str(tmp_path))
    assert "`--samples` must be at most the 3 images of test, got 4" in error


@pytest.mark.parametrize("layer", ["conv9", "prev_dense"])
def test_a_layer_without_maps(capsys, dataset, loaded, tmp_path, layer):
    arguments = ["--data", str(dataset), "--checkpoint", "x", "--image-scale", SCALE, "--out", str(tmp_path)]
    error = refuse(capsys, "gradcam", *arguments, "--samples", "1", "--layer", layer)
    assert f"`--layer` must be a layer of the model that yields maps, got '{layer}'" in error


def test_out_that_is_a_file(capsys, dataset, loaded, tmp_path):
    (tmp_path / "taken").write_text("")
    arguments = ["--data", str(dataset), "--checkpoint", "x", "--image-scale", SCALE]
    error = refuse(capsys, "evaluate", *arguments, "--out", str(tmp_path / "taken"))
    assert "`--out` must be a folder that can be made" in error


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--images", "0"),
        ("--batch-size", "-1"),
        ("--splits", "val,dev"),
        ("--splits", "val,val"),
        ("--resolution", "10x"),
    ],
)
def test_options_out_of_range(capsys, tmp_path, option, value):
    error = refuse(capsys, "evaluate", "--data", "x", "--checkpoint", "x", "--out", str(tmp_path), option, value)
    assert f"argument {option}" in error


def test_interruption(monkeypatch, capsys, tmp_path):
    def interrupt(options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "run_export", interrupt)
    assert main(["export", "x", "--out", str(tmp_path / "x.npz")]) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"


def test_a_process_of_its_own_says_nothing_but_the_message(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name not in ("TF_CPP_MIN_LOG_LEVEL", "MPLBACKEND")}
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "legacy_tf",
            "evaluate",
            "--data",
            "nowhere",
            "--checkpoint",
            "x",
            "--out",
            str(tmp_path),
        ],
        cwd=Path(generator.__file__).parents[1],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: `nowhere` must be a folder, got nothing of that kind there; give --data")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [(), ("train",), ("evaluate",), ("gradcam",), ("export",)])
def test_help(capsys, command):
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert "python -m legacy_tf" in capsys.readouterr().out
