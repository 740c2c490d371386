"""The loader gate: splits by file name, the trace of two epochs, and what the default order must be."""

from __future__ import annotations

import random
from copy import deepcopy

import numpy as np
import pytest

from parity.gates.loader.compare import compare
from parity.gates.loader.contract import Trace, batch_lengths, phases, trace_keys
from parity.gates.loader.permutation import permutation_checks
from parity.tolerance import Limit
from parity.verdict import Check, GateResult, Verdict

from .conftest import HandmadeRun

TEN = Limit(value=10, reason="ten")

SIZES = {"train": 20, "val": 5}
FILES = {
    split: [[f"{split}_{number}.jpg", number % 3] for number in range(size)] for split, size in (SIZES | {"test": 3}).items()
}


def split_table(split: str) -> dict[str, object]:
    names, labels = zip(*FILES[split], strict=True)
    patients = [f"{split} patient {number}" for number in range(len(names))]
    lengths = batch_lengths(len(names))
    return {"images": list(names), "labels": list(labels), "patients": patients, "batches": lengths, "length": len(lengths)}


def permutation(seed: int = 17) -> dict[str, dict[str, object]]:
    """Three epochs of a real permutation, as the port records what a training reads."""
    rng = np.random.default_rng(seed)
    images: dict[str, object] = {}
    states: dict[str, object] = {}
    labels: dict[str, object] = {}
    for epoch in range(3):
        files = [FILES["train"][index] for index in rng.permutation(20)]
        images |= {f"epoch {epoch}, image {place}": name for place, (name, _) in enumerate(files)}
        states |= {f"epoch {epoch}, image {place}": f"stream {epoch} {name}" for place, (name, _) in enumerate(files)}
        for batch, start in enumerate((0, 8, 16)):
            labels[f"epoch {epoch}, batch {batch}"] = [label for _, label in files[start : start + 8]]
    return {"images": images, "states": states, "labels": labels}


def recorded(trained: dict[str, dict[str, object]], sampled: dict[str, dict[str, object]] | None = None) -> dict[str, object]:
    """What the port records of the default order; what the sampler gives is what was trained on, unless it is given."""
    return {"permutation": trained, "sampled": deepcopy(trained) if sampled is None else sampled, "untrained": ""}


@pytest.fixture
def run(handmade: HandmadeRun) -> HandmadeRun:
    for side in (handmade.legacy, handmade.port):
        side.values |= {split: split_table(split) for split in ("train", "val", "test")}
        side.values["classes"] = ["aca", "nor", "scc"]
        side.values["trace_files"] = {split: FILES[split] for split in SIZES}
        side.values |= {what: {key: f"{what} {key}" for key in keys} for what, keys in trace_keys(SIZES).items()}
    handmade.both("class_weights", np.array([1.0, 0.5, 2.0]), "K")
    handmade.port.values |= recorded(permutation()) | {"untraced": ""}
    return handmade


def failed(result: GateResult) -> list[str]:
    return [check.id for check in result.checks if check.verdict is Verdict.FAIL]


def table(run: HandmadeRun, what: str, side: str = "port") -> dict[str, object]:
    made = dict(getattr(run, side).values[what])
    getattr(run, side).values[what] = made
    return made


def permutation_failures(found: dict[str, dict[str, object]], size: int = 20) -> list[str]:
    checks = permutation_checks(recorded(found), [tuple(row) for row in FILES["train"][:size]], TEN)
    return [check.id.rpartition("/")[2] for check in checks if check.verdict is Verdict.FAIL]


def test_equal_recordings_pass(run: HandmadeRun):
    result = run.compare("loader", compare)
    assert failed(result) == []
    assert result.verdict is Verdict.PASS
    assert result.expected == result.compared == 10


def test_the_keys_of_a_trace_are_those_of_two_epochs_with_their_looks():
    keys = trace_keys(SIZES)
    assert len(keys["trace/images"]) == (8 + 20 + 20) + (5 + 5 + 5)
    assert len(keys["trace/states"]) == len(keys["trace/images"]) + 4
    assert len(keys["trace/labels"]) == 3 + 1 + 3 + 1
    assert [phase for phase, *_ in phases()] == ["epoch 1", "validation 1", "epoch 2", "validation 2"]


