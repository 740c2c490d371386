"""What both train commands pass on and leave: each way in which a recording can be wrong fails at its own check."""

from __future__ import annotations

import copy
import csv
import gzip
import json
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from sklearn.metrics import accuracy_score
from sklearn.utils.class_weight import compute_class_weight

from parity.architecture import tensors
from parity.contract import CLASSES, SPLITS
from parity.errors import BadInputError
from parity.fresh import describe
from parity.gates.commands.compare import compare
from parity.gates.commands.contract import (
    ANSWERED,
    COUNTS,
    DATA,
    FILES,
    GATE,
    IMAGE_SHAPE,
    KEPT,
    OPTIONS,
    SETTINGS,
    SPLIT,
    WEIGHTS,
    call,
    digest,
    list_images,
    read_outcome,
    train_words,
)
from parity.gates.commands.fixtures import write_commands_fixtures
from parity.kernels import draw_kernel
from parity.reuse import recording_key
from parity.verdict import GateResult, Verdict

from .breaking import failed, find
from .conftest import HandmadeRun

Change = Callable[[dict[str, Any]], object]
LABELS = np.array([{**KEPT["val"], **KEPT["test"]}[name] for name in ANSWERED])


def make_answers(seed: int) -> dict[str, Any]:
    rows = np.random.default_rng(seed).dirichlet(np.ones(3), len(ANSWERED))
    return {"columns": ["image", *CLASSES], "images": list(ANSWERED), "rows": rows.tolist()}


