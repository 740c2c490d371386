"""What is measured, contestant by contestant."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.plan import PRECISIONS, SELF_LEVEL, WHAT, Comparison, Contestant, make_plan


def plan(*what: str, **words: Any) -> list[Comparison]:
    usual = {"device": "cpu", "batch_sizes": (8,), "precisions": ("fp32", "bf16"), "cores": 2, "legacy": True}
    return make_plan(what or WHAT, **{**usual, **words})


def names(comparison: Comparison) -> list[str]:
    return [contestant.name for contestant in comparison.contestants]


def test_every_task_has_all_its_contestants_and_the_legacy_first():
    found = {(comparison.what, comparison.task): names(comparison) for comparison in plan()}
    assert found == {
        ("data", "data"): [
            "legacy", "port, 0 workers", "port, 1 worker", "port, 2 workers",
            "port, 0 workers, cached", "port, 1 worker, cached", "port, 2 workers, cached",
        ],
        ("compute", "training_step"): ["legacy fp32", "port fp32", "port bf16"],
        ("compute", "forward"): ["legacy fp32", "port fp32", "port bf16", "port fp32 compiled", "port bf16 compiled"],
        ("epoch", "epoch"): ["legacy fp32", "port fp32", "port bf16"],
        ("inference", "predict"): ["legacy fp32", "port fp32", "port bf16"],
        ("gradcam", "gradcam"): ["legacy fp32", "port fp32"],
        ("self", "forward"): ["port", "port again", "port, 5 % slower"],
    }  # fmt: skip


def test_names_sides_and_precisions_agree():
    """The report tells contestants apart by their names alone."""
    for comparison in plan(precisions=PRECISIONS, device="cuda", cores=16, batch_sizes=(8, 16)):
        assert len(set(names(comparison))) == len(comparison.contestants)
        for contestant in comparison.contestants:
            assert contestant.name.startswith(contestant.side)
            said = [word for word in PRECISIONS if word in contestant.name]
            assert [contestant.precision] == (said or ["fp32"])
            assert contestant.options.get("compiled", False) == ("compiled" in contestant.name)
            assert contestant.options.get("cached", False) == ("cached" in contestant.name)


def test_what_is_asked_for_is_measured_in_the_usual_order():
    assert [comparison.what for comparison in plan("self", "data")] == ["data", "self"]
    assert [comparison.task for comparison in plan("compute")] == ["training_step", "forward"]
    assert plan("gradcam") == [comparison for comparison in plan() if comparison.what == "gradcam"]


@pytest.mark.parametrize("cores", [1, 2, 5, 8, 64])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_there_are_no_more_workers_than_cores(device: str, cores: int):
    every = plan(device=device, cores=cores)
    tried = {row.options["workers"] for comparison in every for row in comparison.contestants if "workers" in row.options}
    assert max(tried) <= min(cores, 16)
    (data,) = (comparison for comparison in every if comparison.what == "data")
    counts = [(row.options["cached"], row.options["workers"]) for row in data.contestants[1:]]
    powers = [0, *(2**power for power in range(5) if 2**power <= cores)]
    assert counts == [(cached, count) for cached in (False, True) for count in powers]


@pytest.mark.parametrize(
    ("precisions", "expected"),
    [
        (("fp32",), ["legacy fp32", "port fp32"]),
        (("fp32", "tf32", "bf16"), ["legacy fp32", "legacy tf32", "port fp32", "port tf32", "port bf16"]),
        (("tf32",), ["legacy tf32", "port tf32"]),
        (("bf16",), ["legacy fp32", "port bf16"]),
        (("bf16", "tf32"), ["legacy tf32", "port bf16", "port tf32"]),
    ],
)
def test_the_legacy_is_a_baseline_in_every_precision_that_it_has(precisions: tuple[str, ...], expected: list[str]):
    for what in ("compute", "epoch", "inference"):
        for comparison in plan(what, precisions=precisions, device="cuda"):
            assert names(comparison)[: len(expected)] == expected
            assert all(row.precision != "bf16" for row in comparison.contestants if row.side == "legacy")


def test_every_batch_size_has_comparisons_of_its_own():
    once, twice = plan(batch_sizes=(4,)), plan(batch_sizes=(4, 16))
    sizes = {
        what: [row.options.get("batch_size") for row in twice if row.what == what]
        for what in WHAT
    }  # fmt: skip
    assert sizes == {
        "data": [4], "compute": [4, 4, 16, 16], "epoch": [4, 16], "inference": [4, 16], "gradcam": [None], "self": [4],
    }  # fmt: skip
    small = [row for row in twice if row.options.get("batch_size") != 16]
    for found, alone in zip(small, once, strict=True):
        kept = tuple(row for row in alone.contestants if not row.options.get("compiled"))  # the largest size alone is compiled
        assert found == replace(alone, contestants=kept)
    (largest,) = (row for row in twice if row.task == "forward" and row.options["batch_size"] == 16)
    assert "port fp32 compiled" in names(largest)


def test_batch_sizes_come_by_size():
    """A process keeps its memory: the peak of a small batch after a large one would be the large one's."""
    assert plan(batch_sizes=(16, 4)) == plan(batch_sizes=(4, 16))


def test_without_the_legacy_the_port_is_measured_as_before():
    every, alone = plan(), plan(legacy=False)
    assert [(row.what, row.task, row.options, row.rounds, row.samples, row.image_scale) for row in alone] == [
        (row.what, row.task, row.options, row.rounds, row.samples, row.image_scale) for row in every
    ]
    for before, after in zip(every, alone, strict=True):
        assert after.contestants == tuple(row for row in before.contestants if row.side == "port")
        assert after.contestants


def process(contestant: Contestant) -> tuple[str, str, str]:
    return contestant.side, contestant.precision, contestant.process


def test_epochs_have_processes_of_their_own_for_their_memory():
    epochs = {process(row) for comparison in plan("epoch") for row in comparison.contestants}
    others = {process(row) for comparison in plan() if comparison.what != "epoch" for row in comparison.contestants}
    assert not epochs & others
    assert len(epochs) == 3


def test_the_port_against_itself_is_another_process_and_a_planted_slowdown():
    (comparison,) = plan("self")
    first, again, slower = comparison.contestants
    assert process(first) != process(again)
    assert (first.options, again.options, slower.options) == ({}, {}, {"slowdown": 0.05})
    assert (comparison.rounds, comparison.samples, comparison.image_scale) == (112, 1, 0.08)
    assert SELF_LEVEL == 0.999


def test_rounds_are_even_so_that_each_goes_first_as_often_as_last():
    assert {comparison.rounds % 2 for comparison in plan()} == {0}