@pytest.mark.parametrize("what", ["images", "states", "labels"])
def test_another_value_in_the_trace_is_named(run: HandmadeRun, what: str):
    name = f"trace/{what}"
    key = next(key for key in table(run, name) if key.startswith("epoch 2"))
    run.port.values[name][key] = "another"
    result = run.compare("loader", compare)
    assert failed(result) == [f"loader/exact/{name}/equal"]
    assert next(check for check in result.checks if not check).worst == key


@pytest.mark.parametrize("sides", [("port",), ("legacy", "port")], ids=["the port", "both sides"])
def test_a_look_that_is_not_there_fails(run: HandmadeRun, sides: tuple[str, ...]):
    for side in sides:
        for what in ("trace/images", "trace/states"):
            for number in range(20, 28):
                del table(run, what, side)[f"epoch 1, image {number}"]
    assert failed(run.compare("loader", compare)) == ["loader/exact/trace/images/equal", "loader/exact/trace/states/equal"]


def test_a_set_of_one_batch_has_no_power(run: HandmadeRun):
    sizes = {"train": 8, "val": 5}
    for side in (run.legacy, run.port):
        side.values["trace_files"] = {split: FILES[split][:size] for split, size in sizes.items()}
        side.values |= {what: dict.fromkeys(keys, "a") for what, keys in trace_keys(sizes).items()}
    checks = {check.id: check.verdict for check in run.compare("loader", compare).checks}
    assert checks["loader/none/trace/batches"] is Verdict.INCONCLUSIVE


def test_another_label_another_split_and_a_shared_patient_fail(run: HandmadeRun):
    table(run, "train")["labels"] = [0] * 20
    run.port.values["val"], run.port.values["test"] = run.port.values["test"], run.port.values["val"]
    table(run, "test")["patients"] = ["train patient 3"] * 5
    assert failed(run.compare("loader", compare)) == [
        "loader/exact/train/labels",
        "loader/exact/train/order",
        "loader/exact/val/labels",
        "loader/exact/val/order",
        "loader/exact/test/labels",
        "loader/exact/test/order",
        "loader/exact/port/patients_in_two_splits",
    ]


def test_other_class_weights_fail(run: HandmadeRun):
    run.port.arrays["class_weights"][0][1] *= 1 + 1e-9
    assert failed(run.compare("loader", compare)) == ["loader/float64/class_weights/max_rel"]


def test_a_real_permutation_passes():
    assert permutation_failures(permutation()) == []


def test_the_order_of_the_files_fails():
    found = permutation()
    for place, (name, label) in enumerate(FILES["train"]):
        found["images"][f"epoch 1, image {place}"] = name
        found["labels"][f"epoch 1, batch {place // 8}"][place % 8] = label
    assert permutation_failures(found) == ["new_orders"]


def test_an_epoch_that_repeats_another_fails():
    found = permutation()
    for what in found.values():
        what |= {key.replace("epoch 0", "epoch 2"): value for key, value in what.items() if key.startswith("epoch 0")}
    assert permutation_failures(found) == ["streams", "new_orders"]


def test_a_last_batch_that_is_dropped_fails():
    found = permutation()
    for place in range(16, 20):
        del found["images"][f"epoch 0, image {place}"], found["states"][f"epoch 0, image {place}"]
    del found["labels"]["epoch 0, batch 2"]
    assert permutation_failures(found) == ["streams", "once", "batches"]


def test_an_image_that_comes_twice_fails():
    found = permutation()
    found["images"]["epoch 2, image 3"] = found["images"]["epoch 2, image 4"]
    assert "once" in permutation_failures(found)


def test_a_label_of_another_image_fails():
    found = permutation()
    found["labels"]["epoch 0, batch 2"][1] += 1
    assert permutation_failures(found) == ["labels"]


def test_an_epoch_that_is_not_there_fails():
    found = permutation()
    for what in found.values():
        for key in [key for key in what if key.startswith("epoch 1")]:
            del what[key]
    assert permutation_failures(found) == ["streams", "once", "batches"]


