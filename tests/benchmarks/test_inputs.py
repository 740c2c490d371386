"""The bytes that every contestant computes on, and what is said of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from benchmarks.inputs import describe_batch, describe_files, read_batch, write_batch

IMAGES = np.random.default_rng(17).random((3, 4, 5, 3), dtype=np.float32)
LABELS = np.eye(3, dtype=np.float32)


def test_a_batch_is_read_back_by_its_size(tmp_path: Path):
    folder = tmp_path / "inputs"
    write_batch(folder, IMAGES, LABELS)
    write_batch(folder, IMAGES[:2], LABELS[:2])
    for size in (2, 3):
        images, labels = read_batch(folder, size)
        assert images.tobytes() == IMAGES[:size].tobytes()
        assert labels.tobytes() == LABELS[:size].tobytes()
        assert (images.dtype, images.shape) == (np.float32, (size, 4, 5, 3))
    with pytest.raises(FileNotFoundError):
        read_batch(folder, 4)


def test_a_batch_is_told_by_its_bytes_whatever_its_strides():
    found = describe_batch(IMAGES)
    assert found == {"kind": "resident", "sha256": hashlib.sha256(IMAGES.tobytes()).hexdigest()}
    assert describe_batch(np.asfortranarray(IMAGES)) == found
    changed = IMAGES.copy()
    changed.view(np.uint32)[1, 2, 3, 1] ^= 1  # one bit
    assert describe_batch(changed) != found
    assert describe_batch(IMAGES[::-1]) != found


def test_files_are_told_by_their_names_in_any_order_and_any_layout():
    found = describe_files(["/a/2.jpg", Path("/b/1.jpg")], iter(["Resize", "Flip"]), IMAGES)
    assert found == {
        "kind": "files", "files": 2, "sha256": hashlib.sha256(b"1.jpg\n2.jpg").hexdigest(), "transforms": ["Resize", "Flip"],
        "images": len(IMAGES), "mean": pytest.approx(sum(IMAGES.ravel().tolist()) / 180, rel=1e-5),
        "deviation": pytest.approx(np.sqrt((IMAGES.astype(np.float64) ** 2).mean() - IMAGES.astype(np.float64).mean() ** 2)),
    }  # fmt: skip
    turned = describe_files(["/c/1.jpg", "/c/2.jpg"], ["Resize", "Flip"], IMAGES.transpose(0, 3, 1, 2))
    assert turned == {**found, "mean": pytest.approx(found["mean"]), "deviation": pytest.approx(found["deviation"])}
    assert describe_files(["/c/1.jpg", "/c/3.jpg"], ["Resize", "Flip"], IMAGES)["sha256"] != found["sha256"]
    assert describe_files(["/c/1.jpg", "/c/2.jpg"], ["Flip", "Resize"], IMAGES)["transforms"] != found["transforms"]
