"""Trainings of a small network by Lightning: whole ones, interrupted ones, in one process and in two."""

from __future__ import annotations

import csv
import importlib.util
import json
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from safetensors.torch import load_file

from torch_port.checkpoint_io import SafetensorsIO
from torch_port.errors import InputError, WeightsError
from torch_port.training import BEST_WEIGHTS, HISTORY, LAST_CHECKPOINT, train_model
from torch_port.training_module import ClassifierTraining

SCRIPT = Path(__file__).with_name("small_training.py")
REPOSITORY = SCRIPT.parents[2]
EPOCHS = 4


@pytest.fixture(scope="module")
def small() -> ModuleType:
    """The module of the script."""
    spec = importlib.util.spec_from_file_location("small_training", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Stop(Callback):
    """Ends the training with an exception at a batch of an epoch."""

    def __init__(self, epoch: int, batch: int, error: type[BaseException]) -> None:
        self.place = epoch, batch
        self.error = error

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if (trainer.current_epoch, batch_idx) == self.place:
            raise self.error


class Killed(Exception):
    pass


def fit(small: ModuleType, folder: Path, *, epochs: int = EPOCHS, resume: bool = False, **words: Any) -> dict[str, list[float]]:
    loading = {name: words.pop(name) for name in ("order", "workers") if name in words}
    training = words.pop("training", None) or small.make_training()
    return train_model(training, *small.make_loaders(**loading), folder, num_epochs=epochs, resume=resume, **words)


def state_of(folder: Path) -> dict[str, Any]:
    """Return all that a training leaves: the history, the best weights, the weights and the optimizer of its last epoch."""
    last = SafetensorsIO().load_checkpoint(folder / LAST_CHECKPOINT)
    (optimizer,) = last["optimizer_states"]
    return {
        "history": json.loads((folder / HISTORY).read_text()),
        "best": {name: tensor.tolist() for name, tensor in load_file(folder / BEST_WEIGHTS).items()},
        "last": {name: tensor.tolist() for name, tensor in last["state_dict"].items()},
        "moments": [[state["m"].tolist(), state["v"].tolist(), state["step"]] for state in optimizer["state"].values()],
        "rules": {name: state for name, state in last["callbacks"].items() if "Callback" in name},
        "epoch": last["epoch"],
    }


@pytest.fixture(scope="module")
def whole(small: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What uninterrupted trainings leave, by the order of images."""
    found = {}
    for order in ("permutation", "legacy"):
        folder = tmp_path_factory.mktemp(order)
        fit(small, folder, order=order)
        found[order] = state_of(folder)
    return found


@pytest.mark.parametrize("epoch", [1, 3])
@pytest.mark.parametrize(
    ("order", "workers"), [("permutation", (0, 0)), ("permutation", (1, 2)), ("permutation", (0, 2)), ("legacy", (0, 0))]
)
def test_a_resumed_training_ends_as_an_uninterrupted_one(
    small: ModuleType, whole: dict[str, Any], tmp_path: Path, order: str, workers: tuple[int, int], epoch: int
):
    with pytest.raises(Killed):
        fit(small, tmp_path, order=order, workers=workers[0], callbacks=[Stop(epoch, 0, Killed)])
    assert len(state_of(tmp_path)["history"]["loss"]) == epoch
    fit(small, tmp_path, order=order, workers=workers[1], resume=True)
    assert state_of(tmp_path) == whole[order]


def test_before_the_end_of_the_first_epoch_a_resumed_training_begins_anew(
    small: ModuleType, whole: dict[str, Any], tmp_path: Path
):
    with pytest.raises(Killed):
        fit(small, tmp_path, callbacks=[Stop(0, 1, Killed)])
    fit(small, tmp_path, resume=True)
    assert state_of(tmp_path) == whole["permutation"]


def test_each_epoch_draws_anew(whole: dict[str, Any]):
    for found in whole.values():
        assert len(set(found["history"]["loss"])) == EPOCHS


@pytest.mark.parametrize("patience", [25, 1])
def test_a_training_that_had_ended_ends_at_once_with_the_same(small: ModuleType, tmp_path: Path, patience: int):
    """By its number of epochs, and by its patience: with so high a learning rate there soon is no progress."""
    training = small.make_training(learning_rate=5.0)
    history = fit(small, tmp_path, training=training, patience=patience)
    assert (len(history["loss"]) < EPOCHS) == (patience == 1)
    before = state_of(tmp_path)
    again, notes = small.make_training(learning_rate=5.0), small.Notes()
    assert fit(small, tmp_path, training=again, patience=patience, resume=True, callbacks=[notes]) == history
    assert notes.images == []
    assert state_of(tmp_path) == before
    assert before["best"] != before["last"]
    assert {name: tensor.tolist() for name, tensor in again.model.state_dict().items()} == before["best"]


def test_more_epochs_go_on(small: ModuleType, whole: dict[str, Any], tmp_path: Path):
    fit(small, tmp_path, epochs=2)
    fit(small, tmp_path, resume=True)
    assert state_of(tmp_path) == whole["permutation"]


def test_fewer_epochs_than_there_are_train_nothing(small: ModuleType, whole: dict[str, Any], tmp_path: Path):
    fit(small, tmp_path)
    fit(small, tmp_path, epochs=1, resume=True)
    assert state_of(tmp_path) == whole["permutation"]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_does_not_matter(small: ModuleType, whole: dict[str, Any], tmp_path: Path, workers: int):
    fit(small, tmp_path, workers=workers)
    assert state_of(tmp_path) == whole["permutation"]


def test_every_epoch_drops_out_and_sees_each_image_once(small: ModuleType, tmp_path: Path):
    notes, training = small.Notes(), small.make_training()
    training.eval()  # however it comes
    fit(small, tmp_path, training=training, epochs=2, callbacks=[notes])
    assert notes.dropout == [True] * 4
    assert [sorted(epoch) for epoch in notes.images] == [list(range(7))] * 2
    assert notes.images[0] != notes.images[1]


def test_with_a_seed_no_epoch_and_no_batch_drops_the_units_of_another(small: ModuleType, tmp_path: Path):
    network = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(small.SIZE, small.CLASSES))
    training, masks = ClassifierTraining(network, small.WEIGHTS, learning_rate=0.05, seed=11), []

    def keep(module: torch.nn.Module, inputs: tuple[torch.Tensor], outputs: torch.Tensor) -> None:
        masks.extend([(outputs == 0)[:, 1:].tolist()] if module.training else [])  # the first number may be 0 itself

    network[0].register_forward_hook(keep)
    fit(small, tmp_path, training=training, epochs=4)
    rows = [tuple(row) for mask in masks for row in mask]
    assert len(rows) == 4 * small.TRAIN
    assert len(set(map(str, masks))) == len(masks) == 4 * 2
    assert sum(map(sum, rows)) / (len(rows) * (small.SIZE - 1)) == pytest.approx(0.5, abs=0.1)


def test_the_logs_are_the_history(small: ModuleType, tmp_path: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    history = fit(small, tmp_path, epochs=2)
    assert list(history) == list(json.loads((tmp_path / HISTORY).read_text()))
    with (tmp_path / "csv" / "version_0" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {name: [float(row[name]) for row in rows] for name in history} == history
    assert [row["step"] for row in rows] == ["0", "1"]
    events = EventAccumulator(str(tmp_path / "tensorboard" / "version_0"))
    events.Reload()
    for name, values in history.items():
        assert [event.value for event in events.Scalars(name)] == pytest.approx(values, rel=1e-6)


def test_a_line_for_each_epoch_and_nothing_else(small: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    history = fit(small, tmp_path, epochs=2)
    out, _ = capfd.readouterr()
    lines = [line for line in out.splitlines() if line.startswith("epoch")]
    assert lines[1].startswith(f"epoch 1: loss {history['loss'][1]:.4g}, accuracy ")
    assert "val loss" in lines[1]
    assert lines == out.splitlines()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Lightning ignores further interruptions once there was one."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_stays_one(small: ModuleType, tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        fit(small, tmp_path, callbacks=[Stop(1, 0, KeyboardInterrupt)])
    assert len(json.loads((tmp_path / HISTORY).read_text())["loss"]) == 1


def test_errors_of_the_program_are_not_explained_away(small: ModuleType, tmp_path: Path):
    with pytest.raises(RuntimeError, match=r"^$"):
        fit(small, tmp_path, callbacks=[Stop(0, 0, RuntimeError)])


def test_a_damaged_state_is_refused_and_left(small: ModuleType, tmp_path: Path):
    fit(small, tmp_path, epochs=1)
    last = tmp_path / LAST_CHECKPOINT
    last.write_bytes(last.read_bytes()[:-10])
    left = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(InputError, match=r"`checkpoint` must be a whole file that a training wrote, got .* in .*last\.ckpt; "):
        fit(small, tmp_path, resume=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == left


@pytest.mark.parametrize("epochs", [1, 2])
def test_best_weights_that_are_gone_are_missed(small: ModuleType, tmp_path: Path, epochs: int):
    """Whether the training goes on or had ended."""
    fit(small, tmp_path, epochs=1)
    (tmp_path / BEST_WEIGHTS).unlink()
    with pytest.raises(WeightsError, match="`best weights` must be there when a training is resumed"):
        fit(small, tmp_path, epochs=epochs, resume=True)


def test_best_weights_of_another_epoch_are_refused(small: ModuleType, tmp_path: Path):
    """Those of an epoch after which the training was killed before its state was written, and which came out otherwise."""
    other, killed = tmp_path / "other", tmp_path / "killed"
    fit(small, other, epochs=1, training=small.make_training(learning_rate=0.01))
    fit(small, killed, epochs=1)
    shutil.copy(other / BEST_WEIGHTS, killed)
    message = (
        r"`best weights` must be of epoch 0 with a validation loss of [\d.]+, got those of epoch 0 with [\d.]+ in .*; train"
    )
    with pytest.raises(WeightsError, match=message):
        fit(small, killed, epochs=1, resume=True)


def test_a_full_disk_is_not_taken_for_damaged_weights(small: ModuleType, tmp_path: Path):
    fit(small, tmp_path, epochs=1)
    size = (tmp_path / BEST_WEIGHTS).stat().st_size + 100
    assert size < (tmp_path / LAST_CHECKPOINT).stat().st_size
    left = (tmp_path / LAST_CHECKPOINT).read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        with pytest.raises(
            InputError, match=r"`out` must be a place that can be written, got .*too large.* in .*last\.ckpt; make"
        ):
            SafetensorsIO().save_checkpoint({"state_dict": {"a": torch.zeros(size)}}, tmp_path / LAST_CHECKPOINT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / LAST_CHECKPOINT).read_bytes() == left


def test_best_weights_that_are_damaged_are_refused(small: ModuleType, tmp_path: Path):
    fit(small, tmp_path, epochs=1)
    (tmp_path / BEST_WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(InputError, match=r"`best weights` must be a whole file, got .* in best_weights\.safetensors; "):
        fit(small, tmp_path, epochs=1, resume=True)


def test_a_training_that_diverges_says_so(small: ModuleType, tmp_path: Path):
    training = small.make_training(learning_rate=1e38)
    with pytest.raises(InputError, match="`validation loss` must be finite in some epoch"):
        fit(small, tmp_path, training=training, epochs=2)
    assert all(math.isnan(loss) for loss in json.loads((tmp_path / HISTORY).read_text())["val_loss"])


def test_no_gradient_is_kept_beside_the_activations_of_the_next_batch(small: ModuleType, tmp_path: Path):
    training = small.make_training()
    kept: list[bool] = []
    look = lambda *_: kept.append(any(parameter.grad is not None for parameter in training.parameters()))  # noqa: E731
    training.model.register_forward_pre_hook(look)
    fit(small, tmp_path, training=training, epochs=2)
    assert len(kept) > 4
    assert not any(kept)


def test_a_training_that_is_not_to_be_resumed_keeps_no_state_and_is_the_same(small: ModuleType, tmp_path: Path):
    kept, not_kept = (fit(small, tmp_path / str(resumable), epochs=2, resumable=resumable) for resumable in (True, False))
    assert kept == not_kept
    left = {path.name for path in (tmp_path / "True").rglob("*")} - {path.name for path in (tmp_path / "False").rglob("*")}
    assert {name for name in left if "tfevents" not in name} == {LAST_CHECKPOINT}


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes found in a training with odd numbers of images, and how the next one ended."""
    folder = tmp_path_factory.mktemp("processes")
    command = [sys.executable, str(SCRIPT), str(folder), "2"]
    ended = subprocess.run(command, check=False, timeout=120, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
    assert ended.returncode == 2
    assert sorted(path.name for path in folder.glob("*.*") if not path.name.startswith(("process", "error"))) == sorted(
        [BEST_WEIGHTS, HISTORY, LAST_CHECKPOINT]
    )
    found = [json.loads((folder / f"process {rank}.json").read_text()) for rank in range(2)]
    assert json.loads((folder / HISTORY).read_text()) == found[0]["history"]
    return [{**each, "error": (folder / f"error {rank}.txt").read_text()} for rank, each in enumerate(found)]


def test_two_processes_share_the_images(processes: list[dict[str, Any]]):
    for first, second in zip(*(found["images"] for found in processes), strict=True):
        assert sorted(first + second) == list(range(7))
        assert (len(first), len(second)) == (4, 3)


def test_two_processes_train_as_one(small: ModuleType, processes: list[dict[str, Any]], tmp_path: Path):
    alone = small.train(tmp_path, 1)
    for found in processes:
        torch.testing.assert_close(found["gradients"], alone["gradients"], rtol=1e-5, atol=1e-7)
        assert found["history"].keys() == alone["history"].keys()
        for name, values in alone["history"].items():
            assert found["history"][name] == pytest.approx(values, rel=1e-6, abs=1e-9), name


def test_an_image_that_one_process_cannot_read_ends_both(processes: list[dict[str, Any]]):
    first, second = (found["error"] for found in processes)
    assert second == "bad image"
    assert first.startswith("`processes` must all train to the end, got one that has ended in this training; see what it said")
