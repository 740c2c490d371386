"""The report says of a run what its gates say: the same numbers, by the same functions, and no number that contradicts one."""

from __future__ import annotations

import numpy as np
import pytest

from parity.artefact import ArtefactError
from parity.assemble import _ledger, read_lockstep
from parity.contract import KINDS
from parity.explanations import make_explanations
from parity.gates.decisions.ledger import Row, read_shared_rows
from parity.gates.gradcam.compare import compare as compare_maps
from parity.gates.lockstep.compare import loss_errors
from parity.verdict import GateResult, Verdict

from .conftest import HandmadeRun, probabilities
from .test_decisions import evaluate
from .test_gradcam import kill, make_again
from .test_gradcam import run as maps  # noqa: F401, a fixture

FLAT = np.array([0.4 + 1e-7, 0.4, 0.2 - 1e-7]), np.array([0.4, 0.4 + 2e-7, 0.2 - 2e-7])


def observed(result: GateResult, check_id: str) -> float | None:
    return next(check.observed for check in result.checks if check.id == check_id)


def ledger(run: HandmadeRun) -> list[Row]:
    rows = probabilities()
    evaluate(run, rows, rows)
    return read_shared_rows(run.workspace)


@pytest.fixture
def run(maps: HandmadeRun) -> HandmadeRun:  # noqa: F811
    """Maps of a port whose float32 is a little off, and a gate that has compared them."""
    raw = maps.port.arrays["float32/evaluation/raw"][0]
    raw[4, 1, 2] += np.float32(1e-3) * np.abs(raw[4]).max()
    return maps


def test_the_error_of_a_map_is_the_gate_s(run: HandmadeRun):
    result = run.compare("gradcam", compare_maps)
    rows, _ = make_explanations(run.workspace, [])
    assert rows[0]["image"] == "scc_20x_4.jpg"
    assert rows[0]["error"] == observed(result, "gradcam/float32/raw/evaluation/max_rel")
    assert rows[0]["error"] == pytest.approx(1e-3, rel=1e-2)
    assert len(rows) == 8
    assert [row["error"] for row in rows] == sorted((row["error"] for row in rows), reverse=True)


def test_maps_that_the_gate_calls_the_same_have_no_error_in_the_report(run: HandmadeRun):
    before, _ = make_explanations_of(run)
    for dtype in ("float64", "float32"):
        for kind in KINDS:
            run.port.arrays[f"{dtype}/{kind}/raw"][0][:] *= 49
    make_again(run)
    assert run.compare("gradcam", compare_maps).verdict is Verdict.PASS
    after, _ = make_explanations(run.workspace, [])
    assert [row["error"] for row in after] == pytest.approx([row["error"] for row in before], abs=1e-6)


def make_explanations_of(run: HandmadeRun) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    run.compare("gradcam", compare_maps)
    return make_explanations(run.workspace, [])


def test_the_pictures_are_the_maps_that_each_side_normalised(run: HandmadeRun):
    rows, assets = make_explanations_of(run)
    assert [set(row["assets"]) for row in rows] == [{"reference", "candidate", "difference"}] * 8
    assert [asset["scale"] for asset in assets if "scale" in asset] == [0.0] * 8, "both sides normalised alike"
    for kind in KINDS:
        run.port.arrays[f"float32/{kind}/normalised"][0][:] *= np.float32(0.5)
    scales = [asset["scale"] for asset in make_explanations_of(run)[1] if "scale" in asset]
    assert all(0.2 < scale < 0.5 for scale in scales)


def test_maps_that_nobody_normalised_have_no_picture(run: HandmadeRun):
    del run.port.arrays["float32/evaluation/normalised"]
    run.port.arrays["float32/augmented/normalised"] = (np.zeros((1, 3, 4), np.float32), "NHW")
    rows, assets = make_explanations_of(run)
    assert (len(rows), assets) == (8, [])
    assert all("assets" not in row for row in rows)


def test_a_dead_map_is_dead_in_the_report(run: HandmadeRun):
    kill(run, [1], ("legacy",))
    run.legacy.arrays["float32/evaluation/normalised"][0][1] = np.nan
    rows, assets = make_explanations_of(run)
    dead = {row["image"]: row["dead"] for row in rows if row["kind"] == "evaluation"}
    assert dead.pop("aca_20x_1.jpg") == [True, False]
    assert set(map(tuple, dead.values())) == {(False, False)}
    assert sum(asset.get("scale", 0.0) is None for asset in assets) == 1, "one difference that cannot be drawn"


def test_the_legacy_s_answers_are_those_of_the_ledger(run: HandmadeRun):
    rows = ledger(run)
    run.compare("gradcam", compare_maps)
    assert {row["correct"] for row in make_explanations(run.workspace, rows)[0]} == {True}
    wrong = [Row(**{**vars(row), "label": (row.label + 1) % 3}) for row in rows]
    assert {row["correct"] for row in make_explanations(run.workspace, wrong)[0]} == {False}
    assert {row["correct"] for row in make_explanations(run.workspace, [])[0]} == {None}


def test_maps_that_a_side_did_not_record_are_no_rows(run: HandmadeRun):
    del run.port.arrays["float64/evaluation/raw"]
    rows, _ = make_explanations_of(run)
    assert {row["kind"] for row in rows} == {"augmented"}
    for path in run.workspace.recording_folder("port", "gradcam").glob("*"):
        path.unlink()
    with pytest.raises(ArtefactError):
        run.workspace.recording("port", "gradcam")
    assert make_explanations(run.workspace, []) == ([], [])


@pytest.mark.parametrize(("drift", "ties"), [(6e-7, 1), (2e-3, 0)], ids=["noise", "past the limit"])
def test_a_tie_in_the_report_is_a_tie_of_the_gate(handmade: HandmadeRun, drift: float, ties: int):
    """A difference of probabilities that is no noise excuses nothing, neither in the gate nor in the report."""
    rows = probabilities()
    changed = rows.copy()
    rows[0], changed[0] = FLAT
    changed[1] += [drift, -drift, 0.0]
    result = evaluate(handmade, rows, changed)
    check = next(check for check in result.checks if check.id == "decisions/float32/evaluation/changed")
    assert check.observed == 1 - ties
    found = _ledger(read_shared_rows(handmade.workspace), handmade.gates_file)
    assert sum(row["tie"] for row in found if row["kind"] == "evaluation") == ties
    assert sum(row["changed"] and not row["tie"] for row in found if row["kind"] == "evaluation") == check.observed


def test_the_difference_of_a_decision_is_what_the_gate_measures(handmade: HandmadeRun):
    rows = probabilities()
    evaluate(handmade, rows, rows + np.array([2e-4, -1e-4, -1e-4]))
    found = _ledger(read_shared_rows(handmade.workspace), handmade.gates_file)
    assert [row["difference"] for row in found] == pytest.approx([2e-4] * 12, rel=1e-3)


def test_the_losses_of_lockstep_part_as_the_gate_says(handmade: HandmadeRun):
    losses = np.array([1.5, 0.0, 0.0, 2.0])
    handmade.legacy.arrays["float64/loss"] = (losses, "N")
    handmade.port.arrays["float64/loss"] = (losses + np.array([0.0, 0.0, 0.5, 0.5]), "N")
    handmade.write("lockstep")
    found = read_lockstep(handmade.workspace)
    assert found is not None
    assert found["difference"] == [0.0, 0.0, np.inf, 0.25]
    assert found["difference"] == loss_errors(np.array(found["reference"]), np.array(found["candidate"])).tolist()
