from __future__ import annotations

import random
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.utils.class_weight import compute_class_weight
from torch import distributed
from torch.testing._internal.distributed.fake_pg import FakeStore

from tests.torch_port.opencv import needs_avx2
from torch_port import data, image_cache
from torch_port.device_augmentation import DrawnImages
from torch_port.errors import DataError
from torch_port.image_cache import decoded_images
from torch_port.order import Draw, EpochSampler, LegacyBatchSampler, SharedBatchSampler
from torch_port.quirks import Quirks

SCALE = 0.05


def load(data_set, **options):
    return data.make_loaders(data_set, "20x", "published", SCALE, **{"batch_size": 4} | options)


def test_splits_labels_and_batches(data_set):
    loaders, class_names = load(data_set, batch_size=2)
    assert class_names == ["aca", "nor", "scc"]
    assert list(loaders) == ["train", "val", "test"]
    assert loaders["train"].dataset.labels == [0, 0, 1, 1, 2, 2]
    assert [path.rpartition("_")[2] for path in loaders["val"].dataset.images] == ["7.jpg", "8.jpg", "9 'é\"<b>.jpg"]
    batches = list(loaders["val"])
    assert [tuple(images.shape) for images, _ in batches] == [(2, 3, 60, 80), (1, 3, 60, 80)]
    assert torch.equal(torch.cat([labels for _, labels in batches]), torch.eye(3))
    assert {images.dtype for images, _ in batches} | {labels.dtype for _, labels in batches} == {torch.float32}


def test_an_evaluation_image_is_that_of_a_calculation_by_hand(data_set):
    loaders, _ = load(data_set, splits=["test"])
    images, _ = next(iter(loaders["test"]))
    with Image.open(loaders["test"].dataset.images[0]) as opened:
        levels = cv2.resize(np.asarray(opened), (80, 60), interpolation=cv2.INTER_LINEAR)
    for row, column, channel in ((0, 0, 0), (59, 79, 2), (17, 44, 1)):
        assert images[0, channel, row, column] == np.float32(levels[row, column, channel]) / np.float32(255)


def test_the_legacy_order_shuffles_and_augments_from_one_stream_of_random_numbers(data_set):
    loaders, _ = load(data_set, epoch_order="legacy", splits=["train"])
    dataset = loaders["train"].dataset
    found = [batch for _ in range(2) for batch in loaders["train"]]  # make_loaders left the seed at 17
    random.seed(17)
    pairs, augment = list(zip(dataset.images, dataset.labels, strict=True)), data.train_augmentations(SCALE)

    def item(number):
        if number == 0:
            random.shuffle(pairs)
        part = pairs[4 * number : 4 * number + 4]
        images = [augment(image=data.read_image(path))["image"].transpose(2, 0, 1) for path, _ in part]
        return np.stack(images), np.eye(3, dtype=np.float32)[[label for _, label in part]]

    item(0)  # Keras looks at it once
    expected = []
    for _ in range(2):
        order = [0, 1]
        random.shuffle(order)
        expected += [item(number) for number in order]
    for (images, labels), (expected_images, expected_labels) in zip(found, expected, strict=True):
        assert np.array_equal(images.numpy(), expected_images)
        assert np.array_equal(labels.numpy(), expected_labels)


def test_the_legacy_order_looks_at_validation_once_when_it_begins(data_set):
    loaders, _ = load(data_set, epoch_order="legacy", batch_size=2)
    read = []
    loaders["val"].dataset.augment = lambda image: read.append(image) or {"image": np.zeros((1, 1, 3), np.float32)}
    assert [len(labels) for _ in range(2) for _, labels in loaders["val"]] == [2, 1, 2, 1]
    assert len(read) == 2 + 3 + 3


def epoch_of(loader, epoch):
    loader.batch_sampler.sampler.set_epoch(epoch)  # as the trainer does
    return [(images, labels) for images, labels in loader]


