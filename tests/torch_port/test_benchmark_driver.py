"""The benchmark's driver of the port, on small images: what it says of its work, and that all of it is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("benchmarks", reason="a port that was retired has no benchmarks")
from benchmarks.plan import GRADCAM_IMAGES
from benchmarks.port import Driver, find_host_waits
from tests.torch_port.opencv import needs_avx2
from torch_port.model import ResNet50V2
from torch_port.weights import write_safetensors

pytestmark = pytest.mark.usefixtures("one_thread")

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@pytest.fixture
def driver(data_set: Path, tmp_path: Path) -> Iterator[Driver]:
    checkpoint, inputs = tmp_path / "port.safetensors", tmp_path / "inputs"
    write_safetensors(ResNet50V2(), checkpoint, {"arch": "resnet50v2", "classes": "aca,nor,scc"})
    made = Driver(
        {
            "data": data_set, "checkpoint": checkpoint, "resolution": "20x", "split": "published", "image_scale": 0.03,
            "device": "cpu", "precision": "fp32", "scratch": tmp_path, "inputs": inputs,
        }
    )  # fmt: skip
    made.write_inputs(inputs, [2, 4, GRADCAM_IMAGES])
    yield made
    made.folder.cleanup()


def train(driver: Driver, **options: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what is said of two epochs, and their samples."""
    task = driver.make_task("epoch", batch_size=4, **options)
    samples = [*task.warm_up(), *task.block(1)]
    task.close()
    return task.evidence, samples


def test_an_epoch_is_all_images_in_all_its_parts(driver: Driver):
    evidence, samples = train(driver)
    assert evidence["epoch_images"] == {"training": 6, "validation": 3}
    assert evidence["precision"] == ["float32"]
    for sample in samples:
        assert sample["counts"] == {"training": [6, 0], "validation": [6, 3]}
        assert sum(sample["parts"].values()) == pytest.approx(sample["s"])
        assert min(sample["parts"].values()) > 0


@needs_avx2
def test_augmented_on_the_device_it_is_the_same_work(driver: Driver):
    (evidence, _), (expected, _) = train(driver, device_augmentation=True), train(driver)
    source, expected_source = (found["source"] for found in (evidence, expected))
    for name in ("mean", "deviation"):  # other draws of the same images
        assert source.pop(name) == pytest.approx(expected_source.pop(name), rel=0.35)
    assert evidence == expected


def test_resident_batches_are_those_that_were_written(driver: Driver):
    forward, step = (driver.make_task(name, batch_size=4) for name in ("forward", "training_step"))
    assert forward.evidence["source"] == step.evidence["source"]
    assert forward.evidence["source"]["kind"] == "resident"
    assert "host_waits" not in step.evidence, "a CPU waits for nobody"
    assert np.allclose(np.sum(forward.evidence["probabilities"], axis=1), 1, atol=1e-6)
    for task in (forward, step, driver.make_task("gradcam")):
        assert [sample["images"] for sample in task.block(2)] == [task.images] * 2


@needs_gpu
@pytest.mark.parametrize(
    ("work", "waits"), [(lambda numbers: numbers.sum().item(), True), (lambda numbers: numbers.sum(), False)]
)
def test_what_makes_the_host_wait_is_found(work: Callable[[torch.Tensor], Any], waits: bool):
    numbers = torch.arange(4.0, device="cuda")
    found = find_host_waits(lambda: work(numbers))
    assert bool(found) == waits
    assert all(line.startswith("test_benchmark_driver.py:") for line in found)


@needs_gpu
def test_a_training_step_does_not_wait_for_the_gpu(driver: Driver):
    driver.device = torch.device("cuda")
    assert driver.make_task("training_step", batch_size=4).evidence["host_waits"] == []


def test_every_file_is_read_for_the_data_path_and_for_predictions(driver: Driver):
    data = driver.make_task("data", batch_size=4, workers=0, cached=True)
    predict = driver.make_task("predict", batch_size=4)
    assert (data.images, predict.images) == (6, 6)
    assert [task.block(1)[0]["images"] for task in (data, predict)] == [6, 6]
    assert np.shape(predict.evidence["probabilities"]) == (6, 3)
    assert predict.evidence["source"]["sha256"] != data.evidence["source"]["sha256"]
    data.close()
