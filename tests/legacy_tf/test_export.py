"""Every checkpoint format comes back bit for bit; everything else is refused in a sentence."""

from __future__ import annotations

import pickle
import re
import shutil
import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorflow as tf

from legacy_tf import export, models
from legacy_tf.export import CheckpointError


@pytest.fixture(scope="module")
def weights(model) -> dict[str, np.ndarray]:
    return {export.weight_name(variable): variable.numpy() for variable in model.weights}


@pytest.fixture(scope="module")
def other() -> tf.keras.Model:
    """The model that checkpoints are loaded into."""
    return models.resnet_model(3, (64, 64, 3), weights=None)[0]


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory) -> Path:
    """One folder with the model in every format, with the state of an optimizer where the format keeps it."""
    folder = tmp_path_factory.mktemp("saved")
    model.compile(tf.keras.optimizers.SGD(momentum=0.9))
    model.optimizer.build(model.trainable_variables)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Keras calls .h5 models legacy
        model.save(folder / "model.h5")
    model.save(folder / "model.keras")
    model.save_weights(folder / "plain.h5")
    model.save_weights(folder / "numbered.weights.h5")
    model.save_weights(str(folder / "checkpoint" / "best"))
    model.save(folder / "savedmodel", save_traces=False)  # the traces are 10 s of work that nothing here reads
    return folder


@pytest.fixture(scope="module")
def npz(saved) -> Path:
    assert export.export_checkpoint(saved / "plain.h5", saved / "new folder" / "legacy.npz") == 274
    return saved / "new folder" / "legacy.npz"


@pytest.mark.parametrize(
    "name",
    [
        "plain.h5",
        "numbered.weights.h5",
        "model.h5",
        "model.keras",
        "savedmodel",
        "checkpoint",
        "checkpoint/best",
        "checkpoint/best.index",
        "checkpoint/best.data-00000-of-00001",
    ],
)
def test_round_trip(saved, other, weights, name):
    assert_loads(other, saved / name, weights)


def assert_loads(model, path, weights):
    """A checkpoint must put every weight into a model that had none of them."""
    for variable in model.weights:
        variable.assign(tf.fill(variable.shape, -7.0))
    export.load_checkpoint(model, path)
    for variable in model.weights:
        np.testing.assert_array_equal(variable.numpy(), weights[export.weight_name(variable)])


def test_export_names_float32_arrays_that_load_again(npz, other, weights):
    with np.load(npz, allow_pickle=False) as arrays:
        assert set(arrays.files) == set(weights)
        assert {
            "conv1_conv/kernel",
            "conv4_block2_1_bn/moving_variance",
            "prev_dense/kernel",
            "last_dense/bias",
        } <= set(weights)
        for name in arrays.files:
            assert arrays[name].dtype == np.float32
            np.testing.assert_array_equal(arrays[name], weights[name])
    assert [path.name for path in npz.parent.iterdir()] == ["legacy.npz"]
    export.load_checkpoint(other, npz)


def test_a_folder_without_a_record_of_the_latest(saved, other, weights, tmp_path):
    shutil.copytree(saved / "checkpoint", tmp_path / "moved")
    (tmp_path / "moved" / "checkpoint").unlink()
    assert_loads(other, tmp_path / "moved", weights)


def test_loads_into_float64(npz, weights):
    tf.keras.backend.set_floatx("float64")
    try:
        double, _ = models.resnet_model(3, (64, 64, 3), weights=None)
    finally:
        tf.keras.backend.set_floatx("float32")
    export.load_checkpoint(double, npz)
    kernel = double.get_layer("conv1_conv").kernel.numpy()
    assert kernel.dtype == np.float64
    np.testing.assert_array_equal(kernel, weights["conv1_conv/kernel"])


def refuse(other: tf.keras.Model, path: Path, message: str) -> None:
    before = other.get_weights()
    with pytest.raises(CheckpointError, match=message) as raised:
        export.load_checkpoint(other, path)
    assert len(str(raised.value).splitlines()) == 1
    assert str(path) in str(raised.value) or path.stem in str(raised.value)
    for left, right in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: {n: a for n, a in w.items() if n != "post_bn/gamma"}, "got 1 missing: post_bn/gamma$"),
        (lambda w: w | {"extra/kernel": np.zeros(3)}, "got 1 left over: extra/kernel$"),
        (
            lambda w: w | {"last_dense/kernel": np.zeros((256, 4), np.float32), "last_dense/bias": np.zeros(4, np.float32)},
            r"with 3 classes, got 2 of another shape: last_dense/kernel with \(256, 4\) instead of \(256, 3\), last_dense/bias",
        ),
        (
            lambda w: w | {"conv1_conv/bias": np.full(64, np.nan, np.float32)},
            "got 1 with NaN or infinity: conv1_conv/bias$",
        ),
        (
            lambda w: w | {"conv1_conv/bias": np.full(64, np.inf, np.float32)},
            "got 1 with NaN or infinity: conv1_conv/bias$",
        ),
        (
            lambda w: w | {"conv1_conv/bias": np.zeros(64, np.int32)},
            "got 1 of a type that is no float: conv1_conv/bias$",
        ),
        (lambda w: {}, "got 274 missing: conv1_conv/kernel, .* and 270 more$"),
        (
            lambda w: {n: a for n, a in w.items() if n != "post_bn/gamma"} | {"conv1_conv/bias": np.full(64, np.nan)},
            "got 1 missing: post_bn/gamma; 1 with NaN or infinity: conv1_conv/bias$",
        ),
    ],
)
def test_tensors_that_are_not_the_models(weights, other, tmp_path, change, message):
    refuse(other, write_arrays(tmp_path / "changed.npz", change(weights)), message)