def test_by_default_an_epoch_is_a_new_permutation_and_global_random_numbers_are_left_alone(data_set):
    random.seed(3)
    state = random.getstate()
    loaders, _ = load(data_set)
    epochs = [epoch_of(loaders["train"], epoch) for epoch in range(3)]
    assert random.getstate() == state
    sampler = loaders["train"].batch_sampler
    assert isinstance(sampler, SharedBatchSampler)
    assert isinstance(sampler.sampler, EpochSampler)
    assert [len(labels) for _, labels in epochs[0]] == [4, 2]
    orders = []
    for epoch in range(3):
        sampler.sampler.set_epoch(epoch)
        orders.append([draw.index for batch in sampler for draw in batch])
        labels = torch.cat([labels for _, labels in epochs[epoch]]).argmax(dim=1).tolist()
        assert labels == [loaders["train"].dataset.labels[index] for index in orders[-1]]
    assert all(sorted(order) == list(range(6)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


def test_the_same_seed_repeats_with_any_number_of_workers(data_set):
    alone, shared, other = (
        load(data_set, splits=["train"], **options)[0]["train"]
        for options in ({"seed": 5}, {"seed": 5, "num_workers": 2}, {"seed": 6})
    )
    assert shared.persistent_workers
    seen = []
    for epoch in range(2):
        batches, same, different = (epoch_of(loader, epoch) for loader in (alone, shared, other))
        for (images, labels), (same_images, same_labels) in zip(batches, same, strict=True):
            assert torch.equal(images, same_images)
            assert torch.equal(labels, same_labels)
        seen += [*torch.cat([images for images, _ in batches]), *torch.cat([images for images, _ in different])]
    assert len({image.numpy().tobytes() for image in seen}) == 24  # no augmentation twice


def batches_of(loaders, epoch):
    if isinstance(loaders["train"].batch_sampler, SharedBatchSampler):
        loaders["train"].batch_sampler.sampler.set_epoch(epoch)
    return [batch for name in ("train", "val") for batch in loaders[name]]


@pytest.mark.parametrize(("order", "workers"), [("permutation", 0), ("permutation", 1), ("permutation", 2), ("legacy", 0)])
@pytest.mark.parametrize("room", [100, 4])
def test_batches_are_the_same_from_decoded_images_on_disk(data_set, tmp_path, monkeypatch, order, workers, room):
    log = tmp_path / "decoded.txt"

    def read(path):
        with log.open("a") as file:
            file.write(f"{path}\n")
        return data.read_image(path)

    monkeypatch.setattr(image_cache, "read_image", read)
    options = {"splits": ["train", "val"], "epoch_order": order}
    plain = load(data_set, **options)[0]
    random.seed(1)
    expected = [batches_of(plain, epoch) for epoch in range(2)]
    cached = load(data_set, **options, num_workers=workers)[0]
    random.seed(1)
    with decoded_images(tmp_path, cached.values(), room * image_cache.IMAGE_BYTES, first=True):
        for epoch in range(2):
            found = batches_of(cached, epoch)
            for (images, labels), (right_images, right_labels) in zip(found, expected[epoch], strict=True):
                assert torch.equal(images, right_images)
                assert torch.equal(labels, right_labels)
    paths = [path for loader in cached.values() for path in loader.dataset.images]
    decoded = log.read_text().splitlines()
    assert max(decoded.count(path) for path in paths[:room]) == 1
    assert (max(decoded.count(path) for path in paths) > 1) == (room < len(paths))


@needs_avx2
@pytest.mark.parametrize(("order", "workers"), [("permutation", 0), ("permutation", 2), ("legacy", 0)])
def test_batches_to_be_augmented_on_the_device_become_those_of_albumentations(data_set, order, workers):
    options = {"splits": ["train", "val"], "epoch_order": order}
    plain = load(data_set, **options)[0]
    expected = [batches_of(plain, epoch) for epoch in range(2)]
    drawn = load(data_set, **options, num_workers=workers, device_augmentation=True)[0]
    augment = drawn["train"].dataset.augment
    for epoch in range(2):
        for (images, labels), (right_images, right_labels) in zip(batches_of(drawn, epoch), expected[epoch], strict=True):
            assert torch.equal(augment.apply(*images) if isinstance(images, DrawnImages) else images, right_images)
            assert torch.equal(labels, right_labels)


def test_a_worker_computes_in_one_thread(data_set):
    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    cv2.resize(np.zeros((1200, 1600, 3), np.uint8), (800, 600))  # starts the threads, which a worker does not inherit
    try:
        for workers, threads in ((0, 3), (1, 1)):
            train = load(data_set, splits=["train"], num_workers=workers)[0]["train"]
            train.dataset.augment = lambda image: {"image": np.full((1, 1, 3), cv2.getNumThreads(), np.float32)}
            for loader in (train, data.make_evaluation_loader(train, SCALE)):
                loader.dataset.augment = train.dataset.augment
                assert {int(image.max()) for images, _ in loader for image in images} == {threads}
    finally:
        cv2.setNumThreads(before)


def test_a_draw_is_augmented_from_its_stream(data_set):
    dataset = load(data_set, splits=["train"])[0]["train"].dataset
    image, label = dataset[Draw(2, 99)]
    random.seed(99)
    expected = data.train_augmentations(SCALE)(image=data.read_image(dataset.images[2]))["image"]
    assert np.array_equal(image.numpy(), expected.transpose(2, 0, 1))
    assert label.tolist() == [0, 1, 0]


def test_a_fault_leaves_the_global_random_numbers_alone_too(data_set):
    dataset = load(data_set, splits=["train"])[0]["train"].dataset
    dataset.images = [path + ".none" for path in dataset.images]
    state = random.getstate()
    with pytest.raises(DataError, match="No such file"):
        dataset[Draw(2, 99)]
    assert random.getstate() == state


def test_the_order_follows_the_quirk_and_only_training_is_shuffled(data_set):
    for options in ({"quirks": Quirks(mid_epoch_reshuffle=True)}, {"epoch_order": "legacy"}):
        loaders, _ = load(data_set, **options)
        assert {name: loader.batch_sampler.shuffle for name, loader in loaders.items()} == {
            "train": True,
            "val": False,
            "test": False,
        }
    loaders, _ = load(data_set)
    for split in ("val", "test"):
        assert not isinstance(loaders[split].batch_sampler, LegacyBatchSampler)
        assert list(loaders[split].batch_sampler) == [[0, 1, 2]]


def test_a_process_of_a_distributed_job_gets_its_share_but_evaluation_of_training_images_is_whole(data_set):
    loaders, _ = load(data_set)
    plain = data.make_evaluation_loader(loaders["train"], SCALE)
    distributed.init_process_group("fake", rank=1, world_size=2, store=FakeStore())
    try:
        assert [len(batch) for batch in loaders["train"].batch_sampler] == [2, 1]
        assert list(loaders["val"].batch_sampler) == [[1]]
        assert list(plain.batch_sampler) == [[0, 1, 2, 3], [4, 5]]
    finally:
        distributed.destroy_process_group()


def test_only_training_is_augmented(data_set):
    loaders, _ = load(data_set)
    assert [len(loader.dataset.augment.transforms) for loader in loaders.values()] == [9, 2, 2]


def test_the_first_images_of_each_split_balanced_over_classes(data_set):
    loaders, _ = load(data_set, images=4, splits=["train", "test"])
    assert {name: loader.dataset.labels for name, loader in loaders.items()} == {
        "train": [0, 0, 1, 2],
        "test": [0, 1, 2],
    }


def test_a_patient_in_two_splits_is_in_both(data_set, tmp_path):
    (tmp_path / "split.csv").write_text("patient_id,split\n2,train\n2,val\n4,val\n")
    loaders, _ = data.make_loaders(data_set, "20x", tmp_path / "split.csv", SCALE, splits=["train", "val"])
    assert [len(loader.dataset) for loader in loaders.values()] == [1, 2]


def test_class_weights_are_scikit_learns(data_set):
    loaders, _ = load(data_set, images=4)
    labels = loaders["train"].dataset.labels
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 2]), y=labels)
    assert data.compute_weights(loaders["train"]) == pytest.approx(dict(enumerate(expected)))
    loaders["train"].dataset.labels = [0, 2, 2, 2]
    assert data.compute_weights(loaders["train"]) == pytest.approx({0: 4 / (2 * 1), 2: 4 / (2 * 3)})


