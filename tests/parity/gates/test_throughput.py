"""What a benchmark says in a parity run: it informs, and decides only where there is a limit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.results import write_results
from parity.assemble import _throughput
from parity.contract import GATES
from parity.errors import BadInputError
from parity.gates.throughput.compare import INFORMS, compare, rates
from parity.tolerance import GatesFile, Limit, read_gates_file
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import PROJECT, Workspace
from tests.benchmarks.comparisons import (
    Comparison,
    find,
    leave_out,
    make_compute,
    make_epochs,
    make_probabilities,
    make_results,
    make_self,
    move_to_gpu,
)

GATES_FILE = read_gates_file(PROJECT / "gates.toml")
PROBABILITIES = GATES_FILE.limit("decisions/probabilities")
STEP = "throughput/fp32/training_step/port-fp32-batch8-300x400/ratio"


def judge(folder: Path, *comparisons: Comparison, gpu: dict[str, str] | None = None, **limits: float) -> GateResult:
    """Return the gate's result of a benchmark, with limits on a GPU: ``training_step_fp32=1.5``."""
    workspace = Workspace(folder)
    write_results(folder, make_results(*comparisons, gpu=gpu))
    (folder / "results.json").rename(workspace.benchmark)
    return compare(workspace, with_limits(**limits))


def with_limits(device: str = "cuda", **limits: float) -> GatesFile:
    made = {
        f"throughput/{device}/{name.rpartition('_')[0]}/{name.rpartition('_')[2]}": Limit(value=value, reason="as measured")
        for name, value in limits.items()
    }
    return replace(GATES_FILE, limits={**GATES_FILE.limits, **made})


def find_check(result: GateResult, name: str) -> Check:
    (check,) = (check for check in result.checks if check.id == name)
    return check


def port_at(ratio: float, spread: float = 0.0) -> Comparison:
    """Return training steps in which the port is so many times as fast in half of the rounds, `spread` more in the others."""
    comparison = move_to_gpu(make_compute(legacy_fp32=1.0, port_fp32=1.0))
    for row, seconds in ((find(comparison, "legacy fp32"), ratio), (find(comparison, "port fp32"), 1.0)):
        for number, block in enumerate(row["blocks"]):
            for sample in block:
                sample["s"] = seconds + (spread if row["side"] == "legacy" and number % 2 else 0.0)
    return comparison


def test_without_a_benchmark_the_gate_is_not_run(tmp_path: Path):
    workspace = Workspace(tmp_path)
    result = compare(workspace, GATES_FILE)
    assert (result.verdict, result.checks) == (Verdict.NOT_RUN, ())
    assert result.reason == "not measured with this code: nox -s bench measures it, and the next run takes it up"
    assert rates(workspace) == []
    assert result.gate in GATES


@pytest.mark.parametrize("content", ["", "{", '{"schema": "benchmark/0"}'])
def test_a_damaged_benchmark_is_bad_input(tmp_path: Path, content: str):
    workspace = Workspace(tmp_path)
    workspace.benchmark.write_text(content)
    for ask in (lambda: compare(workspace, GATES_FILE), lambda: rates(workspace)):
        with pytest.raises(BadInputError, match=r"benchmark\.json"):
            ask()


@pytest.mark.parametrize("ratio", [0.01, 1.0, 50.0])
def test_a_cpu_informs_whatever_the_ratio(tmp_path: Path, ratio: float):
    """A limit for a GPU is none for a CPU."""
    result = judge(tmp_path, make_compute(legacy_fp32=1.0, port_fp32=1 / ratio), training_step_fp32=2.0)
    assert result.verdict is Verdict.PASS
    check = find_check(result, STEP)
    assert (check.verdict, check.reason, check.limit) == (Verdict.PASS, INFORMS, None)
    assert check.observed == pytest.approx(ratio, rel=0.002)
    assert (check.unit, check.n) == ("port / legacy", 12)
    assert check.worst == f"legacy {8:.3g}, port {8 * ratio:.3g} images/s"


def test_a_gpu_without_a_limit_informs(tmp_path: Path):
    result = judge(tmp_path, port_at(0.01), forward_fp32=2.0, training_step_bf16=2.0)
    assert [(check.id, check.verdict, check.reason) for check in result.checks] == [(STEP, Verdict.PASS, INFORMS)]


@pytest.mark.parametrize(
    ("ratio", "spread", "verdict"),
    [
        (1.6, 0.0, Verdict.PASS),
        (1.501, 0.0, Verdict.PASS),
        (1.49, 0.0, Verdict.FAIL),
        (1.2, 0.0, Verdict.FAIL),
        (1.2, 0.1, Verdict.FAIL),
        (1.3, 0.3, Verdict.PASS),
    ],
    ids=[
        "faster",
        "just fast enough",
        "a little slower",
        "slower",
        "slower in every round",
        "slower on the whole, and in doubt",
    ],
)
def test_a_gpu_with_a_limit_fails_when_the_whole_interval_is_below_it(
    tmp_path: Path, ratio: float, spread: float, verdict: Verdict
):
    result = judge(tmp_path, port_at(ratio, spread), training_step_fp32=1.5)
    check = find_check(result, STEP)
    assert (check.verdict, result.verdict) == (verdict, verdict)
    assert check.reason == "at least 1.5: as measured"
    assert (result.first_failure is check) == (verdict is Verdict.FAIL)


