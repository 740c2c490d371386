"""Processes that read images are lost or short of shared memory: one message, exit code 2, and nothing waits for ever."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import Dataset, default_collate

from tests.torch_port.command_processes import start, wait_until
from torch_port.__main__ import main
from torch_port.image_loader import ImageLoader
from torch_port.lost_workers import LostWorkerError, explained_losses

LIMIT_S = 60
REMEDY = "in --workers; give --workers 0, or more shared memory, in Docker by --shm-size 1g"
# In a file system of its own for shared memory; elsewhere than as root, in a user namespace of its own.
ISOLATED = ("unshare", "--mount", *(("--map-root-user",) if os.geteuid() else ()))
MOUNT = "mount -t tmpfs -o size=2m tmpfs /dev/shm"
# All commands in one process, which costs one start: each line of output is how one ended.
PROGRAM = """
import json, sys, time
from torch_port.__main__ import main
for words in json.loads(sys.argv[1]):
    start = time.monotonic()
    print(json.dumps([main(words), time.monotonic() - start]), flush=True)
    print("end of a command", file=sys.stderr, flush=True)
"""


@pytest.fixture(scope="module")
def images(data_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough of them that batches are in flight for a while."""
    folder = tmp_path_factory.mktemp("images")
    files = sorted((data_set / "images").rglob("*.jpg"))
    for number in range(36):
        (folder / f"{number:02d}.jpg").symlink_to(files[number % len(files)])
    return folder


def predict_words(images: Path, checkpoint: Path, out: Path, *more: str) -> list[str]:
    small = ("--image-scale", "0.1", "--batch-size", "12", "--device", "cpu")
    return ["predict", str(images), "--checkpoint", str(checkpoint), "--out", str(out), *small, *more]


