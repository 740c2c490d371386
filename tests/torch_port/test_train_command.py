"""``python -m torch_port train`` from outside: what it writes and says, killed and resumed, by two processes, misused."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import stat
import subprocess
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from sklearn.metrics import classification_report

from tests.torch_port.command_processes import start, wait_until
from tests.torch_port.opencv import needs_avx2
from torch_port import data, evaluate, figures, image_cache, train_command
from torch_port.__main__ import main, make_parser
from torch_port.errors import InputError, WeightsError
from torch_port.image_cache import IMAGE_BYTES
from torch_port.images import read_image
from torch_port.train_command import check_hardware, make_start_model

pytestmark = pytest.mark.usefixtures("one_thread")
SEED, EPOCHS = 3, 3
SMALL = ("--image-scale", "0.03", "--batch-size", "4", "--weights", "none", "--device", "cpu", "--epochs", str(EPOCHS))

INTERRUPTED = "interrupted; --resume goes on from the last whole epoch"


def words_of(data: Path, out: Path, *more: str) -> list[str]:
    return ["train", "--data", str(data), "--out", str(out), *SMALL, "--seed", str(SEED), *more]


def kill_when(process: subprocess.Popen[str], is_time: Callable[[], bool]) -> None:
    """Kill the command and its workers as soon as it is time."""
    wait_until(process, is_time)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def results_of(out: Path) -> dict[str, Any]:
    """Return what must repeat exactly."""
    with safe_open(out / "best_weights.safetensors", framework="pt") as file:
        weights = {name: file.get_tensor(name).numpy().tobytes() for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    texts = {name: (out / name).read_text() for name in ("history.json", "training.json", "predictions.csv", "metrics.json")}
    return {**texts, "weights": weights, "metadata": metadata}


@pytest.fixture(scope="module")
def trained(data_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted training, without workers; no test changes it."""
    out = tmp_path_factory.mktemp("trained") / "out"
    assert main(words_of(data_set, out, "--workers", "0")) == 0
    return out


def test_everything_is_there(trained: Path):
    files = sorted(path.relative_to(trained).as_posix() for path in trained.rglob("*") if path.is_file())
    assert files[0] == ".torch_port-train.sha256"
    assert files[1:-3] == [
        "best_weights.safetensors",
        "classification_report.txt",
        "confusion_matrix.png",
        "csv/version_0/metrics.csv",
        "curves.png",
        "history.json",
        "last.ckpt",
        "metrics.json",
        "predictions.csv",
    ]
    assert files[-3].startswith("tensorboard/version_0/events")
    assert files[-1] == "training.json"
    assert not (trained / "decoded_images").exists()


def test_the_best_weights_give_the_figures(trained: Path, data_set: Path, tmp_path: Path):
    weights = trained / "best_weights.safetensors"
    options = ["--data", str(data_set), "--checkpoint", str(weights), "--out", str(tmp_path), *SMALL[:4], "--device", "cpu"]
    assert main(["evaluate", *options]) == 0
    for name in ("metrics.json", "predictions.csv"):
        assert (tmp_path / name).read_text() == (trained / name).read_text()


def pixels_of(figure: Any) -> np.ndarray:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return np.asarray(Image.open(file))


def test_report_and_pictures_are_of_the_test_images(trained: Path, data_set: Path):
    """The report from the table of predictions, which says what was predicted, and from the names of files: what is true."""
    loaders, names = data.make_loaders(data_set, "20x", "published", splits=["test"])
    table = pd.read_csv(trained / "predictions.csv").set_index("image")
    rows = [Path(path).name for path in loaders["test"].dataset.images]
    true = [name.partition("_")[0] for name in rows]
    predicted = table.loc[rows, names].idxmax(axis=1)
    report = (trained / "classification_report.txt").read_text()
    assert report == classification_report(true, predicted, labels=names, zero_division=0)
    matrix = json.loads((trained / "metrics.json").read_text())["test"]["confusion_matrix"]
    history = json.loads((trained / "history.json").read_text())
    for name, figure in (
        ("confusion_matrix.png", figures.plot_confusion(matrix, names)), ("curves.png", figures.plot_metrics(history)),
    ):  # fmt: skip
        assert np.array_equal(np.asarray(Image.open(trained / name)), pixels_of(figure)), name


