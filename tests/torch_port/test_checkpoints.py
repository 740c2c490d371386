"""The files in keras_files are written by Keras 2.15 (see make_files.py there); the damaged ones are made here."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from torch_port.checkpoints import read_checkpoint, read_legacy_weights
from torch_port.errors import WeightsError

FILES = Path(__file__).with_name("keras_files")
FORMATS = (
    "named_weights.h5",
    "numbered.weights.h5",
    "model.h5",
    "model.keras",
    "nested.h5",
    "nested.keras",
)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_of_keras_gives_the_same_arrays(name):
    expected = np.load(FILES / "arrays.npz")
    found = read_legacy_weights(FILES / name)
    assert set(found) == set(expected.files)
    for tensor in expected.files:
        assert np.array_equal(found[tensor], expected[tensor]), tensor


def test_a_file_is_recognised_by_its_content(tmp_path):
    path = tmp_path / "epoch 7 – é.weights"
    path.write_bytes((FILES / "model.keras").read_bytes())
    assert len(read_legacy_weights(path)) == len(np.load(FILES / "arrays.npz").files)


def test_older_keras_files_call_the_group_of_layers_otherwise(tmp_path):
    path = tmp_path / "old.h5"
    with h5py.File(path, "w") as file:
        file["_layer_checkpoint_dependencies/conv2d/vars/0"] = np.ones(2, "f4")
    assert list(read_legacy_weights(path)) == ["conv1_conv/kernel"]


def test_a_layer_that_has_no_name_keeps_its_place(tmp_path):
    path = tmp_path / "other.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/lstm/cell/vars/0"] = np.ones(2, "f4")
        file["layers/dense/vars/7"] = np.ones(2, "f4")
    assert set(read_legacy_weights(path)) == {"layers/lstm/cell/vars/0", "layers/dense/vars/7"}


def test_a_gap_in_the_numbers_is_refused(tmp_path):
    path = tmp_path / "other.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = file["layers/dense_2/vars/0"] = file["layers/dense_3/vars/0"] = np.ones(2, "f4")
    with pytest.raises(WeightsError, match="number the layers of a class without a gap, got no dense_1 in its layers"):
        read_legacy_weights(path)


def test_objects_in_an_npz_are_refused_and_the_rest_is_read(tmp_path):
    np.savez(tmp_path / "w.npz", good=np.ones(2), bad=np.array([{}], dtype=object), worse=np.array([print], dtype=object))
    read = read_checkpoint(tmp_path / "w.npz")
    assert list(read.arrays) == ["good"]
    assert list(read.refused) == ["bad", "worse"]
    with pytest.raises(WeightsError, match=r"(?s)got 2 other tensors in .*bad: pickled objects.*worse: pickled objects"):
        read_legacy_weights(tmp_path / "w.npz")


def test_what_is_not_a_number_in_an_h5_file_is_refused(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["a/a/kernel:0"] = np.ones(2, "f4")
        file["b/a/kernel:0"] = np.ones(2, "f4")
        file["c/c/kernel:0"] = np.ones(2, "i4")
        file["d/d/kernel:0"] = "text"
    assert read_checkpoint(tmp_path / "w.h5").refused == {
        "a/kernel": "a/kernel: there twice, the second time as b/a/kernel:0",
        "c/kernel": "c/kernel: int32 instead of floating-point numbers",
        "d/kernel": "d/kernel: object instead of floating-point numbers",
    }


def test_states_of_random_numbers_are_no_weights(tmp_path):
    """Keras 3 keeps them beside the weights of layers that draw, as whole numbers."""
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["layers/conv2d/vars/0"] = np.ones(2, "f4")
        file["layers/dropout/seed_generator/vars/0"] = np.ones(2, "u4")
    read = read_checkpoint(tmp_path / "w.h5")
    assert (list(read.arrays), read.refused) == (["conv1_conv/kernel"], {})


def test_text_among_numbered_weights_is_refused(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["layers/conv2d/vars/0"] = "text"
    assert read_checkpoint(tmp_path / "w.h5").refused == {
        "conv1_conv/kernel": "conv1_conv/kernel: object instead of floating-point numbers"
    }


def test_links_to_other_files_are_not_followed(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["kernel:0"] = np.ones(2, "f4")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["a/b:0"] = np.ones(2, "f4")
        file["a/c:0"] = h5py.ExternalLink("other.h5", "kernel:0")
    assert list(read_legacy_weights(tmp_path / "w.h5")) == ["a/b"]


@pytest.mark.parametrize("name", [*FORMATS, "arrays.npz"])
def test_a_truncated_file_is_refused(tmp_path, name):
    content = (FILES / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match="`checkpoint` must be a whole file, got one that cannot be read"):
        read_legacy_weights(tmp_path / name)


def test_a_keras_file_with_damaged_configuration_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("model.weights.h5", b"")
        archive.writestr("config.json", "[]")
    with pytest.raises(WeightsError, match="must be a whole file"):
        read_legacy_weights(tmp_path / "m.keras")


def test_pickled_files_are_refused_unread(tmp_path):
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(WeightsError, match="got pickled content, which is never loaded, in"):
        read_legacy_weights(tmp_path / "w.pkl")
    with zipfile.ZipFile(tmp_path / "w.pt", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"a": 1}))
    with pytest.raises(WeightsError, match="got pickled content, which is never loaded, in"):
        read_legacy_weights(tmp_path / "w.pt")


@pytest.mark.parametrize("content", [b"", b"hello, weights"], ids=["empty", "text"])
def test_other_content_is_refused(tmp_path, content):
    (tmp_path / "w.h5").write_bytes(content)
    with pytest.raises(WeightsError, match=r"got a file that starts with b'.*export it with `python -m legacy_tf export`"):
        read_legacy_weights(tmp_path / "w.h5")


def test_tensorflow_checkpoints_and_folders_are_sent_to_export(tmp_path):
    (tmp_path / "best.index").touch()
    (tmp_path / "saved_model").mkdir()
    for name in ("best", "saved_model"):
        with pytest.raises(WeightsError, match=r"got a TensorFlow checkpoint or folder in .*export it with"):
            read_legacy_weights(tmp_path / name)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(WeightsError, match=r"got No such file or directory in .*check the path"):
        read_legacy_weights(tmp_path / "none.h5")


def test_damage_inside_an_array_of_an_npz_is_not_taken_for_objects(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.ones(100))
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("a.npy", buffer.getvalue()[:200])
    with pytest.raises(WeightsError, match="must be a whole file"):
        read_legacy_weights(tmp_path / "w.npz")