def test_a_limit_holds_for_its_task_and_precision_alone(tmp_path: Path):
    steps = move_to_gpu(make_compute(legacy_fp32=1.0, port_fp32=1.0, port_bf16=1.0))
    result = judge(tmp_path, steps, move_to_gpu(make_epochs()), training_step_bf16=1.5)
    failed = [check.id for check in result.checks if check.verdict is Verdict.FAIL]
    assert failed == ["throughput/bf16/training_step/port-bf16-batch8-300x400/ratio"]
    assert len({check.id for check in result.checks}) == len(result.checks) == 4


def forward(difference: float, precision: str = "fp32") -> Comparison:
    """Return forward passes in which one probability of the port's contestant is so far from the legacy's."""
    comparison = make_compute("forward", legacy_fp32=1.0, **{f"port_{precision}": 1.0})
    row = find(comparison, f"port {precision}")
    row["evidence"]["probabilities"][1][2] += difference
    return comparison


@pytest.mark.parametrize(("share", "verdict"), [(0.0, Verdict.PASS), (0.9, Verdict.PASS), (1.1, Verdict.FAIL)])
def test_what_is_exact_must_be_as_near_as_float32_is_anywhere(tmp_path: Path, share: float, verdict: Verdict):
    result = judge(tmp_path, forward(share * PROBABILITIES.value))
    check = find_check(result, "throughput/fp32/forward/port-fp32-batch8/probabilities")
    assert (check.verdict, result.verdict) == (verdict, verdict)
    assert (check.limit, check.reason, check.n) == (PROBABILITIES.value, PROBABILITIES.reason, 8)
    assert check.observed == pytest.approx(share * PROBABILITIES.value, rel=1e-3, abs=1e-12)
    assert check.worst == f"image {2 if share else 1} of 8; decisions changed: 0"


def test_a_compiled_predictor_is_held_to_the_same_limit(tmp_path: Path):
    comparison = forward(0.0)
    compiled: dict[str, Any] = {**find(comparison, "port fp32"), "name": "port fp32 compiled"}
    compiled["evidence"] = {**compiled["evidence"], "probabilities": make_probabilities()}
    compiled["evidence"]["probabilities"][1] = [0.1, 0.3, 0.6]
    comparison["contestants"].append(compiled)
    result = judge(tmp_path, comparison)
    check = find_check(result, "throughput/fp32/forward/port-fp32-compiled-batch8/probabilities")
    assert (check.verdict, check.worst) == (Verdict.FAIL, "image 2 of 8; decisions changed: 1")
    assert result.verdict is Verdict.FAIL


def test_bfloat16_informs(tmp_path: Path):
    result = judge(tmp_path, forward(0.4, "bf16"))
    check = find_check(result, "throughput/bf16/forward/port-bf16-batch8/probabilities")
    assert (check.verdict, check.limit) == (Verdict.PASS, None)
    assert "informs, decides nothing: bf16 has 8 significant bits" in check.reason
    assert check.observed == pytest.approx(0.4)
    assert check.worst == "image 2 of 8; decisions changed: 1"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_fails_in_every_precision(tmp_path: Path, precision: str, value: float):
    result = judge(tmp_path, forward(value, precision))
    check = find_check(result, f"throughput/{precision}/forward/port-{precision}-batch8/probabilities")
    assert (check.verdict, result.verdict) == (Verdict.FAIL, Verdict.FAIL)
    assert check.worst.startswith("image 2 of 8; ")
    assert check.reason == "a probability is no number"


def test_tf32_is_not_called_bfloat16(tmp_path: Path):
    result = judge(tmp_path, forward(0.4, "tf32"))
    assert "bfloat16" not in find_check(result, "throughput/tf32/forward/port-tf32-batch8/probabilities").reason


@pytest.mark.parametrize(
    "comparison",
    [
        leave_out(make_compute(), "legacy fp32"),
        leave_out(make_compute(), "port fp32", "port bf16"),
        make_self(),
    ],
    ids=["the port alone", "the legacy alone", "the port against itself"],
)
def test_a_benchmark_of_one_side_is_not_run(tmp_path: Path, comparison: Comparison):
    result = judge(tmp_path, comparison)
    assert (result.verdict, result.reason) == (Verdict.NOT_RUN, "the benchmark has no row with both sides")
    assert rates(Workspace(tmp_path)) == []


def test_what_was_measured_wrongly_has_no_speed(tmp_path: Path):
    comparison = make_compute()
    find(comparison, "port fp32")["warm_up"] = []
    result = judge(tmp_path, comparison)
    assert [check.id for check in result.checks] == ["throughput/bf16/training_step/port-bf16-batch8-300x400/ratio"]


