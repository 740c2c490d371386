"""Taking turns, in real processes of two emulated sides: who has a turn when, and what is kept of those that fail."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import drive
from benchmarks.audit import audit, is_measured, seconds
from benchmarks.drive import run_plan, take_turns
from benchmarks.host import describe_host
from benchmarks.plan import Comparison, Contestant
from benchmarks.report import render
from benchmarks.summary import make_rows
from parity.errors import BadInputError
from parity.lines import Worker, WorkerError
from tests.benchmarks.comparisons import failures, find, make_results

EMULATED = Path(__file__).with_name("emulated_side.py")


@pytest.fixture(autouse=True)
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have both sides' processes started as emulated ones; leave no pipe open, however they end."""
    started: list[Worker] = []

    class Noted(Worker):
        def __init__(self, *words: Any, **options: Any) -> None:
            super().__init__(*words, **options)
            started.append(self)

    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{EMULATED}" "$@"\n')
    program.chmod(0o755)
    for side in ("LEGACY", "PORT"):
        monkeypatch.setenv(f"PARITY_{side}_PYTHON", str(program))
    monkeypatch.setattr(drive, "Worker", Noted)
    yield
    for worker in started:
        if worker._process.stdout is not None:
            worker._process.stdout.close()


def contestant(name: str, process: str = "shared", **options: Any) -> Contestant:
    side, _, precision = name.partition(" ")
    return Contestant(
        name=name, side=side, precision=precision or "fp32", process=process, options={"label": name, **options}
    )  # fmt: skip


def comparison(*contestants: Contestant, task: str = "forward", rounds: int = 4, samples: int = 2) -> Comparison:
    return Comparison(
        what="compute", task=task, contestants=contestants, options={"batch_size": 4}, rounds=rounds, samples=samples
    )


Measure = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def heard() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def measure(tmp_path: Path, heard: list[dict[str, Any]]) -> Measure:
    """Return a function that measures comparisons and gives what was kept of them."""
    (tmp_path / "scratch").mkdir()
    settings = {"scratch": str(tmp_path / "scratch"), "device": "cpu"}

    def measure_plan(*plan: Comparison) -> list[dict[str, Any]]:
        kept: list[int] = []
        found: list[dict[str, Any]] = []

        def keep(comparisons: list[dict[str, Any]]) -> None:
            kept.append(len(comparisons))
            found[:] = comparisons

        run_plan(
            plan, settings, image_scale=0.25, batch_sizes=(4,), logs=tmp_path / "logs", listen=heard.append, keep=keep
        )  # fmt: skip
        assert kept == list(range(1, len(plan) + 1)), "what is measured is kept as soon as it is"
        return found

    return measure_plan


def turns(tmp_path: Path) -> list[str]:
    return (tmp_path / "scratch" / "turns.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7])
def test_everybody_has_every_place_equally_often(count: int):
    rows = [{"name": number} for number in range(count)]
    rounds = [[row["name"] for row in take_turns(rows, number)] for number in range(2 * count)]
    for order in rounds:
        assert sorted(order) == list(range(count))
    for place in range(count):
        assert Counter(order[place] for order in rounds) == dict.fromkeys(range(count), 2)
    for there, back in zip(rounds[::2], rounds[1::2], strict=True):
        assert back == there[::-1]  # so that what slows down steadily slows all alike


def test_contestants_take_turns_forwards_and_backwards(tmp_path: Path, measure: Measure, heard: list[dict[str, Any]]):
    names = ["legacy", "port", "port tf32"]
    (found,) = measure(comparison(*map(contestant, names)))
    moved = ["port", "port tf32", "legacy"]
    order = [*names, *reversed(names), *moved, *reversed(moved)]
    assert turns(tmp_path) == [
        *[f"warm-up {name}" for name in names], *[f"block {name}" for name in order], *[f"close {name}" for name in names],
    ]  # fmt: skip
    assert {name: found[name] for name in ("what", "task", "options", "rounds", "samples", "image_size")} == {
        "what": "compute", "task": "forward", "options": {"batch_size": 4}, "rounds": 4, "samples": 2, "image_size": [300, 400],
    }  # fmt: skip
    for row in found["contestants"]:
        assert [len(block) for block in row["blocks"]] == [2, 2, 2, 2]
        assert all(0.002 <= value < 0.2 for block in seconds(row) for value in block)
        assert 2 <= len(row["warm_up"]) <= 8
        assert row["images"] == 4
        assert row["peak_bytes"] > 5e6
        assert row["start_s"] > 0.05, "an interpreter is started"
    assert len({row["about"]["pid"] for row in found["contestants"]}) == 3
    steps = [(line["done"], line["of"]) for line in heard]
    assert steps == [(done, 15) for done in range(16)]


@pytest.mark.slow  # it needs a quiet machine
def test_what_takes_twice_as_long_is_half_as_fast(measure: Measure):
    (found,) = measure(comparison(contestant("legacy", seconds=0.04), contestant("port", seconds=0.02), rounds=2))
    assert failures(found) == set()
    _, port = make_rows(found)
    assert port.ratio.value == pytest.approx(2.0, rel=0.15)
    assert port.rate == pytest.approx(4 / 0.02, rel=0.25)
    text = render(make_results(found))
    assert "16 of 16 checks passed." in text


def test_processes_are_shared_by_side_precision_and_word_and_end(measure: Measure):
    first = comparison(contestant("port"), contestant("port again", process="second"), rounds=2)
    slower = Contestant(
        name="port, slower", side="port", process="second", options={"label": "slower", "slowdown": 0.5, "seconds": 0.03}
    )
    again = Contestant(name="port again", side="port", process="second", options={"label": "again", "seconds": 0.03})
    second = comparison(contestant("port", seconds=0.03), again, slower, rounds=2)
    found = measure(Comparison(**{**vars(first), "contestants": (first.contestants[0], again)}), second)
    pids = [[row["about"]["pid"] for row in each["contestants"]] for each in found]
    assert pids[0][0] == pids[1][0]
    assert pids[0][1] == pids[1][1] == pids[1][2] != pids[0][0]
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids[1])
    fastest = [min(min(block) for block in seconds(row)) for row in found[1]["contestants"]]
    assert all(time >= least for time, least in zip(fastest, (0.03, 0.03, 0.045), strict=True))