@pytest.fixture(scope="module")
def other_architecture() -> tf.keras.Model:
    inputs = tf.keras.Input((64, 64, 3))
    hidden = tf.keras.layers.Conv2D(64, 7, name="conv1_conv")(inputs)
    pooled = tf.keras.layers.GlobalAveragePooling2D()(hidden)
    return tf.keras.Model(inputs, tf.keras.layers.Dense(3, name="fc")(pooled))


@pytest.mark.parametrize("name", ["a.h5", "b.weights.h5", "c.keras", "d/prefix"])
def test_another_architecture(other_architecture, other, tmp_path, name):
    if name.endswith(".keras"):
        other_architecture.save(tmp_path / name)
    else:
        other_architecture.save_weights(str(tmp_path / name))
    refuse(other, tmp_path / name, r"must hold exactly the 274 weights .* got \d+ missing: .*; ")


@pytest.mark.parametrize("name", ["plain.h5", "model.keras", "numbered.weights.h5"])
def test_truncated_files(saved, other, tmp_path, name):
    whole = (saved / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    refuse(other, tmp_path / name, "must be whole and readable, got: ")


@pytest.mark.parametrize("part", ["best.index", "best.data-00000-of-00001"])
def test_truncated_tensorflow_checkpoint(saved, other, tmp_path, part):
    shutil.copytree(saved / "checkpoint", tmp_path / "best")
    damaged = tmp_path / "best" / part
    damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])
    refuse(other, tmp_path / "best" / "best", "must be whole and readable, got: ")


def test_truncated_npz(npz, other, tmp_path):
    (tmp_path / "half.npz").write_bytes(npz.read_bytes()[:1_000_000])
    refuse(other, tmp_path / "half.npz", "must be whole and readable, got: ")


class RunsCode:
    def __reduce__(self) -> tuple:
        return (pytest.fail, ("a pickle was opened",))


def test_a_pickle(other, tmp_path):
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(RunsCode()))
    refuse(other, tmp_path / "model.pkl", "got pickled content, which is never opened")


def test_an_npz_with_pickled_arrays(weights, other, tmp_path):
    trap = np.array([RunsCode()], dtype=object)
    refuse(other, write_arrays(tmp_path / "trap.npz", weights | {"conv1_conv/bias": trap}), "got pickled content")


def test_an_archive_with_a_pickle(other, tmp_path):
    with zipfile.ZipFile(tmp_path / "torch.pt", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(RunsCode()))
    refuse(other, tmp_path / "torch.pt", "got pickled content")


def test_nothing_is_made_of_the_configuration_of_a_keras_file(saved, other, tmp_path):
    with zipfile.ZipFile(saved / "model.keras") as source, zipfile.ZipFile(tmp_path / "trap.keras", "w") as target:
        target.writestr("model.weights.h5", source.read("model.weights.h5"))
        target.writestr("config.json", '{"class_name": "Lambda", "config": {"function": ["4wEAAA==", null, null]}}')
    refuse(other, tmp_path / "trap.keras", "must describe a model of layers .*, got one of class Lambda")


@pytest.mark.parametrize(("content", "start"), [(b"", "b''"), (b"superclass,subclass\n", "b'supercla'")])
def test_no_checkpoint_at_all(other, tmp_path, content, start):
    (tmp_path / "file.h5").write_bytes(content)
    refuse(other, tmp_path / "file.h5", re.escape(f"got a file that starts with {start}"))


def test_nothing_there(other, tmp_path):
    refuse(other, tmp_path / "no.h5", "must be a file or a folder, got nothing there")


def test_an_empty_folder(other, tmp_path):
    refuse(other, tmp_path, r"must be a SavedModel or hold one TensorFlow checkpoint, got 0 \*.index files")


def test_a_tensorflow_1_checkpoint(other, tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variable = tf.compat.v1.get_variable("kernel", [3])
        session.run(variable.initializer)
        tf.compat.v1.train.Saver().save(session, str(tmp_path / "old"), write_meta_graph=False)
    refuse(other, tmp_path / "old", "must be written by Keras 2, got a TensorFlow 1 checkpoint")


def test_an_h5_without_weights(other, tmp_path):
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file["note"] = "nothing"
    refuse(other, tmp_path / "empty.h5", "got 274 missing")
