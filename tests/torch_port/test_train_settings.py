"""What a training and its resumption must have in common."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.utilities import rank_zero_only

from torch_port.__main__ import make_parser
from torch_port.errors import InputError
from torch_port.names import SPLITS
from torch_port.train_settings import FIXED_SETTINGS, SETTINGS, hash_images, recorded_settings, settle_seed

GIVEN = ["--image-scale", "0.05", "--weights", "none", "--batch-size", "4"]
OTHER = {
    "data": "elsewhere",
    "arch": "torchvision_resnet50",
    "resolution": "40x",
    "split": "random",
    "image_scale": "0.1",
    "images": "3",
    "batch_size": "5",
    "epoch_order": "legacy",
    "weights": "imagenet",
    "class_weights": "none",
    "learning_rate": "0.01",
    "patience": "3",
    "patience_lr": "3",
    "precision": "bf16-mixed",
    "augment_on": "device",
    "seed": "4",
}


IMAGES = "5" * 64


def parse(*words: str) -> Namespace:
    return make_parser().parse_args(["train", "--data", "data", "--out", "out", *GIVEN, *words])


def begin(folder: Path, *words: str) -> dict[str, Any]:
    """Begin a training that is killed in its first epoch, and return its settings."""
    options = parse(*words)
    settle_seed(folder, options)
    with recorded_settings(folder, options, IMAGES):
        pass
    return json.loads((folder / SETTINGS).read_text())


def test_without_a_seed_there_is_a_new_one_each_time(tmp_path: Path):
    seeds = set()
    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        seeds.add(begin(folder)["seed"])
        options = parse("--resume")
        assert settle_seed(folder, options) == options.seed
        assert options.seed in seeds
    assert len(seeds) == 5


def test_the_settings_are_all_kept(tmp_path: Path):
    kept = begin(tmp_path, "--seed", "3")
    assert tuple(kept) == (*FIXED_SETTINGS, "images_sha256")
    assert kept["data"] == str(Path("data").resolve())
    assert {name: kept[name] for name in ("seed", "image_scale", "images", "weights")} == {
        "seed": 3,
        "image_scale": 0.05,
        "images": None,
        "weights": "none",
    }
    assert [path.name for path in tmp_path.iterdir()] == [SETTINGS]


@pytest.mark.parametrize("name", FIXED_SETTINGS)
def test_a_resumed_training_has_the_same_settings(tmp_path: Path, name: str):
    begin(tmp_path, "--seed", "3")
    before = (tmp_path / SETTINGS).read_bytes()
    option = "--" + name.replace("_", "-")
    with pytest.raises(InputError, match=rf"`{option}` must be .* as when this training was begun, got .* in .*; give the"):
        settle_seed(tmp_path, parse("--resume", "--seed", "3", option, OTHER[name]))
    assert (tmp_path / SETTINGS).read_bytes() == before


@pytest.mark.parametrize("words", ["--epochs 9", "--workers 1", "--devices 2 --strategy ddp", "--device cpu", "--out moved"])
def test_the_rest_may_change(tmp_path: Path, words: str):
    begin(tmp_path, "--seed", "3")
    assert settle_seed(tmp_path, parse("--resume", *words.split())) == 3


def test_a_training_is_not_begun_over_another(tmp_path: Path):
    begin(tmp_path)
    with pytest.raises(InputError, match=r"`--out` must be a folder without a training, got one in .*; use --resume to go on"):
        settle_seed(tmp_path, parse("--seed", "3"))


@pytest.mark.parametrize("seed", [(), ("--seed", "3")])
def test_what_is_resumed_must_be_there(tmp_path: Path, seed: tuple[str, ...]):
    message = r"`--out` must be the folder of a training, to go on with it, got no training in .*new; leave --resume out"
    with pytest.raises(InputError, match=message):
        settle_seed(tmp_path / "new", parse("--resume", *seed))


@pytest.mark.parametrize("text", ["", "[]", '{"data": "x"}', '{"seed": "x"}', "\xff"])
def test_damaged_settings_are_said(tmp_path: Path, text: str):
    (tmp_path / SETTINGS).write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=r"`settings` must be a file that a training wrote, got .*; choose another --out"):
        settle_seed(tmp_path, parse("--resume"))


def test_a_training_that_has_lost_its_settings_is_not_overwritten(tmp_path: Path):
    (tmp_path / "last.ckpt").touch()
    with pytest.raises(InputError, match=r"`settings` must be a file that a training wrote, got .*No such file"):
        settle_seed(tmp_path, parse("--seed", "3"))


@pytest.mark.parametrize("has_epochs", [False, True])
def test_a_training_that_is_refused_leaves_only_what_it_has_trained(tmp_path: Path, has_epochs: bool):
    options = parse("--seed", "3")
    if has_epochs:
        (tmp_path / "last.ckpt").touch()
    with pytest.raises(InputError, match="bad image"), recorded_settings(tmp_path, options, IMAGES):
        raise InputError("bad image")
    assert (tmp_path / SETTINGS).is_file() == has_epochs


def test_the_hash_of_the_images_is_of_what_each_split_holds_in_its_order(tmp_path: Path):
    files = [str(tmp_path / name) for name in "abc"]
    for number, path in enumerate(files):
        Path(path).write_bytes(number * b"x")

    def hash_of(labels: Sequence[int] = (0, 1, 2), order: Sequence[int] = (0, 1, 2), names: Sequence[str] = SPLITS[:2]) -> str:
        images, kept = [files[index] for index in order], [labels[index] for index in order]
        parts = zip(names, ((images[:2], kept[:2]), (images[2:], kept[2:])), strict=True)
        return hash_images({name: Namespace(dataset=Namespace(images=part, labels=of)) for name, (part, of) in parts})

    known = hash_of()
    assert hash_of() == known
    others = [hash_of((0, 2, 2)), hash_of(order=(1, 0, 2)), hash_of(order=(0, 2, 1)), hash_of(names=SPLITS[1:])]
    Path(files[1]).write_bytes(b"longer")
    assert len({known, *others, hash_of()}) == 6


def test_further_processes_find_the_settings_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    begin(tmp_path, "--seed", "3")
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    assert settle_seed(tmp_path, parse()) == 3
    with recorded_settings(tmp_path / "nowhere", parse(), IMAGES):
        pass  # they write nothing
    with pytest.raises(InputError, match="`seed` must be given where processes are not started from here, got none in --seed"):
        settle_seed(tmp_path / "nowhere", parse())


def test_the_first_process_of_another_machine_is_a_further_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    begin(tmp_path, "--seed", "3")
    monkeypatch.setenv("NODE_RANK", "1")
    assert settle_seed(tmp_path, parse("--num-nodes", "2")) == 3