def test_a_fault_in_a_worker_gives_the_same_message(tmp_path, make_data_set, rows):
    make_data_set(tmp_path, rows[6:9])
    loaders, _ = load(tmp_path, splits=["val"], num_workers=1)
    path = loaders["val"].dataset.images[0]
    with Path(path).open("r+b") as file:
        file.truncate(9000)
    with pytest.raises(DataError) as caught:
        list(loaders["val"])
    assert caught.value.text().startswith("`image` must be a whole JPEG file, got image file is truncated")
    assert caught.value.text().endswith("take them out of data.csv")
    assert "\n" not in caught.value.text()


def test_the_real_tiles(shared_data):
    loaders, _ = data.make_loaders(shared_data / "tissue_tiles", "20x", "published", SCALE)
    assert {name: len(loader.dataset) for name, loader in loaders.items()} == {"train": 13, "val": 6, "test": 5}


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"`data` must be a folder with data.csv and images/, got no such folder in"):
        load(tmp_path / "none")


def test_a_resolution_without_images_is_refused(data_set):
    with pytest.raises(DataError, match=r"`data.csv` must have images of resolution 40x, got none in"):
        data.make_loaders(data_set, "40x", "published")


def test_another_set_of_classes_is_refused(data_set, tmp_path):
    shutil.copytree(data_set, tmp_path, dirs_exist_ok=True)
    (tmp_path / "images" / "notumor").mkdir()
    with pytest.raises(
        DataError, match=r"`images` must hold folders of the classes aca, nor, scc .* and nothing else, got 'notumor' in"
    ):
        load(tmp_path)