def test_the_weights_say_where_they_come_from(trained: Path):
    history = json.loads((trained / "history.json").read_text())
    best = int(np.argmin(history["val_loss"]))
    assert results_of(trained)["metadata"] == {
        "arch": "resnet50v2",
        "classes": "aca,nor,scc",
        "image_scale": "0.03",
        "source": f"trained with seed {SEED}",
        "epoch": str(best),
        "val_loss": repr(history["val_loss"][best]),
    }
    assert len(history["loss"]) == EPOCHS


@pytest.mark.parametrize("command", ["evaluate", "gradcam", "predict"])
def test_the_weights_take_images_of_their_size_alone(
    trained: Path, data_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
):
    """The network would take any, and give other answers."""
    data = [str(data_set / "images")] if command == "predict" else ["--data", str(data_set)]
    options = ["--checkpoint", str(trained / "best_weights.safetensors"), "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert main([command, *data, *options, "--image-scale", "0.04"]) == 2
    message = "`image_scale` must be 0.03, at which the file was trained, got 0.04 in "
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("change", ["another split", "another file"])
def test_a_training_is_not_resumed_with_other_images(
    trained: Path, data_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str
):
    """The words of the options stay the same."""
    data, split, out = tmp_path / "data", tmp_path / "split.csv", tmp_path / "out"
    shutil.copytree(data_set, data)
    patients = sorted(pd.read_csv(data / "data.csv")["patient_id"].unique())
    names = [("train", "val", "test")[number % 3] for number in range(len(patients))]
    write_split(split, patients, names)
    options = words_of(data, out, "--split", str(split), "--workers", "0", "--epochs", "1")
    assert main(options) == 0
    left = results_of(out)
    if change == "another split":
        write_split(split, patients, [names[-1], *names[:-1]])
    else:
        image = next(iter(sorted((data / "images").rglob("*.jpg"))))
        image.write_bytes(image.read_bytes() + b"\0")
    capsys.readouterr()
    assert main([*options, "--resume"]) == 2
    assert (
        "`images` must be those with which this training was begun, in the same splits, got others in "
        in capsys.readouterr().err
    )
    assert results_of(out) == left


def write_split(path: Path, patients: list[Any], names: list[str]) -> None:
    pd.DataFrame({"patient_id": patients, "split": names}).to_csv(path, index=False)


def test_others_may_read_the_weights(trained: Path):
    umask = os.umask(0)
    os.umask(umask)
    for name in ("best_weights.safetensors", "last.ckpt"):
        assert stat.S_IMODE((trained / name).stat().st_mode) == 0o666 & ~umask


def test_killed_twice_it_ends_as_if_never_interrupted(trained: Path, data_set: Path, tmp_path: Path, capsys: Any):
    """In its first epoch and in a later one; each part with another number of workers and another room for decoded images."""
    out = tmp_path / "out"
    kill_when(start(*words_of(data_set, out, "--workers", "1")), lambda: any(out.glob("tensorboard/*/events*")))
    assert not (out / "last.ckpt").exists()
    kill_when(start(*words_of(data_set, out, "--workers", "2", "--resume")), (out / "last.ckpt").is_file)
    assert [path.stat().st_size for path in (out / "decoded_images").iterdir()].count(IMAGE_BYTES) == 9
    assert len(json.loads((out / "history.json").read_text())["loss"]) < EPOCHS
    for _ in range(2):  # the second time there is nothing left to train
        capsys.readouterr()
        assert main(words_of(data_set, out, "--workers", "2", "--resume", "--image-cache", "0.02")) == 0
        assert results_of(out) == results_of(trained)
        assert not (out / "decoded_images").exists()
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"resumed in {out}: {EPOCHS} whole epochs, goes on with epoch {EPOCHS}"
    losses = json.loads((out / "history.json").read_text())["val_loss"]
    best = min(range(EPOCHS), key=losses.__getitem__)
    assert said[1] == f"best epoch: {best} of 0 to {EPOCHS - 1}, validation loss {losses[best]:.4f}"
    accuracy = {name: part["accuracy"] for name, part in json.loads((out / "metrics.json").read_text()).items()}
    assert said[2:4] == [f"{name}: accuracy {accuracy[name]:.4f} on 3 images" for name in ("val", "test")]
    assert said[-1].endswith(f"to {out}")


def test_two_processes(data_set: Path, tmp_path: Path):
    """The last batch of training has fewer images than there are processes."""
    out = tmp_path / "out"
    options = words_of(data_set, out, "--devices", "2", "--strategy", "ddp", "--epochs", "1", "--batch-size", "5")
    process = start(*options)
    stdout, stderr = process.communicate(timeout=180)
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr
    assert "Warning" not in stderr
    assert [line.split(":")[0] for line in stdout.splitlines()][:2] == ["epoch 0", "best epoch"]
    assert len(json.loads((out / "history.json").read_text())["loss"]) == 1
    assert [figures["n"] for figures in json.loads((out / "metrics.json").read_text()).values()] == [3, 3]
    assert [path.name for path in (out / "csv").iterdir()] == ["version_0"]
    assert not (out / "decoded_images").exists()


@pytest.mark.parametrize(("room", "train", "val"), [("0", EPOCHS, EPOCHS + 1), ("0.06", 1, 1)])
def test_decoded_images_are_kept_until_the_end_and_change_nothing(
    trained: Path, data_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: str, train: int, val: int
):
    """With room for all that is read again, an image is decoded once for all epochs and for the figures at the end."""
    decoded: list[str] = []
    for module in (data, image_cache):
        monkeypatch.setattr(module, "read_image", lambda path: decoded.append(path) or read_image(path))
    out = tmp_path / "out"
    assert main(words_of(data_set, out, "--workers", "0", "--image-cache", room)) == 0
    assert results_of(out) == results_of(trained)
    assert not (out / "decoded_images").exists()
    loaders, _ = data.make_loaders(data_set, "20x", "published")
    times = {name: [decoded.count(path) for path in loader.dataset.images] for name, loader in loaders.items()}
    assert times == {"train": [train] * 6, "val": [val] * 3, "test": [1] * 3}


@needs_avx2
@pytest.mark.parametrize("workers", ["0", "2"])
def test_augmented_on_the_device_it_is_the_same_training(trained: Path, data_set: Path, tmp_path: Path, workers: str):
    out = tmp_path / "out"
    assert main(words_of(data_set, out, "--augment-on", "device", "--workers", workers)) == 0
    found, expected = results_of(out), results_of(trained)
    settings = [json.loads(results.pop("training.json")) for results in (found, expected)]
    assert settings == [{**settings[1], "augment_on": "device"}, {**settings[0], "augment_on": "cpu"}]
    assert found == expected


@pytest.mark.parametrize(
    ("end", "everyone", "ignored"),
    [
        (signal.SIGINT, True, ()),  # Ctrl-C
        (signal.SIGTERM, False, ()),
        (signal.SIGTERM, True, ()),  # systemd
        (signal.SIGHUP, True, ()),  # a terminal that is closed
        (signal.SIGTERM, False, (signal.SIGINT, signal.SIGHUP)),  # in the background of a script, or by nohup
    ],
)
def test_an_interrupted_training_leaves_no_decoded_images(
    data_set: Path, tmp_path: Path, end: signal.Signals, everyone: bool, ignored: tuple[signal.Signals, ...]
):
    out = tmp_path / "out"
    process = start(*words_of(data_set, out, "--workers", "2", "--epochs", "1000"), ignored=ignored)
    wait_until(process, (out / "last.ckpt").is_file)
    assert len(list((out / "decoded_images").iterdir())) == 9
    for number in ignored:
        os.killpg(process.pid, number)
    if ignored:  # it goes on
        epochs = len(json.loads((out / "history.json").read_text())["loss"])
        wait_until(process, lambda: len(json.loads((out / "history.json").read_text())["loss"]) > epochs + 2)
    (os.killpg if everyone else os.kill)(process.pid, end)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.splitlines()[-1] == INTERRUPTED
    assert "error: " not in stderr
    assert not (out / "decoded_images").exists()


def test_a_training_that_is_terminated_beside_its_epochs_leaves_no_decoded_images(data_set: Path, tmp_path: Path):
    """Lightning looks after SIGTERM only while it trains; here it is the figures at the end."""
    out = tmp_path / "out"
    process = start(*words_of(data_set, out, "--workers", "0", "--epochs", "1"))
    wait_until(process, (out / "curves.png").exists)
    process.terminate()
    _, stderr = process.communicate(timeout=60)
    assert not (out / "decoded_images").exists()
    # A command that had just ended has nothing left to put away, and the signal ends its process.
    ends = {130: INTERRUPTED, -signal.SIGTERM: stderr.splitlines()[-1]}
    assert stderr.splitlines()[-1] == ends[process.returncode]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--data /no/where", "`data` must be a folder"),
        ("--batch-size 0", "`batch_size` must be at least 1"),
        ("--batch-size 1 --devices 2", "`batch_size` must give each of 2 processes an image, got batches of 1 in --batch-size"),
        ("--devices 4", "`batch_size` must give each of 4 processes an image, got batches of 3"),
        ("--devices 2 --epoch-order legacy", "`devices` must be 1 for the legacy order, got 2 in --devices; use"),
        ("--workers 2 --epoch-order legacy", "`num_workers` must be 0 for epoch order legacy, got 2"),
        ("--precision 16-mixed", "`precision` must be another one on a CPU, got 16-mixed in --precision; use bf16-mixed"),
        ("--images 0", "`images` must be at least 1, got 0"),
        ("--images 1", "`split` must have images of several classes in train, got only aca in --split published; choose"),
        ("--split random", "`patients` must be enough for a random split"),
        ("--weights imagenet", "`weights` must be downloaded by Keras first, got no such file in "),
        ("--weights no.h5", "`checkpoint` must be"),
        ("--resume", "`--out` must be the folder of a training, to go on with it, got no training in "),
        ("--weights imagenet --arch torchvision_resnet50", "`weights` must be downloaded by Keras first"),
    ],
)
def test_bad_options_end_with_2_and_one_message(
    options: str, message: str, data_set: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(words_of(data_set, tmp_path / "out", *options.split())) == 2
    stderr = capsys.readouterr().err
    assert stderr.startswith(f"error: {message}")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options",
    [
        "--class-weights inverse", "--strategy horovod", "--precision 8", "--epochs 0", "--patience 0", "--devices 0",
        "--seed -1", "--workers -1", "--learning-rate 0", "--learning-rate -1", "--learning-rate nan", "--learning-rate x",
        "--image-cache -1", "--image-cache nan", "--image-cache 1e308", "--image-cache x",
    ],
)  # fmt: skip
def test_words_that_mean_nothing_end_with_2(options: str, tmp_path: Path, capsys: Any):
    with pytest.raises(SystemExit) as caught:
        main(words_of(tmp_path, tmp_path / "out", *options.split()))
    assert caught.value.code == 2
    assert f"error: argument {options.split()[0]}: " in capsys.readouterr().err