def test_a_training_that_reads_what_the_sampler_gives_for_other_epochs_fails():
    """A callback that sets epoch 0 before each epoch, or one that is an epoch late."""
    sampled = permutation()
    for ahead in (0, 1):
        trained = {
            what: {
                f"epoch {epoch}, {key.partition(', ')[2]}": value
                for epoch in range(3)
                for key, value in table.items()
                if key.startswith(f"epoch {(epoch + 1) % 3 if ahead else 0},")
            }
            for what, table in sampled.items()
        }
        checks = permutation_checks(recorded(trained, sampled), [tuple(row) for row in FILES["train"]], TEN)
        wrong = {check.id.rpartition("/")[2]: check for check in checks if check.verdict is Verdict.FAIL}
        assert list(wrong) == (["sampled"] if ahead else ["streams", "sampled", "new_orders"])
        assert wrong["sampled"].worst.startswith("images: epoch ")


@pytest.mark.parametrize("what", ["images", "states", "labels"])
def test_one_value_that_is_not_the_samplers_fails(what: str):
    sampled = permutation()
    sampled[what]["epoch 1, batch 1" if what == "labels" else "epoch 1, image 3"] = "another"
    checks = permutation_checks(recorded(permutation(), sampled), [tuple(row) for row in FILES["train"]], TEN)
    assert [check.id.rpartition("/")[2] for check in checks if not check] == ["sampled"]


@pytest.mark.parametrize("what", ["permutation", "sampled"])
def test_what_was_not_recorded_of_the_default_order_fails(run: HandmadeRun, what: str):
    del run.port.values[what]
    assert "loader/exact/permutation/sampled" in failed(run.compare("loader", compare))


def test_a_stream_that_two_images_share_fails():
    found = permutation()
    found["states"]["epoch 2, image 3"] = found["states"]["epoch 0, image 7"]
    assert permutation_failures(found) == ["streams"]


def test_a_port_that_does_not_train_is_no_finding_about_the_order(run: HandmadeRun):
    run.port.values |= {"permutation": {}, "untrained": "RuntimeError: no step"}
    result = run.compare("loader", compare)
    assert (failed(result), result.verdict) == ([], Verdict.NOT_RUN)
    assert next(check for check in result.checks if not check).reason == "the training raised RuntimeError: no step"


def test_few_images_say_nothing_about_new_orders():
    for size, least, verdict in ((9, TEN, "INCONCLUSIVE"), (9, Limit(value=9, reason=""), "PASS"), (10, TEN, "PASS")):
        checks: list[Check] = permutation_checks(recorded(permutation()), [tuple(row) for row in FILES["train"][:size]], least)
        found = [check.verdict.value for check in checks if check.id.endswith("new_orders")]
        assert found == [verdict]


def test_a_trace_follows_images_and_random_numbers():
    levels = np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)
    images = {name: levels + number for number, name in enumerate(("a", "b"))}
    trace = Trace()
    for name, image in images.items():
        trace.know(name, image)
    augment = trace.watch(lambda image: {"image": image + int(random.random() < 2)})

    def batches():
        for name in ("b", "a", "b"):
            assert np.array_equal(augment(image=images[name])["image"], images[name] + 1)
        augment(image=levels + 9)
        yield None, np.eye(3)[[2, 0]]

    random.seed(1)
    trace.follow("epoch 1", batches())
    trace.follow("epoch 2", batches())
    assert list(trace.images.values()) == ["b", "a", "b", "no image of the data set"] * 2
    assert list(trace.images)[4] == "epoch 2, image 0"
    assert trace.labels == {"epoch 1, batch 0": [2, 0], "epoch 2, batch 0": [2, 0]}
    assert len(set(trace.states.values())) == 8, "a draw after each image; the end of an epoch is as its last image"
    random.seed(1)
    repeated = Trace(trace.names)
    augment = repeated.watch(lambda image: {"image": image + int(random.random() < 2)})
    repeated.follow("epoch 1", batches())
    assert repeated.states.items() < trace.states.items()


def test_a_port_that_does_not_train_in_the_legacy_order_is_no_finding_about_the_order(run: HandmadeRun):
    run.port.values["untraced"] = "RuntimeError: no step"
    result = run.compare("loader", compare)
    assert (failed(result), result.verdict) == ([], Verdict.NOT_RUN)
    assert "RuntimeError: no step" in next(check for check in result.checks if not check).reason