def make_figures(answers: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return figures by scikit-learn, rounded to float32 as torch's are."""
    predicted, ends = np.argmax(answers["rows"], axis=1), {"val": slice(0, 6), "test": slice(6, 11)}
    return {
        split: {"n": len(LABELS[part]), "accuracy": float(np.float32(accuracy_score(LABELS[part], predicted[part])))}
        for split, part in ends.items()
    }


def make_head() -> dict[str, dict[str, float]]:
    head = [tensor for tensor in tensors(3) if tensor.legacy.startswith(("prev_dense", "last_dense"))]
    values = {
        tensor.legacy: draw_kernel(tensor.legacy, tensor.shape, 17) if len(tensor.shape) > 1 else np.zeros(tensor.shape)
        for tensor in head
    }
    return {name: describe(array) for name, array in values.items()}


def make_values(side: str) -> dict[str, Any]:
    """Return what a recorder writes of a right training."""
    answers = make_answers(len(side))
    backbone = [tensor.legacy for tensor in tensors(3) if "dense" not in tensor.legacy]
    trained = [tensor.legacy for tensor in tensors(3) if "moving" not in tensor.legacy]
    counts = Counter(KEPT["train"].values())
    weights = {str(label): float(np.float32(10 / (3 * counts[label]))) for label in range(3)}
    values: dict[str, Any] = {
        "fit": {
            "image": [36, 48, 3], "batches/train": [4, 4, 2], "batches/val": [4, 2], "epochs": 2, "optimizer": "Adam",
            "learning_rate": float(np.float32(1e-3)), "early_stopping/monitor": "val_loss", "early_stopping/patience": 7,
            "plateau/monitor": "val_loss", "plateau/patience": 3, "plateau/factor": 0.1, "plateau/min_delta": 1e-4,
            "plateau/min_lr": 1e-7, "best_weights/monitor": "val_loss",
        },
        "train": KEPT["train"], "val": KEPT["val"], "class_weights": weights,
        "start": {name: f"hash of {name}" for name in backbone}, "head": make_head(),
        "trained": dict.fromkeys(trained, True),
        "history": {"loss": [1.0, 0.5], "val_loss": [1.2, 1.5], "lr": [1e-3, 1e-3]},
        "weights": {"epoch 0": "first", "epoch 1": "second", "file": "first", "memory": "first"},
        "files": dict.fromkeys(FILES[side], 100), "answers": answers, "metrics": make_figures(answers),
    }  # fmt: skip
    if side == "port":
        own = {"said": {"train": "", "evaluate": ""}, "settings": dict(SETTINGS)}
        values |= {**own, "evaluated/answers": copy.deepcopy(answers), "evaluated/metrics": make_figures(answers)}
    return copy.deepcopy(values)


@pytest.fixture
def run(handmade: HandmadeRun) -> HandmadeRun:
    handmade.legacy.values, handmade.port.values = make_values("legacy"), make_values("port")
    return handmade


def ask(run: HandmadeRun) -> GateResult:
    return run.compare(GATE, compare)


def test_right_trainings_pass(run: HandmadeRun):
    result = ask(run)
    assert result.verdict is Verdict.PASS, failed(result)
    assert result.expected == result.compared == 18
    assert find(result, "commands/exact/start/equal").n == 270
    assert find(result, "commands/exact/trained/equal").n == 176


def swap_answers(values: dict[str, Any]) -> None:
    images = values["answers"]["images"]
    images[0], images[7] = images[7], images[0]


WRONG: dict[str, tuple[Change, list[str]]] = {
    "class weights of other images": (lambda v: v["class_weights"].update({"0": 1.0}), ["exact/class_weights/equal"]),
    "another learning rate": (lambda v: v["fit"].update(learning_rate=1e-4), ["exact/fit/equal"]),
    "no early stopping": (lambda v: v["fit"].pop("early_stopping/patience"), ["exact/fit/equal"]),
    "another optimizer": (lambda v: v["fit"].update(optimizer="AdamW"), ["exact/fit/equal"]),
    "one more figure of fit": (lambda v: v["fit"].update(momentum=0.9), ["exact/fit/equal"]),
    "an image less": (lambda v: v["train"].popitem(), ["exact/train/equal"]),
    "other labels": (lambda v: v["val"].update(dict.fromkeys(v["val"], 0)), ["exact/val/equal"]),
    "validates on test": (lambda v: v.update(val=KEPT["test"]), ["exact/val/equal"]),
    "other start weights": (lambda v: v["start"].update({"conv1_conv/bias": "other"}), ["exact/start/equal"]),
    "start weights not read": (lambda v: v["start"].clear(), ["exact/start/equal"]),
    "a tensor that is not trained": (lambda v: v["trained"].pop("conv1_conv/bias"), ["exact/trained/equal"]),
    "a wide head": (
        lambda v: v["head"].update({"prev_dense/kernel": describe(draw_kernel("prev_dense/kernel", (2048, 256), 1) * 1.1)}),
        ["float32/fresh/port/past_bound", "float32/fresh/port/std"],
    ),
    "a biased head": (
        lambda v: v["head"].update({"last_dense/bias": describe(np.ones(3))}), ["exact/fresh/port/constants"],
    ),
    "a file less": (lambda v: v["files"].pop("curves.png"), ["exact/port/files"]),
    "a file more": (lambda v: v["files"].update(core=1), ["exact/port/files"]),
    "an empty file": (lambda v: v["files"].update({"curves.png": 0}), ["exact/port/files"]),
    "an epoch too many": (
        lambda v: [numbers.append(numbers[-1]) for numbers in v["history"].values()],
        ["exact/port/epochs", "exact/history/equal"],
    ),
    "a figure less": (lambda v: v["history"].pop("loss"), ["exact/history/equal"]),
    "another rate in an epoch": (lambda v: v["history"].update(lr=[1e-3, 1e-4]), ["exact/history/equal"]),
    "the last weights in the file": (lambda v: v["weights"].update(file="second"), ["exact/port/best_weights"]),
    "the last weights in memory": (lambda v: v["weights"].update(memory="second"), ["exact/port/best_weights"]),
    "no file of weights": (lambda v: v["weights"].pop("file"), ["exact/port/best_weights"]),
    "images in another order": (
        swap_answers, ["exact/port/answers", "float32/port/figures", "float32/port/evaluated/max_abs"],
    ),
    "classes in another order": (lambda v: v["answers"]["columns"].reverse(), ["exact/port/answers"]),
    "figures of another split": (
        lambda v: v["metrics"].update(val=v["metrics"]["test"]), ["float32/port/figures", "exact/port/evaluated_figures"],
    ),
    "no figures": (lambda v: v.pop("metrics"), ["float32/port/figures", "exact/port/evaluated_figures"]),
    "another seed": (lambda v: v["settings"].update(seed="6"), ["exact/port/settings"]),
    "no settings": (lambda v: v.pop("settings"), ["exact/port/settings"]),
    "evaluate finds something else": (
        lambda v: v["evaluated/answers"]["rows"][3].reverse(), ["float32/port/evaluated/max_abs"],
    ),
    "evaluate finds an image less": (
        lambda v: [v["evaluated/answers"][name].pop() for name in ("images", "rows")], ["float32/port/evaluated/max_abs"],
    ),
    "evaluate ends with an error": (lambda v: v["said"].update(evaluate="exit code 2: error"), ["exact/port/ended"]),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_fails_at_its_check(run: HandmadeRun, what: str):
    change, expected = WRONG[what]
    change(run.port.values)
    found = failed(ask(run))
    assert [id.removeprefix("commands/") for id in found] == expected


@pytest.mark.parametrize("name", make_values("port"))
def test_what_is_absent_fails(run: HandmadeRun, name: str):
    del run.port.values[name]
    assert ask(run).verdict is Verdict.FAIL


def test_a_refusal_is_said(run: HandmadeRun):
    run.port.values = {"said": {"train": "exit code 2: error: `weights` must be there"}}
    check = find(ask(run), "commands/exact/port/ended")
    assert check.verdict is Verdict.FAIL
    assert "error: `weights` must be there" in check.reason
    assert check.worst == "train, evaluate"


@pytest.mark.parametrize("side", ["legacy", "port"])
@pytest.mark.parametrize("losses", [[1.5, 1.2], [float("nan"), 1.2]])
def test_a_best_epoch_that_is_the_last_proves_nothing(run: HandmadeRun, side: str, losses: list[float]):
    values = getattr(run, side).values
    values["history"]["val_loss"] = losses
    values["weights"] = {"epoch 0": "first", "epoch 1": "second", "file": "second", "memory": "second"}
    result = ask(run)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert find(result, f"commands/none/{side}/power").verdict is Verdict.INCONCLUSIVE


def test_rounding_of_evaluate_passes_and_other_weights_do_not(run: HandmadeRun):
    run.port.values["evaluated/answers"]["rows"][0][0] += 9e-7
    assert ask(run).verdict is Verdict.PASS
    run.port.values["evaluated/answers"]["rows"][0][0] += 1e-5
    assert failed(ask(run)) == ["commands/float32/port/evaluated/max_abs"]


# What is given


def test_a_wrong_split_and_the_validation_have_other_class_weights():
    weights = {
        split: tuple(compute_class_weight("balanced", classes=np.arange(3), y=list(KEPT[split].values()))) for split in SPLITS
    }
    assert len(set(weights.values())) == 3


def test_every_split_has_every_class_and_images_of_its_own():
    assert {split: Counter(KEPT[split].values()) for split in SPLITS} == {
        "train": {0: 5, 1: 3, 2: 2}, "val": {0: 1, 1: 2, 2: 3}, "test": {0: 2, 1: 2, 2: 1},
    }  # fmt: skip
    assert sum(map(sum, COUNTS.values())) == sum(map(len, KEPT.values())) + 1  # one is left out by --images
    names = [image.name for resolution in ("40x", "20x") for image in list_images(resolution)]
    assert len(set(names)) == len(names) == 22 + 9
    assert len({image.patient for image in list_images("40x")}) == 9


def test_the_order_of_the_table_is_neither_that_of_splits_nor_of_classes():
    images = list_images("40x")
    for key in ("split", "label"):
        changes = sum(getattr(a, key) != getattr(b, key) for a, b in pairwise(images))
        assert changes > 14, key


def test_validation_shows_other_levels_than_training():
    levels = {split: {image.label: image.level for image in list_images("40x") if image.split == split} for split in SPLITS}
    assert levels["train"] == levels["test"]
    assert all(levels["val"][label] != levels["train"][label] for label in range(3))


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fixtures")
    write_commands_fixtures(folder)
    return folder


def test_the_data_set_is_what_both_readers_want(fixtures: Path):
    with (fixtures / DATA / "data.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 31
    for row in rows:
        kind = "_".join(filter(None, (row["superclass"], row["subclass"])))
        with Pillow.open(fixtures / DATA / "images" / kind / f"{kind}_{row['resolution']}_{row['image_id']}.jpg") as image:
            assert (image.size, image.mode) == ((1600, 1200), "RGB")
    with (fixtures / SPLIT).open(newline="") as file:
        assert {row["patient_id"] for row in csv.DictReader(file)} == {row["patient_id"] for row in rows}


def test_the_same_bytes_every_time_and_the_key_follows_each(fixtures: Path, handmade: HandmadeRun):
    folder = handmade.workspace.gate_fixtures(GATE)
    write_commands_fixtures(folder)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert len(files) == 31 + 3
    assert all((fixtures / path).read_bytes() == (folder / path).read_bytes() for path in files)
    keys = {recording_key("port", GATE, handmade.workspace, depends={})}
    for path in (Path(DATA, "data.csv"), Path(SPLIT), Path(WEIGHTS)):
        (folder / path).write_bytes(b"other")
        keys.add(recording_key("port", GATE, handmade.workspace, depends={}))
    assert len(keys) == 4


def test_the_start_weights_are_small_here_and_an_hdf5_file_there(fixtures: Path):
    packed = Path(__file__).parents[3] / "parity/gates/commands/backbone.h5.gz"
    assert packed.stat().st_size < 100_000
    assert gzip.decompress(packed.read_bytes())[:8] == b"\x89HDF\r\n\x1a\n"
    assert (fixtures / WEIGHTS).stat().st_size < 1_000_000


def test_no_option_is_at_a_default():
    words = train_words(Path("/f"), Path("/o"), "cpu")
    given = dict(zip(words[1::2], words[2::2], strict=True))
    assert given == {
        "--data": "/f/data", "--out": "/o", "--resolution": "40x", "--images": "10", "--image-scale": "0.03",
        "--batch-size": "4", "--epochs": "2", "--patience": "7", "--patience-lr": "3", "--learning-rate": "0.001",
        "--seed": "5", "--split": "/f/split.csv", "--device": "cpu", "--weights": "/f/backbone.h5",
    }  # fmt: skip
    assert IMAGE_SHAPE == [36, 48, 3]
    assert OPTIONS["epochs"] > 1


# How a command is called


def test_a_command_that_ends_well_says_nothing(capsys: pytest.CaptureFixture[str]):
    assert call(lambda words: print("trained", *words) or 0, ["train"]) == ""
    assert capsys.readouterr().out == ""


def test_what_a_command_refuses_is_returned():
    def end_with_2(words: list[str]) -> int:
        print("error: `weights` must be a file")
        return 2

    def end_as_argparse(words: list[str]) -> int:
        raise SystemExit(2)

    assert call(end_with_2, ["train"]) == "exit code 2: error: `weights` must be a file"
    assert call(end_as_argparse, ["train"]).startswith("exit code 2")


@pytest.mark.parametrize(
    ("code", "text", "error"),
    [
        (130, "interrupted", KeyboardInterrupt),
        (2, "error: the GPU's memory is too small: CUDA out of memory", RuntimeError),
        (2, "error: `--out` must be a place that can be written, got No space left on device", BadInputError),
    ],
)
def test_what_is_no_finding_about_a_side_is_raised(code: int, text: str, error: type[BaseException]):
    def end_otherwise(words: list[str]) -> int:
        print(text)
        return code

    with pytest.raises(error):
        call(end_otherwise, ["train"])


def test_an_outcome_is_read_whole_and_in_parts(tmp_path: Path):
    assert read_outcome(tmp_path) == {"files": {}}
    (tmp_path / "history.json").write_text(json.dumps({"loss": [1.0]}))
    (tmp_path / "predictions.csv").write_text("image,aca,nor,scc\na.jpg,0.5,0.25,0.25\n")
    (tmp_path / "csv" / "version_0").mkdir(parents=True)
    (tmp_path / "csv" / "version_0" / "metrics.csv").write_text("abc")
    found = read_outcome(tmp_path)
    assert found["history"] == {"loss": [1.0]}
    assert found["answers"] == {"columns": ["image", *CLASSES], "images": ["a.jpg"], "rows": [[0.5, 0.25, 0.25]]}
    assert found["files"]["csv"] == 3
    assert "metrics" not in found


def test_a_digest_is_of_names_and_every_element_and_not_of_counters():
    one = {"a": np.zeros(3, np.float32), "b": np.ones(2, np.float32)}
    assert digest(one) == digest(dict(reversed(one.items())))
    assert digest(one) == digest({**one, "bn.num_batches_tracked": np.array(3)})
    assert len({digest(one), digest({"b": one["a"], "a": one["b"]}), digest({**one, "a": one["a"] + np.float32(1e-7)})}) == 3
