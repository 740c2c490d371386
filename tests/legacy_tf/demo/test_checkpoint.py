"""Both commands of parity.demo.checkpoint, on a small cohort at a small scale."""

import json

import h5py
import numpy as np
import pytest
import tensorflow as tf

from legacy_tf import gradcam
from legacy_tf.generator import PUBLISHED_PATIENTS
from parity.demo import checkpoint, cohort, settling, training
from tests.places import FULL_DISKS, contents_of, full_disk

SCALE = 0.08

# Keras 2.15 draws the seeds of its initialisers with randint(1, 1e9) once a global seed is set.
pytestmark = pytest.mark.filterwarnings("ignore:non-integer arguments to randrange:DeprecationWarning")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    cohort.make_cohort(folder, 17, {"train": 9, "val": 3, "test": 3})
    return folder


@pytest.fixture(scope="module")
def fitted(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("fitted") / "head.h5"
    code = checkpoint.main(["fit-head", "--data", str(data), "--out", str(out), "--image-scale", str(SCALE)])
    assert code == 0
    return out


@pytest.fixture(scope="module")
def model(fitted):
    built = training.build_model(3, SCALE)
    built.load_weights(str(fitted))
    return built


def read_arrays(path):
    arrays = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return arrays


def test_cohort_has_the_patients_of_the_frozen_split():
    assert tuple(map(list, cohort.PATIENTS.values())) == PUBLISHED_PATIENTS[cohort.RESOLUTION]


def test_fit_head_tells_training_images_apart_without_saturation(model, data):
    found = checkpoint.judge_model(model, data, SCALE, {"resolution": "20x", "split": "published"})
    assert found["train"]["accuracy"] > 0.8
    assert sum(found["val"]["predicted"][name] + found["test"]["predicted"][name] > 0 for name in cohort.CLASSES) > 1
    for split in found.values():
        assert split["max_probability"] < 0.999
        assert split["n"] == sum(split["predicted"].values())


def test_fit_head_weights_are_whole_and_sane(fitted):
    arrays = read_arrays(fitted)
    assert len(arrays) == 274
    assert all(np.isfinite(array).all() for array in arrays.values())
    variances = np.concatenate([array for name, array in arrays.items() if "moving_variance" in name])
    assert variances.min() > 0
    assert np.abs(variances - 1).max() > 0.1


def test_fit_head_is_deterministic(fitted, data, tmp_path, capsys):
    out = tmp_path / "again.h5"
    arguments = ["fit-head", "--data", str(data), "--out", str(out), "--image-scale", str(SCALE)]
    assert checkpoint.main(arguments) == 0
    first, second = read_arrays(fitted), read_arrays(out)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["step"] for line in lines} == {"settle", "head", "evaluate", "result"}
    assert all(line["done"] <= line["of"] for line in lines[:-1])
    assert {path.name for path in tmp_path.iterdir()} == {out.name, ".legacy_tf-demo.checkpoint.sha256"}


def test_gradcam_maps_are_alive(model, data):
    size = model.input_shape[1:3]
    maps = [
        gradcam.raw_gradcam_heatmap(gradcam.get_img_array(path, size), model, gradcam.LAST_CONV_LAYER)
        for path in sorted((data / "images").rglob("*.jpg"))[::3]
    ]
    assert sum(np.max(raw) <= 0 for raw in maps) <= 1


