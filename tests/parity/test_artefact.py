from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from parity.artefact import ArtefactError, RecordingWriter, hash_array, permute_axes, read_recording


def test_arrays_and_values_come_back(write_recording):
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    recording = write_recording("legacy", {"a/b": (values, "NC")}, {"count": 3})
    np.testing.assert_array_equal(recording.read_array("a/b"), values)
    assert recording.arrays["a/b"].axes == "NC"
    assert recording.values["count"] == 3


def test_reading_is_memory_mapped_and_read_only(write_recording):
    array = write_recording("legacy", {"a": (np.zeros(3), "C")}).read_array("a")
    assert isinstance(array, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_a_failed_block_leaves_the_older_recording(tmp_path: Path):
    folder = tmp_path / "gate"
    with RecordingWriter(folder, key="old") as out:
        out.write_value("v", 1)

    def interrupted() -> None:
        with RecordingWriter(folder, key="new") as out:
            out.write_value("v", 2)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert read_recording(folder).key == "old"
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "retype"])
def test_a_damaged_array_is_refused(write_recording, damage: str):
    recording = write_recording("legacy", {"a": (np.arange(100.0), "C")})
    path = recording.folder / recording.arrays["a"].file
    content = bytearray(path.read_bytes())
    if damage == "truncate":
        path.write_bytes(content[:-8])
    elif damage == "flip":
        content[-1] ^= 1
        path.write_bytes(content)
    elif damage == "remove":
        path.unlink()
    else:
        np.save(path, np.arange(100))
    with pytest.raises(ArtefactError, match=r"^a (cannot be read|in blocks is not what its manifest says)"):
        recording.read_array("a")


def test_pickled_content_is_refused(write_recording):
    recording = write_recording("legacy", {"a": (np.arange(3.0), "C")})
    np.save(recording.folder / recording.arrays["a"].file, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ArtefactError, match="a cannot be read from blocks"):
        recording.read_array("a")


def test_a_missing_array_is_named(write_recording):
    with pytest.raises(ArtefactError, match=r"^b is missing from blocks$"):
        write_recording("legacy", {"a": (np.zeros(1), "C")}).read_array("b")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": "other/1"}', '{"schema": "parity-recording/1"}'])
def test_a_broken_manifest_is_refused(tmp_path: Path, content: str):
    folder = tmp_path / "legacy" / "blocks"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(content)
    with pytest.raises(ArtefactError, match=r"legacy/blocks|schema"):
        read_recording(folder)


def test_names_are_written_once(tmp_path: Path):
    with RecordingWriter(tmp_path / "gate", key="k") as out:
        out.write_array("a", np.zeros(1), "C")
        out.write_value("v", 1)
        with pytest.raises(ArtefactError, match="'a' twice"):
            out.write_array("a", np.zeros(1), "C")
        with pytest.raises(ArtefactError, match="'v' twice"):
            out.write_value("v", 1)
        with pytest.raises(ArtefactError, match="must name every axis"):
            out.write_array("b", np.zeros((1, 1)), "C")


def test_permute_moves_every_element():
    kernel = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    moved = permute_axes(kernel, "HWIO", "OIHW")
    for index in np.ndindex(*kernel.shape):
        h, w, i, o = index
        assert moved[o, i, h, w] == kernel[index]


@pytest.mark.parametrize(("source", "target"), [("HWI", "IWH"), ("HWIO", "OIHH"), ("HHIO", "OIHH"), ("HWIO", "OIHK")])
def test_permute_refuses_letters_that_do_not_fit(source: str, target: str):
    with pytest.raises(ArtefactError, match="must be a permutation"):
        permute_axes(np.zeros((2, 2, 2, 2)), source, target)


def test_the_hash_of_an_array_sees_type_shape_and_order():
    values = np.arange(6, dtype=np.float32)
    hashes = {
        hash_array(values),
        hash_array(values.reshape(2, 3)),
        hash_array(values.astype(np.float64)),
        hash_array(values[::-1]),
    }
    assert len(hashes) == 4
    assert hash_array(values.reshape(2, 3).T) == hash_array(np.ascontiguousarray(values.reshape(2, 3).T))


def test_the_manifest_is_plain_json(write_recording):
    recording = write_recording("legacy", {"naïve <b>": (np.zeros(1), "C")})
    assert "naïve <b>" in json.loads((recording.folder / "manifest.json").read_text(encoding="utf-8"))["arrays"]
