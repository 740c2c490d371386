"""Replayed traces: nothing is tolerated, absent traces fail, and the traces themselves can tell the rules apart."""

from __future__ import annotations

import importlib
import json
import math
from pathlib import Path
from typing import Any

import pytest

from parity.artefact import hash_file
from parity.gates.schedule.compare import compare
from parity.gates.schedule.contract import (
    GATE,
    NAMED,
    NONE,
    QUANTITIES,
    TRACES_FILE,
    TRAINED,
    Replay,
    Trace,
    read_traces,
    write_traces,
)
from parity.gates.schedule.traces import generate_traces, write_schedule_fixtures
from parity.reuse import recording_key
from parity.verdict import GateResult, Verdict

from .conftest import HandmadeRun

GENERATED = generate_traces()


def replay(trace: Trace) -> dict[str, Any]:
    last = len(trace.val_loss) - 1
    rates = tuple(1e-4 / 2**epoch for epoch in range(last + 1))
    return Replay(learning_rate=rates, stop_epoch=last, best_epoch=0, loaded_epochs=(0.0,)).to_dict()


@pytest.fixture
def run(handmade: HandmadeRun) -> HandmadeRun:
    write(handmade, (*NAMED, *GENERATED))
    return handmade


def write(run: HandmadeRun, traces: tuple[Trace, ...]) -> None:
    path = run.workspace.gate_fixtures(GATE) / TRACES_FILE
    write_traces(path, traces)
    for side in (run.legacy, run.port):
        side.values = {"traces_sha256": hash_file(path), "replays": {trace.name: replay(trace) for trace in traces}}
    run.port.values["saved"] = {trace.name: [0.0] for trace in traces}
    run.port.values["trained"] = {**run.port.values["replays"][TRAINED], "saved": [0.0]}


def failed(result: GateResult) -> list[str]:
    return [check.id for check in result.checks if check.verdict is Verdict.FAIL]


def test_equal_replays_pass(run: HandmadeRun):
    result = run.compare(GATE, compare)
    assert result.verdict is Verdict.PASS
    assert result.expected == result.compared == (len(NAMED) + 1) * len(QUANTITIES) + 2
    assert {check.n for check in result.checks if check.id.startswith("schedule/exact/generated/")} == {200}


@pytest.mark.parametrize(
    ("quantity", "value", "reason"),
    [
        ("stop_epoch", NONE, "29 / none"),
        ("best_epoch", 1, "0 / 1"),
        ("loaded_epochs", [0.0, 29.0], "1 / 2 values"),
        ("loaded_epochs", [29.0], "0.0 / 29.0 at 0"),
    ],
)
def test_another_answer_to_a_named_trace_is_named(run: HandmadeRun, quantity: str, value: object, reason: str):
    run.port.values["replays"]["flat"][quantity] = value
    result = run.compare(GATE, compare)
    assert failed(result) == [f"schedule/exact/flat/{quantity}"]
    assert next(check for check in result.checks if not check).reason == f"legacy / port: {reason}"


def test_a_learning_rate_that_differs_in_the_last_bit_fails(run: HandmadeRun):
    rates = run.port.values["replays"]["generated007"]["learning_rate"]
    rates[3] = math.nextafter(rates[3], 1.0)
    result = run.compare(GATE, compare)
    assert failed(result) == ["schedule/exact/generated/learning_rate"]
    found = next(check for check in result.checks if not check)
    assert (found.worst, found.observed, found.reason[-4:]) == ("generated007", 1.0, "at 3")


def test_an_epoch_too_many_fails(run: HandmadeRun):
    run.port.values["replays"]["tied"]["learning_rate"].append(1e-7)
    assert failed(run.compare(GATE, compare)) == ["schedule/exact/tied/learning_rate"]


@pytest.mark.parametrize("sides", [("legacy",), ("port",), ("legacy", "port")])
def test_an_absent_trace_fails(run: HandmadeRun, sides: tuple[str, ...]):
    for side in sides:
        del getattr(run, side).values["replays"]["generated199"]
    expected = [f"schedule/exact/generated/{quantity}" for quantity in QUANTITIES]
    assert failed(run.compare(GATE, compare)) == expected + (["schedule/exact/saved/equal"] if "legacy" in sides else [])


@pytest.mark.parametrize("found", [[29.0], [0.0, 29.0], [], None], ids=["the last", "mixed", "no file", "not read"])
def test_a_file_of_the_best_weights_that_is_of_another_epoch_fails(run: HandmadeRun, found: list[float] | None):
    """While memory is right: `evaluate` reads the file."""
    run.port.values["saved"]["flat"] = found
    if found is None:
        del run.port.values["saved"]["flat"]
    result = run.compare(GATE, compare)
    assert failed(result) == ["schedule/exact/saved/equal"]
    assert next(check for check in result.checks if not check).worst == "flat"


def test_a_file_where_the_legacy_kept_nothing_fails(run: HandmadeRun):
    for side in (run.legacy, run.port):
        side.values["replays"]["nan_everywhere"] |= {"best_epoch": NONE, "loaded_epochs": []}
    assert failed(run.compare(GATE, compare)) == ["schedule/exact/saved/equal"]
    run.port.values["saved"]["nan_everywhere"] = []
    assert failed(run.compare(GATE, compare)) == []


