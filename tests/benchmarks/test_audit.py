"""Ten ways in which benchmarks deceive: each is planted, found by its own check and by no other, and gets no ratio."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from benchmarks.audit import FAIL, PASS, audit
from benchmarks.inputs import describe_batch, describe_files
from benchmarks.plan import PLANTED_SLOWDOWN
from benchmarks.report import render
from benchmarks.results import read_results
from benchmarks.summary import Row as Shown
from benchmarks.summary import make_rows
from tests.benchmarks.comparisons import (
    FILES,
    NATURAL,
    NOISE,
    TRAINING,
    TRANSFORMS,
    VALIDATION,
    Comparison,
    Row,
    failures,
    find,
    leave_out,
    make_compute,
    make_epochs,
    make_self,
    move_to_gpu,
)

PORT = "port fp32"
MEASURED = Path(__file__).parents[2] / "benchmarks" / "measured"


def make_gpu_compute() -> Comparison:
    return move_to_gpu(make_compute())


def make_predict() -> Comparison:
    """Ten images are predicted in batches of eight."""
    comparison = make_compute("predict", 10)
    comparison["options"]["batch_size"] = 8
    for row in comparison["contestants"]:
        row["evidence"]["source"] = describe_files(FILES[:10], TRANSFORMS, NATURAL)
    return comparison


def make_data() -> Comparison:
    comparison = make_predict()
    for row in comparison["contestants"]:
        del row["evidence"]["probabilities"]
    return {**comparison, "task": "data"}


ALWAYS = ("all samples", "synchronised", "warmed up", "same metrics", "same data", "same kind of device")


def samples_of(row: Row) -> Iterator[dict[str, Any]]:
    return chain.from_iterable(row["blocks"])


def batches_times_batch_size(row: Row) -> None:
    """Ten images in batches of eight are not sixteen."""
    row["images"] = 16


def fewer_probabilities(row: Row) -> None:
    del row["evidence"]["probabilities"][-1]


def no_probabilities(row: Row) -> None:
    del row["evidence"]["probabilities"]


def last_batch_left_out(row: Row) -> None:
    """The rate counts ten images, and a call predicts eight."""
    for sample in samples_of(row):
        sample["images"] = 8


def one_call_counted_less(row: Row) -> None:
    row["blocks"][2][1]["images"] -= 1


def not_counted(row: Row) -> None:
    for sample in samples_of(row):
        del sample["images"]


def half_a_batch_everywhere(row: Row) -> None:
    """The whole contestant agrees with itself: only the batch that was asked for tells."""
    row["images"] //= 2
    for sample in samples_of(row):
        sample["images"] = row["images"]


def a_round_is_missing(row: Row) -> None:
    del row["blocks"][-1]


def rate_with_validation(row: Row) -> None:
    row["images"] = TRAINING + VALIDATION


def not_waited_for(row: Row) -> None:
    for sample in samples_of(row):
        sample["drain_s"] = 0.9 * sample["s"]
        sample["s"] *= 0.1


def late_once(row: Row) -> None:
    row["blocks"][1][1]["drain_s"] = 0.06 * row["blocks"][1][1]["s"]


def compiled_in_the_first_sample(row: Row) -> None:
    row["blocks"][0][0]["s"] *= 5


def not_warmed_up(row: Row) -> None:
    row["warm_up"] = []


def fewer_metrics(row: Row) -> None:
    row["evidence"]["metrics"] = row["evidence"]["metrics"][:1]


def no_metrics(row: Row) -> None:
    row["evidence"]["metrics"] = []


def other_images(row: Row) -> None:
    row["evidence"]["source"] = describe_batch(NATURAL[::-1])


def synthetic_tensors(row: Row) -> None:
    row["evidence"]["source"] = {"kind": "synthetic", "sha256": row["evidence"]["source"]["sha256"]}


def unknown_images(row: Row) -> None:
    del row["evidence"]["source"]


def other_files(row: Row) -> None:
    row["evidence"]["source"] = describe_files(["/data/images/other.jpg", *FILES[1:]], TRANSFORMS, NATURAL)


def resident_instead_of_files(row: Row) -> None:
    row["evidence"]["source"] = describe_batch(NATURAL)


def fewer_transforms(row: Row) -> None:
    row["evidence"]["source"] = describe_files(FILES, TRANSFORMS[:-1], NATURAL)


def noise_pixels(row: Row) -> None:
    row["evidence"]["source"] = describe_files(FILES, TRANSFORMS, NOISE)


def empty_pixels(row: Row) -> None:
    row["evidence"]["source"] = describe_files(FILES, TRANSFORMS, 0 * NATURAL)


def bfloat16(row: Row) -> None:
    row["evidence"]["precision"] = ["bfloat16"]


def no_convolution(row: Row) -> None:
    row["evidence"]["precision"] = []


def tf32_on(row: Row) -> None:
    row["about"]["flags"]["tf32"] = True


def validation_before_the_end_of_training(row: Row) -> None:
    for sample in samples_of(row):
        sample["counts"] = {"training": [TRAINING, VALIDATION], "validation": [TRAINING, VALIDATION]}


def trained_in_the_validation_part(row: Row) -> None:
    row["blocks"][1][1]["counts"] = {"training": [TRAINING - 8, 0], "validation": [TRAINING, VALIDATION]}


def half_validated(row: Row) -> None:
    row["blocks"][1][0]["counts"] = {"training": [TRAINING, 0], "validation": [TRAINING, VALIDATION // 2]}


def smaller_epoch(row: Row) -> None:
    row["evidence"]["epoch_images"] = {"training": TRAINING - 8, "validation": VALIDATION}
    for sample in samples_of(row):
        sample["counts"] = {"training": [TRAINING - 8, 0], "validation": [TRAINING - 8, VALIDATION]}


def computed_elsewhere(row: Row) -> None:
    row["about"]["device"] = "NVIDIA A100"


def reads_the_loss(row: Row) -> None:
    row["evidence"]["host_waits"] = ["metric_functions.py:62", "metric_functions.py:62"]


Plant = Callable[[Row], None]
STEP: dict[str, tuple[Plant, ...]] = {
    "all samples": (a_round_is_missing,),
    "images counted": (batches_times_batch_size, one_call_counted_less, not_counted, half_a_batch_everywhere),
    "synchronised": (not_waited_for, late_once),
    "warmed up": (compiled_in_the_first_sample, not_warmed_up),
    "same metrics": (fewer_metrics, no_metrics),
    "same data": (other_images, synthetic_tensors, unknown_images),
    "same kind of device": (computed_elsewhere,),
    "precision": (bfloat16, no_convolution, tf32_on),
}
PREDICT: dict[str, tuple[Plant, ...]] = {
    "images counted": (
        batches_times_batch_size, fewer_probabilities, no_probabilities, last_batch_left_out, one_call_counted_less,
        not_counted,
    ),
}  # fmt: skip
DATA: dict[str, tuple[Plant, ...]] = {
    "images counted": (batches_times_batch_size, last_batch_left_out, one_call_counted_less, not_counted),
}
STEP_ON_A_GPU: dict[str, tuple[Plant, ...]] = {"no host waits": (reads_the_loss,)}
EPOCH: dict[str, tuple[Plant, ...]] = {
    "warmed up": (compiled_in_the_first_sample, not_warmed_up),
    "same metrics": (fewer_metrics,),
    "same data": (
        other_files, resident_instead_of_files, fewer_transforms, noise_pixels, empty_pixels, unknown_images,
    ),
    "precision": (bfloat16, tf32_on),
    "validation apart": (
        validation_before_the_end_of_training, trained_in_the_validation_part, half_validated, smaller_epoch,
        rate_with_validation,
    ),
}  # fmt: skip
MISTAKES = [
    pytest.param(make, check, plant, id=f"{task}: {plant.__name__}")
    for task, make, planted in (
        ("step", make_compute, STEP),
        ("predict", make_predict, PREDICT),
        ("data", make_data, DATA),
        ("step on a GPU", make_gpu_compute, STEP_ON_A_GPU),
        ("epoch", make_epochs, EPOCH),
    )
    for check, plants in planted.items()
    for plant in plants
]


def shown(comparison: Comparison) -> dict[str, Shown]:
    return {row.contestant: row for row in make_rows(comparison)}


def checks_of(comparison: Comparison) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for check in audit(comparison):
        found.setdefault(check.contestant, []).append(check.check)
    return found


@pytest.mark.parametrize(("make", "waits"), [(make_compute, []), (make_gpu_compute, ["no host waits"])])
def test_what_is_fair_passes_every_check(make: Callable[[], Comparison], waits: list[str]):
    comparison = make()
    assert {check.verdict for check in audit(comparison)} == {PASS}
    assert {check.found for check in audit(comparison)} == {"as it should be"}
    assert checks_of(comparison) == {
        "legacy fp32": [*ALWAYS, "precision", "images counted"],
        "port fp32": [*ALWAYS, "precision", "images counted", *waits],
        "port bf16": [*ALWAYS, "precision", "images counted", *waits],
    }
    ratios = {name: row.ratio for name, row in shown(comparison).items()}
    assert ratios["legacy fp32"] is None
    for name, truth in (("port fp32", 2.0), ("port bf16", 4.0)):
        assert ratios[name] is not None
        assert ratios[name].value == pytest.approx(truth, rel=0.002)
    assert not any(row.remark for row in shown(comparison).values())


def test_a_fair_epoch_passes_every_check():
    comparison = make_epochs()
    assert {check.verdict for check in audit(comparison)} == {PASS}
    assert set(map(tuple, checks_of(comparison).values())) == {(*ALWAYS, "precision", "validation apart")}


def test_names_of_a_gpu_may_differ():
    comparison = move_to_gpu(make_compute())
    find(comparison, "legacy fp32")["about"]["device"] = "NVIDIA A100-SXM4-80GB"
    assert failures(comparison) == set()


@pytest.mark.parametrize(("images", "fair"), [(1, True), (2, True), (8, False), (64, False)])
def test_pixels_of_few_images_may_differ_more(images: int, fair: bool):
    comparison = make_epochs()
    for row in comparison["contestants"]:
        row["evidence"]["source"]["images"] = 64
    source = find(comparison, "port fp32")["evidence"]["source"]
    source |= {"images": images, "mean": source["mean"] * 1.5}
    assert (failures(comparison) == set()) == fair


def test_tf32_where_it_is_asked_for_is_fair():
    comparison = make_compute(legacy_fp32=1.0, legacy_tf32=0.5, port_fp32=0.8, port_tf32=0.4)
    assert {check.verdict for check in audit(comparison)} == {PASS}
    find(comparison, "port tf32")["about"]["flags"]["tf32"] = False
    assert failures(comparison) == {("precision", "port tf32")}


@pytest.mark.parametrize(("make", "check", "plant"), MISTAKES)
def test_a_mistake_is_found_by_its_own_check_and_gets_no_ratio(make: Callable[[], Comparison], check: str, plant: Plant):
    comparison = make()
    plant(find(comparison, PORT))
    assert failures(comparison) == {(check, PORT)}
    rows = shown(comparison)
    assert rows[PORT].ratio is None
    (failed,) = (found for found in audit(comparison) if found.verdict == FAIL)
    assert rows[PORT].remark == f"no ratio: {check} ({PORT}): {failed.found}"
    assert failed.found not in ("", "as it should be")
    assert rows["port bf16"].ratio is not None, "the others go on"
    assert not rows["port bf16"].remark


BASE_ONLY = ("synchronised", "warmed up", "precision")  # equality with the base is asked of the others


@pytest.mark.parametrize(("make", "check", "plant"), [mistake for mistake in MISTAKES if mistake.values[1] in BASE_ONLY])
def test_nothing_is_compared_with_a_base_that_was_measured_wrongly(make: Callable[[], Comparison], check: str, plant: Plant):
    comparison = make()
    plant(find(comparison, "legacy fp32"))
    assert failures(comparison) == {(check, "legacy fp32")}
    for row in shown(comparison).values():
        assert row.ratio is None
        assert row.remark.startswith(f"no ratio: {check} (legacy fp32): ")


@pytest.mark.parametrize("plant", [fewer_metrics, other_images, unknown_images])
def test_a_base_that_is_unlike_the_others_is_compared_with_nobody(plant: Plant):
    comparison = make_compute()
    plant(find(comparison, "legacy fp32"))
    assert {name for _, name in failures(comparison)} >= {"port fp32", "port bf16"}
    assert {row.ratio for row in shown(comparison).values()} == {None}


def test_images_are_said_in_numbers():
    """Ten images in two batches of eight: 16 a call would make the rate 1.6 times what it is."""

    def found(plant: Plant) -> tuple[str, float | None, float | None]:
        comparison = make_predict()
        row = find(comparison, PORT)
        row["blocks"] = [[{**sample, "s": 0.5} for sample in block] for block in row["blocks"]]
        plant(row)
        (failed,) = (check for check in audit(comparison) if check.verdict == FAIL)
        shown_row = shown(comparison)[PORT]
        return failed.found, shown_row.rate, shown_row.ratio

    assert shown(make_predict())[PORT].rate == pytest.approx(20.0, rel=0.01)
    assert found(batches_times_batch_size) == ("16 a call, but 10 of the base", 32.0, None)
    assert found(fewer_probabilities) == ("10 a call, but 9 of the probabilities", 20.0, None)
    assert found(last_batch_left_out) == ("10 a call, but 8 of the samples", 20.0, None)
    assert found(not_counted) == ("10 a call, but None of the samples", 20.0, None)


def test_all_contestants_alike_are_no_proof():
    """The same mistake in both drivers: they agree, and what was counted tells."""
    comparison = make_predict()
    for row in comparison["contestants"]:
        batches_times_batch_size(row)
    assert failures(comparison) == {("images counted", row["name"]) for row in comparison["contestants"]}


def test_files_that_nobody_predicts_are_missed():
    """Both drivers leave the last batch out, of two images: they agree with each other, and with their probabilities."""
    comparison = make_predict()
    for row in comparison["contestants"]:
        last_batch_left_out(row)
        row["images"] = 8
        del row["evidence"]["probabilities"][8:]
    failed = {check.contestant: check.found for check in audit(comparison) if check.verdict == FAIL}
    assert failed == {row["name"]: "8 a call, but 10 of the files" for row in comparison["contestants"]}


def test_files_that_nobody_trains_on_are_missed():
    comparison = make_epochs()
    for row in comparison["contestants"]:
        smaller_epoch(row)
    failed = {check.contestant: check.found for check in audit(comparison) if check.verdict == FAIL}
    assert failed == {row["name"]: "32 images that are trained on, of 40 files" for row in comparison["contestants"]}


@pytest.mark.parametrize(("make", "judged"), [(make_compute, True), (make_predict, True), (make_data, False)])
def test_results_from_before_samples_were_counted_are_judged_by_what_they_have(make: Callable[[], Comparison], judged: bool):
    comparison = make()
    for row in comparison["contestants"]:
        not_counted(row)
    assert (failures(comparison) == set()) == judged
    batches_times_batch_size(find(comparison, PORT))
    assert ("images counted", PORT) in failures(comparison)


@pytest.mark.parametrize("path", sorted(MEASURED.glob("*.json")), ids=lambda path: path.stem)
def test_what_was_measured_before_can_still_be_read(path: Path):
    results = read_results(path)
    checks = [check for comparison in results["comparisons"] for check in audit(comparison)]
    assert checks
    counted = [check for check in checks if check.check in ("images counted", "all samples")]
    assert {check.verdict for check in counted} == {PASS}
    assert render(results)


def test_what_failed_is_said_in_numbers():
    def found(plant: Plant, make: Callable[[], Comparison] = make_compute) -> str:
        comparison = make()
        row = find(comparison, PORT)
        for sample in samples_of(row):
            sample["s"] = 0.5
        plant(row)
        (failed,) = (check for check in audit(comparison) if check.verdict == FAIL)
        return failed.found

    assert found(late_once) == "the result of 1 samples came up to 0.03 s after the clock was stopped"
    assert found(not_waited_for) == "the result of 12 samples came up to 0.45 s after the clock was stopped"
    assert found(compiled_in_the_first_sample) == "the first sample took 5.0 times the median"
    assert found(bfloat16) == "computes in bfloat16 instead of float32"
    assert found(no_convolution) == "computes in nothing instead of float32"
    assert found(tf32_on) == "TF32 is on"
    assert found(reads_the_loss, make_gpu_compute) == "2 in a step, at metric_functions.py:62"
    assert found(smaller_epoch, make_epochs) == (
        "{'training': 32, 'validation': 12} instead of {'training': 40, 'validation': 12}"
    )
    assert found(empty_pixels, make_epochs) == f"pixels have a mean of 0.00 instead of {NATURAL.mean():.2f}"


def test_a_little_is_allowed():
    """A first sample that takes 1.9 times as long, a result that comes 4 ms late, pixels that are a third brighter."""
    comparison = make_compute()
    row = find(comparison, PORT)
    row["blocks"][0][0]["s"] *= 1.9
    row["blocks"][0][1]["drain_s"] = 0.004
    assert failures(comparison) == set()
    comparison = make_epochs()
    find(comparison, PORT)["evidence"]["source"]["mean"] *= 1.3
    assert failures(comparison) == set()


EVIDENCE = [
    (make_compute, "precision"),
    (make_gpu_compute, "host_waits"),
    (make_epochs, "epoch_images"),
    (make_epochs, "precision"),
]


@pytest.mark.parametrize(("make", "name"), EVIDENCE, ids=lambda value: getattr(value, "__name__", value))
def test_evidence_that_is_missing_does_not_pass(make: Callable[[], Comparison], name: str):
    comparison = make()
    del find(comparison, PORT)["evidence"][name]
    assert {contestant for _, contestant in failures(comparison)} == {PORT}
    assert shown(comparison)[PORT].ratio is None


def test_the_port_against_itself():
    """The same is the same at 99.9 %, and 5 % are seen: the two checks are beside the usual ones."""
    comparison = make_self()
    checks = {check.check: check for check in audit(comparison) if check.contestant != "port"}
    for name in (*ALWAYS, "precision", "images counted"):
        assert checks.pop(name).verdict == PASS
    assert {name: (check.contestant, check.verdict) for name, check in checks.items()} == {
        "same as itself": ("port again", PASS),
        "slowdown seen": ("port, 5 % slower", PASS),
    }
    for name, truth in (("same as itself", 1.0), ("slowdown seen", 1 / 1.05)):
        value, low, high = map(float, re.findall(r"[\d.]+", checks[name].found)[:3])
        assert (low, high) == pytest.approx((truth, truth), abs=0.003)
        assert low <= value <= high
        assert checks[name].found.endswith("] at 99.9%")
    assert failures(comparison) == set()
    assert find(comparison, "port, 5 % slower")["options"]["slowdown"] == PLANTED_SLOWDOWN


@pytest.mark.parametrize(
    ("words", "failed"),
    [
        ({"again": 1.05}, {("same as itself", "port again")}),
        ({"again": 0.95}, {("same as itself", "port again")}),
        ({"slower": 1.0}, {("slowdown seen", "port, 5 % slower")}),
        ({"again": 1.05, "slower": 1.0}, {("same as itself", "port again"), ("slowdown seen", "port, 5 % slower")}),
        pytest.param(
            {"slower": 0.95}, {("slowdown seen", "port, 5 % slower")},
        ),
    ],
    ids=["another", "another, faster", "unseen", "both", "a gain instead"],
)  # fmt: skip
def test_a_benchmark_that_cannot_tell_fails_its_own_check(words: dict[str, float], failed: set[tuple[str, str]]):
    comparison = make_self(**words)
    assert failures(comparison) == failed
    for row in make_rows(comparison):
        assert (row.ratio is None) == (row.contestant == "port" or row.contestant in {name for _, name in failed})


def test_only_the_port_against_itself_is_held_against_itself():
    comparison = {**make_self(again=2.0, slower=1.0), "what": "compute"}
    assert failures(comparison) == set()


@pytest.mark.parametrize("missing", [("port",), ("port again",), ("port, 5 % slower",), ("port again", "port, 5 % slower")])
def test_a_self_check_that_was_not_made_does_not_pass(missing: tuple[str, ...]):
    comparison = leave_out(make_self(), *missing)
    checks = {check.check: check.verdict for check in audit(comparison)}
    assert [checks.get(name) for name in ("same as itself", "slowdown seen")] != [PASS, PASS]
    assert failures(comparison)


def test_what_was_not_measured_says_why_and_is_judged_by_nothing():
    comparison = leave_out(make_compute(), "port bf16")
    assert set(checks_of(comparison)) == {"legacy fp32", "port fp32"}
    row = shown(comparison)["port bf16"]
    assert (row.time, row.rate, row.ratio, row.thrown) == (None, None, None, 0)
    assert row.remark == "not measured: MemoryError: no room"
    assert shown(comparison)["port fp32"].ratio is not None


def test_an_end_before_the_end_is_said():
    comparison = make_compute()
    row = find(comparison, "port bf16")
    del row["evidence"]  # nobody has closed it
    assert shown(comparison)["port bf16"].remark == "not measured: the benchmark ended before"
    assert set(checks_of(comparison)) == {"legacy fp32", "port fp32"}


def test_without_a_base_there_is_no_ratio():
    comparison = leave_out(make_compute(), "legacy fp32")
    rows = shown(comparison)
    assert {name: row.ratio for name, row in rows.items()} == dict.fromkeys(rows)
    assert rows["legacy fp32"].remark == "not measured: MemoryError: no room"
    times = {name: row.time.value for name, row in rows.items() if row.time is not None}
    assert times == pytest.approx({"port fp32": 0.5, "port bf16": 0.25}, rel=0.002)
    assert failures(comparison) == set()
    fewer_metrics(find(comparison, "port bf16"))
    assert failures(comparison) == {("same metrics", "port bf16")}, "the first that was measured is what the others are like"


def test_without_a_base_every_row_says_why_there_is_no_ratio():
    rows = shown(leave_out(make_compute(), "legacy fp32"))
    assert "legacy fp32" in rows["port fp32"].remark


def test_without_anybody_there_is_nothing():
    comparison = leave_out(make_compute(), "legacy fp32", "port fp32", "port bf16")
    assert audit(comparison) == []
    assert {row.remark for row in make_rows(comparison)} == {"not measured: MemoryError: no room"}


def test_the_images_of_random_numbers_are_told_from_natural_ones_by_their_pixels():
    """Uniform numbers have a mean of 1/2 and a deviation of the root of 1/12; these bright, smooth images have not."""
    noise, natural = (describe_files(FILES, TRANSFORMS, images) for images in (NOISE, NATURAL))
    assert noise["mean"] == pytest.approx(0.5, abs=0.01)
    assert noise["deviation"] == pytest.approx(math.sqrt(1 / 12), abs=0.005)
    assert natural["mean"] == pytest.approx((0.45 + 1) / 2, rel=1e-4)
    assert natural["deviation"] == pytest.approx((1 - 0.45) / math.sqrt(12), rel=1e-3)