def test_too_little_shared_memory_is_one_message_of_each_command(
    data_set: Path, images: Path, checkpoint: Path, tmp_path: Path
):
    """Docker gives containers 64 MB; here it is 2 MB, and a batch has 1.7 MB or more. `gradcam` has no workers to lose."""
    if subprocess.run([*ISOLATED, "sh", "-c", MOUNT], capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    small = ("--data", str(data_set), "--image-scale", "0.2", "--workers", "2", "--device", "cpu")
    known = (*small, "--checkpoint", str(checkpoint), "--splits", "train,val,test")
    train = ("train", *small, "--weights", "none", "--epochs", "1", "--batch-size", "6")
    commands = {
        "predict": predict_words(images, checkpoint, tmp_path / "p.csv", "--workers", "4"),
        "evaluate": ["evaluate", *known, "--batch-size", "6", "--out", str(tmp_path / "e")],
        "train": [*train, "--out", str(tmp_path / "t")],
        "train on the device": [*train, "--augment-on", "device", "--out", str(tmp_path / "d")],
        "gradcam": ["gradcam", *known, "--samples", "1", "--out", str(tmp_path / "g")],
    }
    program = [sys.executable, "-c", PROGRAM, json.dumps(list(commands.values()))]
    process = start(*program, program=(*ISOLATED, "sh", "-c", f'{MOUNT} && exec "$@"', "sh"))
    stdout, stderr = process.communicate(timeout=LIMIT_S * len(commands))
    assert "Traceback" not in stderr
    ended = dict(zip(commands, (json.loads(line) for line in stdout.splitlines() if line.startswith("[")), strict=True))
    said = dict(zip([*commands, "end"], stderr.split("end of a command\n"), strict=True))
    assert ended.pop("gradcam")[0] == 0
    for name, (code, elapsed_s) in ended.items():
        assert code == 2, said
        assert elapsed_s < LIMIT_S
        message = said[name].splitlines()[-1]
        assert message.startswith("error: `workers` must read images to the end, got one that could not: RuntimeError: ")
        assert message.endswith(f"No space left on device (28) {REMEDY}")
    assert not (tmp_path / "t" / "training.json").exists()  # the same command can be given again
    assert not (tmp_path / "t" / "decoded_images").exists()


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Return the children of a command."""
    return [int(pid) for path in Path(f"/proc/{process.pid}/task").glob("*/children") for pid in path.read_text().split()]


def kill_workers(process: subprocess.Popen[str], is_time: Callable[[], bool], number: int) -> None:
    """Kill so many workers as soon as it is time."""
    wait_until(process, is_time)
    for pid in workers_of(process)[:number]:
        os.kill(pid, signal.SIGKILL)


def test_a_worker_that_is_killed_ends_predictions_and_they_go_on_without(
    images: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "p.csv"
    words = predict_words(images, checkpoint, out, "--batch-size", "2")
    process = start(*words, "--workers", "2")
    kill_workers(process, lambda: out.is_file() and out.read_text().count("\n") > 4, 1)
    _, stderr = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 2
    assert stderr.splitlines()[-1].startswith("error: `workers` must read images to the end, got one that could not: ")
    assert stderr.endswith(f"{REMEDY}\n")
    assert main([*words, "--workers", "0"]) == 0
    assert "that were there; skipped 0" in capsys.readouterr().out
    assert [line.split(",")[0] for line in out.read_text().splitlines()[1:]] == [f"{number:02d}.jpg" for number in range(36)]


def test_workers_that_are_killed_end_a_training_and_it_goes_on_without(data_set: Path, tmp_path: Path):
    """All at once, as where memory runs out."""
    out = tmp_path / "out"
    small = ("--weights", "none", "--image-scale", "0.03", "--batch-size", "4", "--device", "cpu")
    words = ["train", "--data", str(data_set), "--out", str(out), *small]
    process = start(*words, "--workers", "2", "--epochs", "1000")
    kill_workers(process, (out / "last.ckpt").is_file, 4)
    _, stderr = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 2, stderr
    assert stderr.endswith(f"{REMEDY}\n")
    assert not (out / "decoded_images").exists()
    assert main([*words, "--workers", "0", "--resume", "--epochs", "1"]) == 0
    assert (out / "predictions.csv").is_file()


class Numbers(Dataset[torch.Tensor]):
    """Numbers; the worker kills itself where it is asked for the last one."""

    def __init__(self, length: int, lost: int = -1) -> None:
        self.length, self.lost = length, lost

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> torch.Tensor:
        if index == self.lost:
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.tensor(index)


def read(loader: ImageLoader) -> list[Any]:
    with explained_losses():
        return list(loader)


def test_without_a_loss_batches_are_what_they_are():
    assert [batch.tolist() for batch in read(ImageLoader(Numbers(5), batch_size=2, num_workers=2))] == [[0, 1], [2, 3], [4]]


def test_a_batch_that_cannot_be_handed_over_ends_the_worker(capfd: pytest.CaptureFixture[str]):
    """Multiprocessing prints why and drops the batch, for which the command would wait for ever."""
    with pytest.raises(LostWorkerError, match=r"^`workers` must read images to the end, .* in --workers; give --workers 0"):
        read(ImageLoader(Numbers(4), num_workers=2, collate_fn=lambda items: lambda: items))
    assert "a worker has ended: Can't pickle local object" in capfd.readouterr().err


def fetch_later(batches: Iterator[Any]) -> None:
    with explained_losses():
        time.sleep(1)
        next(batches)


def test_a_worker_that_dies_before_its_batch_is_fetched():
    """Its batch is announced, but the file descriptor of its memory can no longer be had."""
    batches = iter(ImageLoader(Numbers(2, lost=1), num_workers=1, collate_fn=default_collate))
    with pytest.raises(LostWorkerError, match="got one that could not: "):
        fetch_later(batches)


def test_workers_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch):
    def fork_nothing() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fork_nothing)
    with pytest.raises(LostWorkerError, match=r"could not: .*Resource temporarily unavailable in --workers"):
        iter(ImageLoader(Numbers(2), num_workers=1))


@pytest.mark.parametrize("error", [EOFError(), ConnectionRefusedError(111, "Connection refused")])
def test_an_end_of_the_connection_to_a_worker_is_a_loss(error: Exception):
    """Seen when a worker is killed between a batch and its file descriptor, before the system calls it dead."""
    with (
        pytest.raises(LostWorkerError, match=r"one that could not: (EOFError|.*refused) in --workers"),
        explained_losses(transport=True),
    ):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shapes differ"),
        OSError(28, "No space left on device"),
        EOFError(),
        LostWorkerError("DataLoader worker (pid 3)"),
    ],
)
def test_other_errors_are_not_explained_away(error: Exception):
    with pytest.raises(type(error)) as caught, explained_losses():
        raise error
    assert caught.value is error


def test_an_error_of_the_data_stays_what_it_is():
    """A worker hands it over, and it is no loss."""

    class Refusing(Numbers):
        def __getitem__(self, index: int) -> torch.Tensor:
            raise OSError("a file is gone")

    with pytest.raises(OSError, match="a file is gone") as caught:
        read(ImageLoader(Refusing(2), num_workers=1))
    assert not isinstance(caught.value, LostWorkerError)
