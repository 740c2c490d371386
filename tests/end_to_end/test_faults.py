"""One planted fault for each gate, in real processes on a small cohort; a fault of one's own; what a choice may be."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from parity.errors import BadInputError
from parity.faults.runs import suite_gates
from parity.faults.suite import Choice, run_suite
from parity.workspace import PROJECT

from .conftest import TIMEOUT_S

# Gate -> a fault that it catches first.
CAUGHT = {
    "config": "fixed_scale_rounding",
    "numerics": "tf32_conv_default",
    "decode": "bgr_channel_order",
    "preprocess": "scale_twice",
    "augment": "aug_off_train",
    "loader": "peek_extra_draws",
    "weights": "dense_reshape_not_T",
    "blocks": "pool_pad_neginf",
    "inference": "dropout_missing_or_2d",
    "loss": "ce_weight_sum_normalised",
    "gradients": "param_subset",
    "optimizer": "adam_eps_value",
    "bn_state": "bn_var_biased",
    "schedule": "checkpoint_last",
    "commands": "class_weights_of_validation",
    "lockstep": "missing_zero_grad",
    "metrics": "confusion_normalise",
    "decisions": "predict_softmax_over_images",
    "gradcam": "cam_logits",
}
# Caught soon: few gates before them run what these change. The others are a proof, for each takes half a minute.
SOON = ("numerics", "decode", "preprocess", "augment", "loader", "weights", "blocks", "commands", "decisions", "gradcam")
SUITE_LIMIT_S = 2100
OWN = """
from parity.faults.fault import Fault
from parity.faults.planting import edit


def fault(id, gate, plant, **words):
    return Fault(id=id, stage="own", sentence="A mistake.", gates=(gate,), plants=(plant,), **words)


LOSS, LINE = "losses:EpochLoss.update", "self.images += images"
FAULTS = (
    fault("mistyped", "loss", edit(LOSS, (LINE, "self.imges += images"))),
    fault("raises", "loss", edit(LOSS, (LINE, "raise ValueError('no')")), raises=True),
    fault("raises_unsaid", "loss", edit(LOSS, (LINE, "raise ValueError('no')"))),
    fault("not_asked", "loader", edit("interruption:_interrupt", ("raise KeyboardInterrupt", "raise SystemExit"))),
)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


def ids_of(gates: Iterable[str]) -> tuple[str, ...]:
    return tuple(CAUGHT[gate] for gate in gates)


@pytest.fixture(scope="module")
def subset(folder: Path, cohort: Path, checkpoint: Path) -> dict[str, Any]:
    return run_suite(Choice(only=ids_of(SOON), out=folder), lambda _: None, (cohort, checkpoint))


def test_there_is_a_fault_of_every_gate():
    assert set(CAUGHT) == set(suite_gates())


def assert_caught(scorecard: dict[str, Any], gates: Iterable[str]) -> None:
    assert scorecard["correct_port"]["verdict"] == "PASS", scorecard["correct_port"]
    rows = {row["id"]: row for row in scorecard["faults"]}
    first = {gate: rows[CAUGHT[gate]]["first_failing_gate"] for gate in gates}
    assert first == {gate: None if gate == "config" else gate for gate in gates}, rows
    assert all(row["detected"] and row["localised"] for row in rows.values()), rows
    assert scorecard["shortcomings"] == []


def test_a_gate_catches_a_fault_that_is_its_own(subset: dict[str, Any]):
    assert_caught(subset, SOON)


@pytest.mark.slow
def test_the_other_gates_catch_one_too_and_config_names_the_parameter(folder: Path, cohort: Path, checkpoint: Path):
    """`config` is passed over: the gate whose numbers are wrong is where the fault is."""
    others = tuple(gate for gate in CAUGHT if gate not in SOON)
    found = run_suite(Choice(only=ids_of(others), out=folder), lambda _: None, (cohort, checkpoint))
    assert_caught(found, others)
    rows = {row["id"]: row for row in found["faults"]}
    assert "data/odd_scale/size" in rows["fixed_scale_rounding"]["config_named"]
    assert "training/optimizer/epsilon" in rows["adam_eps_value"]["config_named"]
    assert rows["bn_var_biased"]["config_named"] is None


def test_a_suite_goes_on_from_what_it_has(subset: dict[str, Any], folder: Path, cohort: Path, checkpoint: Path):
    forgotten = CAUGHT["decode"]
    (folder / "results" / "faults" / "decode" / f"{forgotten}.json").unlink()
    start = time.monotonic()
    again = run_suite(Choice(only=ids_of(SOON), out=folder), lambda _: None, (cohort, checkpoint))
    assert time.monotonic() - start < 60
    kept = [row for row in again["faults"] if row["id"] != forgotten]
    assert kept == [row for row in subset["faults"] if row["id"] != forgotten]
    assert json.loads((folder / "scorecard.json").read_text(encoding="utf-8")) == again


