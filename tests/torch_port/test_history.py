"""The file of the history; that a training fills it is in test_training."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from torch_port.errors import InputError
from torch_port.history import HistoryRecorder, read_history, write_history

HISTORY = {"loss": [0.1 + 0.2, 1e-300], "val_loss": [math.inf, 2.0], "val_metrics/P@R_99": [0.0, 1 / 3]}


def test_every_digit_is_kept(tmp_path: Path):
    path = tmp_path / "new" / "history.json"
    write_history(path, HISTORY)
    assert read_history(path) == HISTORY
    assert [file.name for file in path.parent.iterdir()] == ["history.json"]


def test_a_loss_that_is_no_number_is_kept(tmp_path: Path):
    write_history(tmp_path / "history.json", {"val_loss": [math.nan]})
    assert math.isnan(read_history(tmp_path / "history.json")["val_loss"][0])


def test_who_reads_the_file_before_reads_it_to_its_end(tmp_path: Path):
    """The new file takes the name; the old one is not written to."""
    path = tmp_path / "history.json"
    write_history(path, {"loss": [1.0]})
    with path.open() as reader:
        write_history(path, {"loss": [2.0]})
        assert json.load(reader) == {"loss": [1.0]}


def test_the_file_before_stays_until_the_new_one_is_whole(tmp_path: Path):
    path = tmp_path / "history.json"
    write_history(path, HISTORY)
    with pytest.raises(TypeError):
        write_history(path, {"loss": [object()]})
    assert read_history(path) == HISTORY


@pytest.mark.parametrize("text", [None, "", '{"loss": [1'])
def test_a_missing_or_damaged_file_is_said(tmp_path: Path, text: str | None):
    if text is not None:
        (tmp_path / "history.json").write_text(text)
    with pytest.raises(InputError, match=r"`history` must be a file that a training wrote, got .*; train again"):
        read_history(tmp_path / "history.json")


def test_a_recorder_goes_on_from_its_state(tmp_path: Path):
    first, second = (HistoryRecorder(tmp_path / "history.json") for _ in range(2))
    first.history = {"loss": [1.0]}
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    second.history["loss"].append(2.0)
    assert (first.history, second.history) == ({"loss": [1.0]}, {"loss": [1.0, 2.0]})
