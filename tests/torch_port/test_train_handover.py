"""What the commands hand on: every option reaches the training, its loaders and its network, each in its own place.

The training itself does not run: it is refused as soon as it has been handed everything.
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader

from torch_port import __main__ as commands
from torch_port import train_command
from torch_port.device_augmentation import DeviceAugmentation
from torch_port.errors import InputError
from torch_port.image_cache import IMAGE_BYTES
from torch_port.model import ResNet50V2, make_model
from torch_port.training import Hardware

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL = ("--image-scale", "0.03", "--weights", "none", "--device", "cpu")
# Patients of the data set in conftest by class; in training three, one and two, so that no two weights are alike.
OWN_SPLIT = {
    "train": {"aca": (2, 3, 1), "nor": (4,), "scc": (7, 8)},
    "val": {"nor": (5, 6), "scc": (27,)},
    "test": {"aca": (9,), "nor": (13,), "scc": (31,)},
}
Hand = Callable[..., Namespace]


class Enough(InputError):
    """The training has everything."""


@pytest.fixture
def hand(data_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hand:
    """Return a function that gives the command these words, and returns what the training is handed."""
    handed = Namespace()

    def take(training: Any, train: DataLoader, val: DataLoader, folder: Path, **words: Any) -> None:
        tf32 = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
        handed.__dict__.update(
            tf32=tf32, training=training, train=train, val=val, folder=folder, words=words, read=train.dataset.read
        )
        raise Enough("enough")

    monkeypatch.setattr(train_command, "train_model", take)

    def run(*words: str, data: Path = data_set) -> Namespace:
        options = commands.make_parser().parse_args(
            ["train", "--data", str(data), "--out", str(tmp_path / "out"), *SMALL, *words]
        )
        with pytest.raises(Enough):
            train_command.run_train(options)
        return handed

    return run


@pytest.fixture
def own_split(tmp_path: Path) -> Path:
    """A file of one's own that splits the data set otherwise than the publication."""
    rows = [(patient, split) for split, classes in OWN_SPLIT.items() for patients in classes.values() for patient in patients]
    pd.DataFrame(rows, columns=["patient_id", "split"]).to_csv(tmp_path / "own.csv", index=False)
    return tmp_path / "own.csv"


def names_of(loader: DataLoader) -> list[str]:
    return sorted(Path(path).name for path in loader.dataset.images)


def expected_names(rows: tuple, patients: set[int]) -> list[str]:
    kinds = (
        (f"{superclass}_{subclass}" if subclass else superclass, number, patient)
        for superclass, subclass, _, number, patient in rows
    )
    return sorted(f"{kind}_20x_{number}.jpg" for kind, number, patient in kinds if patient in patients)


def patients_of(split: str) -> set[int]:
    return {patient for patients in OWN_SPLIT[split].values() for patient in patients}


def test_without_options_it_trains_as_the_legacy(hand: Hand, tmp_path: Path):
    handed = hand("--seed", "3")
    words = dict(handed.words)
    assert words.pop("hardware") == Hardware(accelerator="cpu", devices=1, num_nodes=1, strategy="auto", precision="32-true")
    assert words == {
        "num_epochs": 2000, "patience": 25, "patience_lr": 10, "resume": False,
        "provenance": {
            "arch": "resnet50v2", "classes": "aca,nor,scc", "image_scale": "0.03", "source": "trained with seed 3",
        },
    }  # fmt: skip
    (group,) = handed.training.configure_optimizers().param_groups
    assert group["lr"] == pytest.approx(1e-4)
    assert handed.folder == tmp_path / "out"
    assert handed.tf32 == (False, False)
    assert handed.training.augmentation is None
    assert [loader.batch_sampler.batch_size for loader in (handed.train, handed.val)] == [8, 8]
    assert isinstance(handed.training.model, ResNet50V2)
    assert (handed.train.dataset.num_classes, handed.training.model.last_dense.out_features) == (3, 3)


