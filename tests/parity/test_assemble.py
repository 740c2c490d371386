"""Headline and place: what the reader of a verdict sees first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from parity.artefact import RecordingWriter
from parity.assemble import _gate_dict, _place_dict, _remarks, find_place, judge_run, make_headline, read_lockstep
from parity.contract import GATES, RunSpec
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import Workspace

from .gates.conftest import SPEC

REQUIRED = ("config", "weights", "blocks")


def gate(name: str, verdict: Verdict, worst: str = "here") -> GateResult:
    if verdict is Verdict.NOT_RUN:
        return GateResult(gate=name, checks=(), expected=0, compared=0)
    check = Check(id=f"{name}/float64/tap/max_rel", verdict=verdict, observed=1.0, limit=0.5, n=1, worst=worst)
    return GateResult(gate=name, checks=(check,), expected=1, compared=1)


def results(**verdicts: Verdict) -> list[GateResult]:
    return [gate(name, verdicts.get(name, Verdict.NOT_RUN)) for name in GATES]


def test_the_headline_counts():
    found = results(config=Verdict.PASS, weights=Verdict.PASS, blocks=Verdict.PASS, throughput=Verdict.PASS)
    line = make_headline(Verdict.PASS, found, REQUIRED, remarks=["legacy unwitnessed", "DEMO"])
    assert line.startswith(f"PASS (3 of 3 required gates; {len(GATES) - 4} not run: freeze, numerics,")
    assert line.endswith("legacy unwitnessed; DEMO)")
    assert "unwitnessed" not in make_headline(Verdict.PASS, found, REQUIRED)


def test_a_gate_that_fails_counts_even_if_it_is_not_required():
    passed = dict.fromkeys(REQUIRED, Verdict.PASS)
    assert judge_run(results(**passed), REQUIRED) is Verdict.PASS
    assert judge_run(results(**passed, loss=Verdict.INCONCLUSIVE), REQUIRED) is Verdict.PASS
    assert judge_run(results(**passed, loss=Verdict.FAIL), REQUIRED) is Verdict.FAIL
    assert judge_run(results(loss=Verdict.PASS), REQUIRED) is Verdict.NOT_RUN


def test_the_first_failing_gate_is_the_place():
    found = results(config=Verdict.PASS, weights=Verdict.FAIL, blocks=Verdict.FAIL)
    place = find_place(found)
    assert place is not None
    assert place.gate == "weights"
    follows = {row["gate"]: row["follows_from"] for row in (_gate_dict(result, REQUIRED, place) for result in found)}
    assert follows["blocks"] == "weights"
    assert follows["weights"] is None
    assert follows["config"] is None


def test_config_may_fail_before_the_place_and_names_the_parameter():
    found = results(config=Verdict.FAIL, blocks=Verdict.FAIL)
    place = _place_dict(found)
    assert place is not None
    assert place["gate"] == "blocks"
    assert place["check"] == "blocks/float64/tap/max_rel"
    assert place["words"].endswith("config names here")


def test_config_is_the_place_when_it_alone_can_know():
    place = _place_dict(results(config=Verdict.FAIL, blocks=Verdict.PASS))
    assert place is not None
    assert place["gate"] == "config"


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.NOT_RUN])
def test_without_a_failure_there_is_no_place(verdict: Verdict):
    assert _place_dict(results(config=verdict)) is None


LOSSES = np.array([1.25, 0.5, np.nan, 0.25])


def lockstep_run(folder: Path, *, gates: tuple[str, ...] = ("lockstep",), **losses: np.ndarray) -> Workspace:
    """Return a run in which each side of `losses` recorded what it is given."""
    workspace = Workspace(folder)
    RunSpec(
        data="/data", data_sha256="", checkpoint="/c.h5", checkpoint_sha256="", resolution="20x", split="published",
        split_sha256="", splits=("val", "test"), image_scale=0.08, images=None, profile="probe", arch="resnet50v2",
        device="cpu", gates=gates,
    ).write_json(workspace.spec_path)  # fmt: skip
    for side, values in losses.items():
        with RecordingWriter(workspace.recording_folder(side, "lockstep"), key="key") as out:
            out.write_array("float64/loss", values, "NC"[: values.ndim])
            if side == "legacy":
                out.write_value("epoch_starts", [1, 3])
    return workspace


def test_losses_of_lockstep_are_told_step_by_step(tmp_path: Path):
    found = read_lockstep(lockstep_run(tmp_path, legacy=LOSSES, port=LOSSES + 1.0))
    assert found is not None
    assert found["steps"] == [1, 2, 3, 4]
    assert found["epoch_starts"] == [1, 3]
    np.testing.assert_array_equal(found["reference"], LOSSES)
    np.testing.assert_array_equal(found["candidate"], LOSSES + 1.0)


@pytest.mark.parametrize(
    "losses",
    [
        {},
        {"legacy": LOSSES},
        {"port": LOSSES},
        {"legacy": LOSSES, "port": LOSSES[:3]},
        {"legacy": LOSSES, "port": LOSSES[None]},
    ],
    ids=["nothing", "legacy only", "port only", "fewer steps", "another shape"],
)
def test_losses_that_are_not_whole_are_not_told(tmp_path: Path, losses: dict[str, np.ndarray]):
    assert read_lockstep(lockstep_run(tmp_path, **losses)) is None


def test_losses_of_an_earlier_run_with_other_gates_are_not_told(tmp_path: Path):
    assert read_lockstep(lockstep_run(tmp_path, gates=("weights",), legacy=LOSSES, port=LOSSES)) is None


def test_a_side_that_recorded_no_losses_does_not_stop_the_report(tmp_path: Path):
    workspace = lockstep_run(tmp_path, legacy=LOSSES)
    with RecordingWriter(workspace.recording_folder("port", "lockstep"), key="key") as out:
        out.write_value("error", "ValueError: no losses")
    assert read_lockstep(workspace) is None


def test_a_recording_that_was_damaged_does_not_stop_the_report(tmp_path: Path):
    workspace = lockstep_run(tmp_path, legacy=LOSSES, port=LOSSES)
    path = workspace.recording_folder("port", "lockstep") / "00000.npy"
    path.write_bytes(path.read_bytes()[:-8])
    assert read_lockstep(workspace) is None


@pytest.mark.parametrize(("device", "said"), [("cpu", []), ("cuda", ["computed on a GPU, not on a CPU"])])
def test_the_headline_says_where_a_run_computed(device: str, said: list[str], tmp_path: Path):
    workspace = Workspace(tmp_path)
    replace(SPEC, device=device).write_json(workspace.spec_path)
    assert _remarks(workspace, {"witness": None, "demo": True}) == [*said, "legacy unwitnessed", "DEMO"]
    workspace.bundle.touch()
    assert _remarks(Workspace(tmp_path), {})[: len(said) + 1] == [*said, "against the golden bundle"]
