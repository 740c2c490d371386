"""Files of real releases of Keras (see tests/checkpoints): the port reads what `legacy_tf export` reads, or says why not."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.checkpoints import fixtures
from torch_port.errors import WeightsError
from torch_port.model import ResNet50V2
from torch_port.weight_table import TABLE
from torch_port.weights import load_checkpoint, load_legacy_file


@pytest.fixture(scope="module")
def model() -> ResNet50V2:
    return ResNet50V2()


def assert_reads(model: ResNet50V2, path: Path, *, swapped: bool = False) -> None:
    load_legacy_file(model, path)
    state = model.state_dict()
    for row in TABLE:
        found = state[row.port].numpy()
        expected = fixtures.expected(row.legacy, row.legacy_shape(found.shape), swapped=swapped)
        np.testing.assert_array_equal(found, expected.transpose(row.axes), err_msg=row.legacy)


@pytest.fixture
def unpacked(request: pytest.FixtureRequest, tmp_path: Path):
    path = fixtures.unpack(request.param, tmp_path)
    yield path
    for file in path.iterdir() if path.is_dir() else [path]:
        file.unlink()


@pytest.mark.parametrize("unpacked", fixtures.READ, indirect=True)
def test_what_is_read(unpacked, model):
    assert_reads(model, unpacked)


@pytest.mark.parametrize("unpacked", fixtures.DAMAGED, indirect=True)
def test_two_layers_of_one_shape_that_changed_places(unpacked, model, request):
    fixtures.change(unpacked, fixtures.swap_two_layers)
    if "keras3.12" in request.node.name:  # its groups say their names as well
        with pytest.raises(WeightsError, match="in the place of conv2_block1_2_conv, and named conv2_block2_2_conv"):
            load_legacy_file(model, unpacked)
    else:
        assert_reads(model, unpacked, swapped=True)


@pytest.mark.parametrize("unpacked", fixtures.DAMAGED, indirect=True)
def test_one_tensor_missing_or_too_many(unpacked, model):
    fixtures.change(unpacked, fixtures.add_a_tensor)
    with pytest.raises(WeightsError, match=r"extra|there twice"):
        load_legacy_file(model, unpacked)
    fixtures.change(unpacked, fixtures.lose_a_tensor)
    with pytest.raises(WeightsError, match="conv2_block2_2_conv/kernel: missing"):
        load_legacy_file(model, unpacked)


@pytest.mark.parametrize("unpacked", fixtures.REFUSED, indirect=True)
def test_what_is_refused(unpacked, model, request):
    with pytest.raises(WeightsError, match=f"(?s){fixtures.REFUSED[request.node.callspec.params['unpacked']]}"):
        load_legacy_file(model, unpacked)


@pytest.mark.parametrize("unpacked", fixtures.EXPORTED, indirect=True)
def test_tensorflow_checkpoints_are_sent_to_export(unpacked, model):
    for path in (unpacked, next(unpacked.glob("*.index")), next(unpacked.glob("*.index")).with_suffix("")):
        with pytest.raises(WeightsError, match=r"got a .*TensorFlow checkpoint.* export it with `python -m legacy_tf export`"):
            load_legacy_file(model, path)


def test_a_pointer_of_git_lfs_is_said_to_be_one(model, tmp_path):
    for name, load in (("model.keras", partial(load_legacy_file, model)), ("port.safetensors", load_checkpoint)):
        (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")
        with pytest.raises(WeightsError, match=r"got a Git LFS pointer instead of the file in .*; run `git lfs pull`"):
            load(tmp_path / name)


def test_weights_in_shards_are_refused(model, tmp_path):
    (tmp_path / "w.weights.json").write_text('{"metadata": {}, "weight_map": {}}')
    (tmp_path / "w_00000.weights.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    for name in ("w.weights.json", "w_00000.weights.h5"):
        with pytest.raises(WeightsError, match=r"got weights in several files \(shards\) .*without max_shard_size"):
            load_legacy_file(model, tmp_path / name)