def test_every_option_reaches_its_place_and_no_other(hand: Hand):
    handed = hand(
        "--epochs", "7", "--patience", "5", "--patience-lr", "2", "--learning-rate", "0.0625", "--batch-size", "5",
        "--num-nodes", "3", "--devices", "1", "--strategy", "ddp", "--precision", "bf16-mixed", "--seed", "3", "--images", "5",
        "--workers", "0",
    )  # fmt: skip
    words = handed.words
    assert (words["num_epochs"], words["patience"], words["patience_lr"]) == (7, 5, 2)
    assert words["hardware"] == Hardware(accelerator="cpu", devices=1, num_nodes=3, strategy="ddp", precision="bf16-mixed")
    (group,) = handed.training.configure_optimizers().param_groups
    assert group["lr"] == 0.0625
    assert handed.train.batch_sampler.batch_size == 5
    assert [len(loader.dataset) for loader in (handed.train, handed.val)] == [5, 3]
    assert hand("--devices", "3").words["hardware"] == Hardware(devices=3)


def test_training_images_are_trained_on_and_validation_images_are_not(hand: Hand, rows: tuple):
    """The published split: patients 2 to 8, and 1, 6 and 27."""
    handed = hand()
    assert names_of(handed.train) == expected_names(rows, {2, 3, 4, 5, 7, 8})
    assert names_of(handed.val) == expected_names(rows, {1, 6, 27})
    assert [len(loader.dataset.augment.transforms) for loader in (handed.train, handed.val)] == [9, 2]


def test_class_weights_are_those_of_the_training_images(hand: Hand, own_split: Path):
    """Six images: n / (classes * images of the class), by hand. Validation and test images have other shares."""
    handed = hand("--split", str(own_split), "--seed", "3")
    counts = Counter(handed.train.dataset.labels)
    assert [counts[label] for label in range(3)] == [3, 1, 2]
    assert handed.training.class_weights.tolist() == pytest.approx([6 / (3 * 3), 6 / (3 * 1), 6 / (3 * 2)], rel=1e-6)


def test_without_class_weights_all_classes_are_alike(hand: Hand, own_split: Path):
    handed = hand("--split", str(own_split), "--class-weights", "none")
    assert handed.training.class_weights.tolist() == [1.0, 1.0, 1.0]
    assert handed.training.class_weights.dtype == torch.float32


def test_a_split_of_ones_own_reaches_the_training(hand: Hand, own_split: Path, rows: tuple):
    handed = hand("--split", str(own_split))
    assert names_of(handed.train) == expected_names(rows, patients_of("train"))
    assert names_of(handed.val) == expected_names(rows, patients_of("val"))


@pytest.mark.parametrize("command", ["evaluate", "gradcam"])
def test_a_split_of_ones_own_reaches_the_other_commands(
    command: str, data_set: Path, own_split: Path, rows: tuple, tmp_path: Path
):
    words = [command, "--data", str(data_set), "--out", str(tmp_path / "out"), "--checkpoint", "x", *SMALL[:2]]
    options = commands.make_parser().parse_args([*words, "--split", str(own_split), "--splits", "val,train,test"])
    loaders, class_names = commands._make_loaders(options)
    assert (list(loaders), class_names) == (["val", "train", "test"], ["aca", "nor", "scc"])
    for split, loader in loaders.items():
        assert names_of(loader) == expected_names(rows, patients_of(split))