def on_the_cpu(comparison: Comparison, name: str) -> None:
    find(comparison, name)["about"]["device"] = "cpu"


def not_warmed_up(comparison: Comparison, name: str) -> None:
    find(comparison, name)["warm_up"] = []


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (leave_out, "port fp32"), (leave_out, "legacy fp32"), (not_warmed_up, "port fp32"), (not_warmed_up, "legacy fp32"),
        (on_the_cpu, "port fp32"), (on_the_cpu, "legacy fp32"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("batch", [8, 16])
def test_a_limit_is_not_passed_by_absence(tmp_path: Path, spoil: Callable[..., Any], name: str, batch: int):
    """Neither by one contestant in one batch size: the others do not stand for it."""
    steps = {size: move_to_gpu(make_compute(batch=size)) for size in (8, 16)}
    spoil(steps[batch], name)
    result = judge(tmp_path, *steps.values(), training_step_fp32=1.5)
    missing = f"throughput/fp32/training_step/port-fp32-batch{batch}-300x400/limit/present"
    assert [check.id for check in result.checks if check.verdict is Verdict.FAIL] == [missing]


def test_a_limit_is_not_passed_where_nothing_could_be_started(tmp_path: Path):
    steps = leave_out(make_compute(), "legacy fp32", "port fp32", "port bf16")
    gpu = {"name": "NVIDIA A100", "driver": "550.54"}
    assert judge(tmp_path, steps, gpu=gpu, training_step_fp32=1.5).verdict is Verdict.FAIL
    assert judge(tmp_path, steps, training_step_fp32=1.5).verdict is Verdict.NOT_RUN


def test_the_port_against_itself_owes_no_ratio(tmp_path: Path):
    result = judge(tmp_path, move_to_gpu(make_self()), move_to_gpu(make_epochs()), forward_fp32=1.5)
    assert result.verdict is Verdict.PASS


def no_probabilities(comparison: Comparison, name: str) -> None:
    del find(comparison, name)["evidence"]["probabilities"]


def other_images(comparison: Comparison, name: str) -> None:
    find(comparison, name)["evidence"]["source"] = {"kind": "resident", "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("spoil", "verdict"), [(leave_out, Verdict.NOT_RUN), (no_probabilities, Verdict.FAIL), (other_images, Verdict.FAIL)]
)
@pytest.mark.parametrize("name", ["port fp32", "legacy fp32"])
def test_agreement_is_not_passed_by_absence(tmp_path: Path, spoil: Callable[..., Any], verdict: Verdict, name: str):
    comparison = make_compute("forward")
    spoil(comparison, name)
    result = judge(tmp_path, make_compute(), comparison)
    check = find_check(result, "throughput/fp32/forward/port-fp32-batch8/probabilities")
    assert (check.verdict, result.verdict) == (verdict, verdict)
    assert "measured" in check.reason


@pytest.mark.parametrize("first", ["fp32", "tf32"])
def test_float32_is_held_to_float32(tmp_path: Path, first: str):
    """In whatever order the precisions were asked for."""
    names = [*sorted(["legacy_fp32", "legacy_tf32"], key=lambda name: first not in name), "port_fp32", "port_tf32"]
    comparison = make_compute("forward", **dict.fromkeys(names, 1.0))
    for name in ("legacy tf32", "port tf32"):
        find(comparison, name)["evidence"]["probabilities"] = [[0.5, 0.4, 0.1], [0.1, 0.6, 0.3]]
    result = judge(tmp_path, comparison)
    assert result.verdict is Verdict.PASS
    for precision in ("fp32", "tf32"):
        check = find_check(result, f"throughput/{precision}/forward/port-{precision}-batch8/probabilities")
        assert check.observed == 0.0
    leave_out(comparison, "legacy fp32")
    assert judge(tmp_path, comparison).verdict is Verdict.NOT_RUN


def test_ids_are_not_used_twice(tmp_path: Path):
    result = judge(tmp_path, make_compute("forward", batch=8), make_compute("forward", batch=16))
    assert len({check.id for check in result.checks}) == len(result.checks) > 4


def test_a_run_takes_the_rates_of_its_benchmark(tmp_path: Path):
    judge(tmp_path, make_compute(), make_self())
    assert [(rate.task, rate.precision) for rate in rates(Workspace(tmp_path))] == [
        ("training_step", "fp32"), ("training_step", "bf16"),
    ]  # fmt: skip


def test_the_report_has_the_ratio_that_the_gate_has(tmp_path: Path):
    result = judge(tmp_path, port_at(1.5, spread=1.0))
    (row,) = (row for row in _throughput(Workspace(tmp_path)) if row["what"] == "training_step (fp32)")
    assert row["ratio"] == pytest.approx(math.sqrt(1.5 * 2.5))  # the medians' quotient is 2
    assert row["ratio"] == find_check(result, STEP).observed