def test_who_cannot_be_measured_says_why_and_the_others_go_on(tmp_path: Path, measure: Measure):
    (found,) = measure(
        comparison(
            contestant("legacy"), contestant("legacy tf32", raises=1), contestant("port", dies=2), contestant("port bf16"),
            contestant("port tf32", nonsense=1),
        )
    )  # fmt: skip
    errors = {row["name"]: row.get("error") for row in found["contestants"]}
    assert errors.pop("legacy") is None
    assert errors["legacy tf32"] == "ValueError: out of paper"
    assert errors["port bf16"] == "RuntimeError: no bf16 here"
    assert "unexpected keyword argument 'nonsense'" in errors["port tf32"]
    log = tmp_path / "logs" / "port-fp32-shared-0.25.txt"
    assert errors["port"] == f"the process ended with code 3; see {log}"
    assert log.is_file()
    assert "RuntimeError: no bf16 here" in (tmp_path / "logs" / "port-bf16-shared-0.25.txt").read_text(encoding="utf-8")
    assert [row["name"] for row in found["contestants"] if is_measured(row)] == ["legacy"]
    assert len(find(found, "legacy")["blocks"]) == 4
    assert {check.contestant for check in audit(found)} == {"legacy"}
    remarks = {row.contestant: row.remark for row in make_rows(found)[1:]}  # a busy machine may have a remark on the first
    assert remarks == {name: f"not measured: {error}" for name, error in errors.items()}
    assert f"- legacy tf32: {remarks['legacy tf32']}" in render(make_results(found))


def test_a_task_that_fails_leaves_its_process_to_others(measure: Measure):
    found = measure(comparison(contestant("port", raises=0), rounds=2), comparison(contestant("port"), rounds=2))
    assert [is_measured(row) for each in found for row in each["contestants"]] == [False, True]


def test_a_task_that_failed_is_closed(tmp_path: Path, measure: Measure):
    measure(comparison(contestant("port", raises=0), rounds=2))
    assert "close port" in turns(tmp_path)


def test_the_end_of_a_process_does_not_end_the_benchmark(measure: Measure):
    died = comparison(contestant("legacy"), contestant("port", dies=0), rounds=2)
    found = measure(died, comparison(contestant("legacy"), contestant("port"), rounds=2))
    assert all(is_measured(find(each, "legacy")) for each in found)


def test_a_process_that_has_ended_can_be_closed(tmp_path: Path):
    worker = drive.Worker("port", ["benchmarks.worker", "port"], log=tmp_path / "log.txt", environment={})
    worker._process.kill()
    worker._process.wait()
    with pytest.raises(WorkerError, match=r"the process ended with code -9"):
        worker.ask("start")
    worker.close()


def test_a_process_that_ended_is_started_again_for_the_next_comparison(measure: Measure):
    found = measure(comparison(contestant("port", dies=0), rounds=2), comparison(contestant("port"), rounds=2))
    assert [is_measured(row) for each in found for row in each["contestants"]] == [False, True]


def test_the_batches_are_written_by_the_first_that_is_there(measure: Measure):
    (found,) = measure(comparison(contestant("legacy bf16"), contestant("port"), rounds=2))
    assert not is_measured(found["contestants"][0])
    assert is_measured(found["contestants"][1])


def test_what_the_other_side_alone_does_is_left_out(monkeypatch: pytest.MonkeyPatch, measure: Measure):
    """On the legacy's machine the port against itself, at a size of its own, ends nothing."""
    monkeypatch.setenv("PARITY_PORT_PYTHON", "/nowhere/python")
    alone = replace(comparison(contestant("port"), contestant("port again"), rounds=2), image_scale=0.08)
    first, second = measure(comparison(contestant("legacy"), contestant("port"), rounds=2), alone)
    assert [is_measured(row) for row in first["contestants"]] == [True, False]
    assert [is_measured(row) for row in second["contestants"]] == [False, False]
    assert all("PARITY_PORT_PYTHON" in row["error"] for row in second["contestants"])


def test_where_no_side_is_there_nothing_is_measured(monkeypatch: pytest.MonkeyPatch, measure: Measure):
    with pytest.raises(BadInputError, match=r"^no side can be measured: RuntimeError: no bf16 here$"):
        measure(comparison(contestant("legacy bf16"), contestant("port bf16")))
    for side in ("LEGACY", "PORT"):
        monkeypatch.setenv(f"PARITY_{side}_PYTHON", "/nowhere/python")
    with pytest.raises(BadInputError, match=r"^no side can be measured: .*`PARITY_PORT_PYTHON` must be the Python of the port"):
        measure(comparison(contestant("legacy"), contestant("port")))


def test_the_host_is_described():
    host = describe_host()
    assert host["cores"] >= 1
    assert host["memory_gb"] > 0.5
    assert host["processor"]
    assert host["gpu"] is None or set(host["gpu"]) == {"name", "driver"}