@pytest.fixture(scope="module")
def many_patients(make_data_set: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten patients of each class, enough for a random split; all their images are one file."""
    folder = make_data_set(tmp_path_factory.mktemp("many"), (("nor", "", "20x", "30", 129),))
    (image,) = (folder / "images").rglob("*.jpg")
    rows = [("nor", "", "20x", "30", 129)]
    for number in range(1, 30):
        kind = ("nor", "aca_bd", "scc_bd")[number % 3]
        path = folder / "images" / kind / f"{kind}_20x_{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        os.link(image, path)
        rows.append((*kind.partition("_")[::2], "20x", str(number), 99 + number))
    columns = ["superclass", "subclass", "resolution", "image_id", "patient_id"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "data.csv", index=False)
    return folder


def split_by_hand(numbers: list[int]) -> dict[str, set[int]]:
    """Return the image numbers of a random split: of each class's ten patients eight, and of the others one and one.

    scikit-learn's ``GroupShuffleSplit`` takes the first of a permutation by the seed 17 as its second part.
    """
    found: dict[str, set[int]] = {"train": set(), "val": set(), "test": set()}
    for kind in range(3):
        group = sorted(number for number in numbers if number % 3 == kind)
        order = np.random.RandomState(17).permutation(len(group))
        rest = sorted(group[index] for index in order[:2])
        found["train"] |= set(group) - set(rest)
        second = np.random.RandomState(17).permutation(2)
        found["val"].add(rest[second[0]])
        found["test"].add(rest[second[1]])
    return found


def numbers_of(loader: DataLoader) -> set[int]:
    return {int(Path(path).stem.rpartition("_")[2]) for path in loader.dataset.images}


def test_a_random_split_reaches_the_training(hand: Hand, many_patients: Path):
    handed, expected = hand("--split", "random", data=many_patients), split_by_hand(list(range(1, 31)))
    assert [len(part) for part in expected.values()] == [24, 3, 3]
    assert numbers_of(handed.train) == expected["train"]
    assert numbers_of(handed.val) == expected["val"]


@pytest.mark.parametrize("command", ["evaluate", "gradcam"])
def test_a_random_split_reaches_the_other_commands(command: str, many_patients: Path, tmp_path: Path):
    words = [command, "--data", str(many_patients), "--out", str(tmp_path / "out"), "--checkpoint", "x", *SMALL[:2]]
    options = commands.make_parser().parse_args([*words, "--split", "random", "--splits", "train,val,test"])
    loaders, _ = commands._make_loaders(options)
    assert {split: numbers_of(loader) for split, loader in loaders.items()} == split_by_hand(list(range(1, 31)))


def seeds_of(handed: Namespace) -> tuple[int, int]:
    return handed.training.seed, handed.train.batch_sampler.sampler.seed


def stream(seed: int, number: int) -> int:
    """The upper 63 bits of numpy's hash of the two numbers."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0]) >> 1


def test_network_dropout_and_data_have_streams_of_their_own(hand: Hand):
    seeds = seeds_of(hand("--seed", "3"))
    assert seeds == (stream(3, 1), stream(3, 2))
    assert len({stream(3, 0), *seeds}) == 3


def test_the_network_is_drawn_from_its_stream(hand: Hand):
    torch.manual_seed(stream(3, 0))
    expected = make_model("resnet50v2", 3).state_dict()
    torch.manual_seed(99)  # what was drawn before does not matter
    found = hand("--seed", "3").training.model.state_dict()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


def test_another_seed_is_another_training(hand: Hand, tmp_path: Path):
    def draw(seed: str) -> tuple[tuple[int, int], torch.Tensor]:
        handed = hand("--seed", seed, "--out", str(tmp_path / f"out {seed}"))
        return seeds_of(handed), handed.training.model.last_dense.weight

    first, again, other = draw("3"), draw("3"), draw("4")
    assert first[0] == again[0]
    assert torch.equal(first[1], again[1])
    assert not set(first[0]) & set(other[0])
    assert not torch.equal(first[1], other[1])


def test_start_weights_reach_the_network(hand: Hand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The file that was named is read, and into the network that is trained."""
    read: list[Any] = []

    def fill(model: ResNet50V2, path: Path) -> None:
        read.append(path)
        with torch.no_grad():
            model.conv1.weight.fill_(0.125)

    monkeypatch.setattr(train_command, "load_backbone", fill)
    assert torch.all(hand("--weights", str(tmp_path / "start.h5")).training.model.conv1.weight == 0.125)
    assert read == [tmp_path / "start.h5"]
    assert not torch.all(hand("--weights", "none", "--out", str(tmp_path / "other")).training.model.conv1.weight == 0.125)
    assert len(read) == 1


def test_images_are_augmented_where_it_is_asked_for(hand: Hand):
    handed = hand("--augment-on", "device", "--workers", "0")
    assert isinstance(handed.training.augmentation, DeviceAugmentation)
    assert handed.training.augmentation is handed.train.dataset.augment


@pytest.mark.parametrize(("room", "kept"), [(str(2.5 * IMAGE_BYTES / (1 << 30)), 2), ("0", 0)])
def test_the_room_for_decoded_images_is_that_of_the_option(hand: Hand, room: str, kept: int):
    handed = hand("--image-cache", room)
    assert len(handed.read.__self__._entries) == kept
    assert handed.val.dataset.read == handed.read


def test_a_new_seed_is_drawn_where_none_is_given(hand: Hand, tmp_path: Path):
    assert len({seeds_of(hand("--out", str(tmp_path / str(number)))) for number in range(3)}) == 3


def test_the_legacy_order_is_that_of_the_option(hand: Hand):
    assert type(hand("--epoch-order", "legacy").train.batch_sampler).__name__ == "LegacyBatchSampler"
