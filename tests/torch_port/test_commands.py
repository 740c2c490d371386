"""The train command on what the gate `commands` gives it: what cannot be compared with the legacy."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from parity.gates.commands.contract import BACKBONE, SETTINGS, TENSORS, train_words
from parity.gates.commands.fixtures import PACKED, write_commands_fixtures
from parity.gates.commands.port import _read_settings
from tests.checkpoints.known import backbone_tensor
from torch_port.__main__ import main
from torch_port.checkpoints import read_legacy_weights

pytestmark = pytest.mark.usefixtures("one_thread")


def test_every_number_of_the_start_weights_is_known(tmp_path: Path):
    path = tmp_path / "backbone.h5"
    path.write_bytes(gzip.decompress(PACKED.read_bytes()))
    found = read_legacy_weights(path)
    assert sorted(found) == sorted(BACKBONE)
    for name, array in found.items():
        np.testing.assert_array_equal(array, backbone_tensor(name, TENSORS[name].shape), err_msg=name)
    assert len({array.tobytes() for array in found.values()}) == len(found)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("given")
    write_commands_fixtures(folder)
    return folder


def train(given: Path, out: Path, **words: Any) -> dict[str, Any]:
    """Train for one epoch, and return what came of it."""
    assert main(train_words(given, out, "cpu", workers=0, epochs=1, **words)) == 0
    texts = {name: (out / name).read_text() for name in ("history.json", "predictions.csv", "metrics.json")}
    weights = {name: array.tobytes() for name, array in load_file(out / "best_weights.safetensors").items()}
    return {**texts, "weights": weights, "val_loss": json.loads(texts["history.json"])["val_loss"][0]}


@pytest.fixture(scope="module")
def plain(given: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return train(given, tmp_path_factory.mktemp("plain") / "out")


def test_the_seed_alone_decides(given: Path, plain: dict[str, Any], tmp_path: Path):
    assert train(given, tmp_path / "again") == plain
    other = train(given, tmp_path / "other", seed=6)
    assert all(other[name] != plain[name] for name in ("history.json", "predictions.csv"))
    changed = {name for name, tensor in other["weights"].items() if tensor != plain["weights"][name]}
    assert {"prev_dense.weight", "last_dense.weight", "conv1.weight"} <= changed


def test_sixteen_bits_train_nearly_the_same(given: Path, plain: dict[str, Any], tmp_path: Path):
    found = train(given, tmp_path / "out", precision="bf16-mixed")
    assert found["history.json"] != plain["history.json"]
    assert found["val_loss"] == pytest.approx(plain["val_loss"], rel=0.2)
    assert {name: len(tensor) for name, tensor in found["weights"].items()} == {
        name: len(tensor) for name, tensor in plain["weights"].items()
    }


def test_settings_are_the_options_wherever_links_lead(given: Path, tmp_path: Path):
    """The command writes down where a link leads; the gate's fixtures may be a link, as in a run of planted faults."""
    (tmp_path / "link").symlink_to(given)
    settings = {
        **SETTINGS,
        "data": str(given.resolve() / SETTINGS["data"]),
        "split": str(tmp_path / "link" / SETTINGS["split"]),
    }
    (tmp_path / "training.json").write_text(json.dumps(settings | {"weights": str(tmp_path / "link" / SETTINGS["weights"])}))
    assert _read_settings(tmp_path / "training.json", tmp_path / "link") == SETTINGS