@pytest.mark.parametrize("quantity", [*QUANTITIES, "saved"])
@pytest.mark.parametrize("way", ["another", "absent"])
def test_a_training_that_goes_otherwise_than_the_replay_fails(run: HandmadeRun, quantity: str, way: str):
    """The callbacks are right, and ``train_model`` makes others of them."""
    run.port.values["trained"] = {**run.port.values["trained"], quantity: "another"}
    if way == "absent":
        del run.port.values["trained"][quantity]
    result = run.compare(GATE, compare)
    assert failed(result) == ["schedule/exact/trained/equal"]
    assert next(check for check in result.checks if not check).worst == quantity


def test_a_training_that_was_not_recorded_fails(run: HandmadeRun):
    del run.port.values["trained"]
    assert failed(run.compare(GATE, compare)) == ["schedule/exact/trained/equal"]


def test_no_replays_at_all_fail(run: HandmadeRun):
    for side in (run.legacy, run.port):
        side.values = {}
    result = run.compare(GATE, compare)
    assert len(failed(result)) == 1 + (len(NAMED) + 1) * len(QUANTITIES) + 2


def test_an_extra_trace_fails(run: HandmadeRun):
    run.port.values["replays"]["generated200"] = replay(GENERATED[0])
    assert failed(run.compare(GATE, compare)) == ["schedule/exact/port/extra"]


def test_too_few_generated_traces_fail(run: HandmadeRun):
    write(run, (*NAMED, *GENERATED[:-1]))
    result = run.compare(GATE, compare)
    assert failed(result) == ["schedule/exact/traces/present"]
    assert next(check for check in result.checks if not check).reason == "199 generated traces, at least 200 are needed"


def test_a_side_that_replayed_other_traces_fails(run: HandmadeRun):
    run.port.values["traces_sha256"] = "another"
    result = run.compare(GATE, compare)
    assert failed(result) == ["schedule/exact/traces/present"]
    assert next(check for check in result.checks if not check).worst == "port"


def test_traces_go_round_exactly(tmp_path: Path):
    trace = Trace(name="a", val_loss=(0.1 + 0.2, math.inf, -math.inf, 5e-324, math.nan), init_lr=1e-7, patience=3)
    write_traces(tmp_path / "traces.json", [trace])
    (found,) = read_traces(tmp_path / "traces.json")
    assert found.val_loss[:-1] == trace.val_loss[:-1]
    assert math.isnan(found.val_loss[-1])
    assert (found.name, found.init_lr, found.patience, found.patience_lr) == ("a", 1e-7, 3, None)
    assert "NaN" not in json.dumps(json.loads((tmp_path / "traces.json").read_text()), allow_nan=False)


def test_the_fixtures_do_not_depend_on_what_else_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_schedule_fixtures(tmp_path / "first.json")
    (tmp_path / "full_of_constants.py").write_text("NUMBERS = (0.1234567, 0.7654321, 2.5e-5, 12345)\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("full_of_constants")
    write_schedule_fixtures(tmp_path / "second.json")
    assert (tmp_path / "first.json").read_bytes() == (tmp_path / "second.json").read_bytes()
    assert len(read_traces(tmp_path / "first.json")) == 216


def test_the_generated_traces_are_many_different_and_always_the_same():
    assert len({repr((trace.val_loss, trace.init_lr, trace.arguments())) for trace in GENERATED}) == 200
    assert repr(generate_traces()) == repr(generate_traces())
    lengths = [len(trace.val_loss) for trace in GENERATED]
    assert (min(lengths), max(lengths)) == (5, pytest.approx(28, abs=2))
    values = [value for trace in GENERATED for value in trace.val_loss]
    steps = [b - a for trace in GENERATED for a, b in zip(trace.val_loss, trace.val_loss[1:], strict=False)]
    assert sum(math.isnan(value) for value in values) > 50
    assert sum(step == 0 for step in steps) > 50
    assert sum(0 < -step < 2e-4 for step in steps) > 50


def test_the_figures_beside_the_validation_loss_point_elsewhere():
    trace = next(trace for trace in NAMED if trace.name == "early_minimum")
    logs = [trace.logs(epoch) for epoch in range(len(trace.val_loss))]
    best = min(range(len(logs)), key=lambda epoch: logs[epoch]["val_loss"])
    for name in set(logs[0]) - {"val_loss"}:
        values = [row[name] for row in logs]
        assert best not in (values.index(min(values)), values.index(max(values)))


def test_other_traces_make_other_recordings_of_this_gate_alone(run: HandmadeRun):
    def keys() -> list[str]:
        return [recording_key("port", gate, run.workspace, depends={}) for gate in (GATE, "optimizer")]

    before = keys()
    write_traces(run.workspace.gate_fixtures(GATE) / TRACES_FILE, NAMED)
    after = keys()
    assert before[0] != after[0]
    assert before[1] == after[1]