def test_out_is_a_folder(data_set: Path, tmp_path: Path, capsys: Any):
    (tmp_path / "out").touch()
    assert main(words_of(data_set, tmp_path / "out")) == 2
    assert "error: `out` must be a folder that can be made, got File exists" in capsys.readouterr().err


def test_a_training_that_cannot_go_on_is_left_as_it_is(trained: Path, data_set: Path, capsys: Any):
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    for more in ([], ["--resume", "--arch", "torchvision_resnet50"], ["--resume", "--learning-rate", "1"]):
        assert main(words_of(data_set, trained, *more)) == 2
    messages = capsys.readouterr().err.splitlines()
    assert [message.split("`")[1] for message in messages] == ["--out", "--arch", "--learning-rate"]
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before


def test_a_learning_rate_that_is_too_high_is_said_at_the_end(data_set: Path, tmp_path: Path, capsys: Any):
    assert main(words_of(data_set, tmp_path, "--learning-rate", "1e38", "--epochs", "1", "--workers", "0")) == 2
    assert capsys.readouterr().err.startswith(
        "error: `validation loss` must be finite in some epoch, got none in this training"
    )
    assert not (tmp_path / "decoded_images").exists()


def test_there_are_no_more_gpus_than_there_are(data_set: Path):
    options = Namespace(devices=torch.cuda.device_count() + 1, num_nodes=1)
    with pytest.raises(InputError, match=r"`devices` must be at most the \d+ GPUs of this machine, got \d+ in --devices; take"):
        check_hardware(options, torch.device("cuda"), {})