def test_train_runs_and_refuses_a_checkpoint_that_proves_nothing(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(training, "plan_stages", lambda scale: [training.Stage(scale=scale, epochs=1, learning_rate=1e-4)])
    monkeypatch.setattr(training, "SETTLE_BATCHES", 1)
    monkeypatch.setattr(training, "HEAD_BATCHES", 1)
    # No checkpoint is better than perfect: this one is refused for certain.
    monkeypatch.setattr(checkpoint, "MIN_ACCURACY", 1.0)
    out = tmp_path / "demo.h5"
    assert checkpoint.main(["train", "--data", str(data), "--out", str(out), "--image-scale", str(SCALE)]) == 1
    captured = capsys.readouterr()
    steps = [json.loads(line)["step"] for line in captured.out.splitlines()]
    assert list(dict.fromkeys(steps)) == ["train", "settle", "head", "evaluate", "result"]
    assert "test accuracy" in captured.err
    assert not out.exists()


def test_bad_input_is_one_message_and_code_2(tmp_path, capsys):
    out = tmp_path / "demo.h5"
    assert checkpoint.main(["fit-head", "--data", str(tmp_path / "absent"), "--out", str(out)]) == 2
    assert "absent" in capsys.readouterr().err
    assert not out.exists()


def test_somebodys_file_is_refused_before_anything_is_trained(data, tmp_path, capsys):
    out = tmp_path / "demo.h5"
    out.write_text("somebody's")
    for command in ("train", "fit-head"):
        assert checkpoint.main([command, "--data", str(data), "--out", str(out)]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert "must be a folder without files that this command would replace and has not made, got demo.h5 in" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["demo.h5"]
    assert out.read_text() == "somebody's"


@pytest.mark.parametrize("kind", FULL_DISKS)
def test_on_a_full_disk_the_checkpoint_from_before_stays(data, fitted, kind, capsys, monkeypatch):
    monkeypatch.setattr(checkpoint, "FIT_HEAD_STEPS", 2)
    monkeypatch.setattr(checkpoint, "MIN_ACCURACY", -1.0)
    before = contents_of(fitted.parent)
    with full_disk(fitted.parent, kind, 1 << 20):
        assert checkpoint.main(["fit-head", "--data", str(data), "--out", str(fitted), "--image-scale", str(SCALE)]) == 2
        assert contents_of(fitted.parent) == before
    assert "`--out` must be a place that can be written, got " in capsys.readouterr().err


def test_weaknesses_are_named():
    def predicted(aca, nor, scc):
        return {"accuracy": 0.7, "predicted": {"aca": aca, "nor": nor, "scc": scc}}

    found = {"val": predicted(3, 0, 0), "test": predicted(2, 1, 0)}
    first, second = checkpoint.list_weaknesses(found, "test", 3)
    assert first == "test accuracy 0.700 is not above 0.8"
    assert "{'aca': 5, 'nor': 1, 'scc': 0}" in second
    assert len(checkpoint.list_weaknesses(found, "test", 2)) == 1


def test_large_images_start_small_and_small_ones_do_not():
    assert [stage.scale for stage in training.plan_stages(0.25)] == [0.1, 0.25]
    assert [stage.scale for stage in training.plan_stages(0.08)] == [0.08]


def test_settled_moving_averages_are_the_mean_of_the_batch_statistics():
    """Oracle: numpy means and variances of two batches through one layer."""
    inputs = tf.keras.Input((None, None, 3))
    layer = tf.keras.layers.BatchNormalization(momentum=0.99)
    model = tf.keras.Model(inputs, layer(inputs))
    rng = np.random.default_rng(0)
    batches = [(rng.normal(k, 1 + k, (2, 4, 5, 3)).astype(np.float32), np.zeros((2, 3), np.float32)) for k in range(2)]
    passes = []
    settling.settle_moving_averages(model, batches, passes.append)
    mean = np.mean([images.mean(axis=(0, 1, 2)) for images, _ in batches], axis=0)
    variance = np.mean([images.var(axis=(0, 1, 2), ddof=1) for images, _ in batches], axis=0)
    np.testing.assert_allclose(layer.moving_mean.numpy(), mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.moving_variance.numpy(), variance, rtol=1e-5)
    assert layer.momentum == 0.99
    assert passes == [1, 2]


def test_batches_pass_over_the_generator_again_when_it_is_short():
    generator = [("first", 0), ("second", 1)]
    assert [images for images, _ in settling.make_batches(generator, 3)] == ["first", "second", "first"]


def test_centred_head_starts_with_unit_hidden_values():
    inputs = tf.keras.Input((2048,))
    model = tf.keras.Model(inputs, tf.keras.layers.Dense(256, name="prev_dense")(inputs))
    features = np.random.default_rng(0).uniform(0.9, 1.1, (12, 2048)).astype(np.float32)
    settling.centre_head(model, features)
    kernel, bias = model.get_layer("prev_dense").get_weights()
    hidden = features @ kernel + bias
    np.testing.assert_allclose(hidden.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(hidden.std(axis=0), 1, atol=1e-2)