def test_nothing_of_a_fault_is_left(subset: dict[str, Any], folder: Path):
    assert not any((folder / "work").iterdir())


def test_what_becomes_of_a_fault_of_ones_own(subset: dict[str, Any], folder: Path, cohort: Path, checkpoint: Path):
    file = folder / "own.py"
    file.write_text(OWN, encoding="utf-8")
    found = run_suite(Choice(file=file, out=folder), lambda _: None, (cohort, checkpoint))
    rows = {row["id"]: row for row in found["faults"]}
    first = {id: (row["verdict"], row["detected"], row["first_failing_gate"]) for id, row in rows.items()}
    assert first == {
        "mistyped": ("FAIL", False, "loss"),
        "raises": ("FAIL", True, "loss"),
        "raises_unsaid": ("FAIL", False, "loss"),
        "not_asked": ("NOT_ASKED", False, None),
    }, rows
    assert rows["mistyped"]["misplanted"].startswith("is mistyped: its own text raises AttributeError")
    assert rows["raises"]["exception"] == rows["raises_unsaid"]["exception"] == "ValueError: no"
    assert not any((folder / "work").iterdir())


def test_gates_that_are_asked_for_are_all_recorded(subset: dict[str, Any], folder: Path, cohort: Path, checkpoint: Path):
    choice = Choice(only=("checkpoint_last",), gates=("loss", "schedule", "decisions"), out=folder)
    (row,) = run_suite(choice, lambda _: None, (cohort, checkpoint))["faults"]
    assert row["gates"] == {"loss": "PASS", "schedule": "FAIL", "decisions": "PASS"}


def test_a_fault_that_does_not_fit_is_bad_input_before_anything_is_recorded(tmp_path: Path, cohort: Path, checkpoint: Path):
    file = tmp_path / "own.py"
    file.write_text(OWN.replace("self.images +=", "self.nothing +="), encoding="utf-8")
    with pytest.raises(BadInputError, match=r"(?s)3 that do not.*mistyped: .*raises: .*raises_unsaid: ") as error:
        run_suite(Choice(file=file, out=tmp_path / "out"), lambda _: None, (cohort, checkpoint))
    assert "must contain 'self.nothing += images' once, found 0 times" in str(error.value)
    assert not (tmp_path / "out" / "base").exists()


def test_faults_of_ones_own_are_caught(subset: dict[str, Any], folder: Path, cohort: Path, checkpoint: Path):
    example = PROJECT / "docs" / "own_faults.py"
    scorecard = run_suite(Choice(file=example, out=folder), lambda _: None, (cohort, checkpoint))
    assert {row["id"]: row["first_failing_gate"] for row in scorecard["faults"]} == {
        "validation_images_flipped": "decode",
        "dense_layer_of_another_activation": "blocks",
        "labels_smoothed": "loss",
        "another_learning_rate": "optimizer",
    }
    assert scorecard["score"] == {"detected": 4, "localised": 4, "of": 4}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--only", "no_such_fault"), "--only"),
        (("--faults-from", "nowhere.py"), "--faults-from"),
    ],
    ids=["fault", "file"],
)
def test_a_choice_that_does_not_exist_is_bad_input(words: tuple[str, str], message: str):
    command = [sys.executable, "-m", "parity", "faults", *words]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr


@pytest.mark.slow
def test_the_whole_suite_catches_what_it_must_in_35_minutes(tmp_path: Path):
    """On the demo; every number that the scorecard is asked for is asserted here too, from the file."""
    start = time.monotonic()
    command = [sys.executable, "-m", "parity", "faults", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=2 * SUITE_LIMIT_S, check=False)
    elapsed_s = time.monotonic() - start
    print(done.stdout)
    print(f"the whole suite: {elapsed_s:.0f} s")
    assert done.returncode == 0, done.stdout + done.stderr
    scorecard = json.loads((tmp_path / "scorecard.json").read_text(encoding="utf-8"))
    jsonschema.validate(scorecard, json.loads((PROJECT / "parity" / "faults" / "schema.json").read_text(encoding="utf-8")))
    by_tier = {tier: [row for row in scorecard["faults"] if row["tier"] == tier] for tier in ("1", "2", "3")}
    assert {tier: len(rows) for tier, rows in by_tier.items()} == {"1": 133, "2": 30, "3": 4}
    assert all(row["verdict"] == "FAIL" for row in by_tier["1"])
    assert sum(row["localised"] for row in by_tier["1"]) >= 0.95 * len(by_tier["1"])
    assert sum(row["detected"] for row in [*by_tier["2"], *by_tier["3"]]) >= 0.95 * 34
    assert [row["verdict"] for row in scorecard["correct_port"]["runs"]] == ["PASS"] * 20
    assert len(scorecard["controls"]) == 6
    assert all(row["as_expected"] for row in [*scorecard["controls"], *scorecard["hazards"]])
    assert elapsed_s <= SUITE_LIMIT_S