@pytest.mark.parametrize(
    ("order", "device", "cpus", "workers"),
    [
        ("permutation", "cpu", 2, 0),
        ("permutation", "cpu", 8, 2),
        ("permutation", "cuda", 8, 8),
        ("permutation", "cuda", 64, 16),
        ("legacy", "cuda", 8, 0),
    ],
)
def test_as_many_workers_as_there_are_cpus_to_use(
    monkeypatch: pytest.MonkeyPatch, order: str, device: str, cpus: int, workers: int
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cpus)))
    assert data.default_workers(order, torch.device(device)) == workers


def test_a_gpu_gets_its_batches_in_pinned_memory(data_set: Path, monkeypatch: pytest.MonkeyPatch):
    for device in ("cpu", "cuda"):
        monkeypatch.setattr(evaluate, "select_device", lambda name: torch.device(name))
        options = make_parser().parse_args([*words_of(data_set, data_set), "--device", device])
        loaders, _ = train_command.make_training_loaders(options, SEED)
        assert {loader.pin_memory for loader in loaders.values()} == {device == "cuda"}


@pytest.mark.parametrize(("free_gb", "workers"), [(0.06, 0), (12, 8), (120, 16)])
def test_whole_images_wait_in_no_more_than_half_of_the_shared_memory(
    data_set: Path, free_gb: float, workers: int, monkeypatch: pytest.MonkeyPatch
):
    """Two batches of 64 images of 1200x1600 for each process are 0.74 GB; the first is what a container has by default."""
    monkeypatch.setattr(data.shutil, "disk_usage", lambda folder: Namespace(free=free_gb * 1e9))
    monkeypatch.setattr(evaluate, "select_device", lambda name: torch.device("cuda"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)))
    words = [*words_of(data_set, data_set), "--batch-size", "64", "--augment-on", "device"]
    for chosen, expected in (([], workers), (["--workers", "3"], 3)):
        loaders, _ = train_command.make_training_loaders(make_parser().parse_args([*words, *chosen]), SEED)
        assert loaders["train"].num_workers == expected


def test_training_computes_full_float32_products():
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    model = make_start_model(Namespace(arch="resnet50v2", weights="none"), 3, SEED)
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    assert model.conv3.block2.conv2.weight.is_contiguous(memory_format=torch.channels_last)


def test_start_weights_are_drawn_from_the_seed():
    options = Namespace(arch="resnet50v2", weights="none")
    first, again, other = (make_start_model(options, 3, seed).last_dense.weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_imagenet_file_is_that_of_keras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / train_command.KERAS_IMAGENET
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not weights")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert make_parser().parse_args(words_of(tmp_path, tmp_path)[:5]).weights == "imagenet"
    with pytest.raises(WeightsError, match=r"`checkpoint` must be an \.npz .* in .*notop\.h5"):
        make_start_model(Namespace(arch="resnet50v2", weights="imagenet"), 3, SEED)