def test_missing_images_are_named_before_anything_is_read(data_set, tmp_path, write_metadata, rows):
    write_metadata(tmp_path, (*rows, ("nor", "", "20x", "99", 40)))
    (tmp_path / "images").symlink_to(data_set / "images")
    with pytest.raises(DataError, match=r"(?s)got 1 other in --data.*nor_20x_99.jpg: No such file or directory"):
        load(tmp_path)
    load(tmp_path, splits=["train", "val"])  # that image is in neither


def test_an_empty_split_is_refused(data_set, tmp_path):
    (tmp_path / "split.csv").write_text("patient_id,split\n2,train\n")
    with pytest.raises(DataError, match=r"`split` must have images for val, got none in --split .*split.csv; leave it out"):
        data.make_loaders(data_set, "20x", tmp_path / "split.csv")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"splits": ["val", "dev"]}, "`splits` must be some of train, val, test, got 'dev'"),
        ({"splits": []}, "`splits` must be some of"),
        ({"epoch_order": "random"}, "`epoch_order` must be one of permutation, legacy, got 'random'"),
        ({"epoch_order": "legacy", "num_workers": 2}, "`num_workers` must be 0 for epoch order legacy, got 2"),
        ({"image_scale": 0.01}, "`image_scale` must give images of 32 to 1200 rows, got 0.01"),
        ({"image_scale": float("nan")}, "`image_scale` must give"),
        ({"batch_size": 0}, "`batch_size` must be at least 1, got 0"),
        ({"seed": -1}, "`seed` must be at least 0, got -1"),
        ({"images": 0}, "`images` must be at least 1, got 0"),
    ],
)
def test_options_out_of_range_are_refused(data_set, options, message):
    with pytest.raises(DataError, match=message):
        data.make_loaders(data_set, "20x", "published", **options)


def test_the_evaluation_loader_of_training_images_keeps_their_order_and_pixels(data_set):
    loaders, _ = data.make_loaders(data_set, "20x", "published", 0.08, batch_size=4)
    plain = data.make_evaluation_loader(loaders["train"], 0.08)
    shrink = data.test_augmentations(0.08)
    expected = [shrink(image=data.read_image(path))["image"] for path in loaders["train"].dataset.images]
    found = np.concatenate([images.numpy() for images, _ in plain])
    np.testing.assert_array_equal(found, np.stack(expected).transpose(0, 3, 1, 2))


def test_an_evaluation_loader_reads_as_its_source_does(data_set):
    source = load(data_set, splits=["val"])[0]["val"]
    source.dataset.read = lambda path: np.full((1200, 1600, 3), 51, np.uint8)
    for images, _ in data.make_evaluation_loader(source, SCALE):
        assert torch.equal(images, torch.full_like(images, 0.2))
