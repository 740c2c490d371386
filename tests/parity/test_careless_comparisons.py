"""Ten ways in which a comparison passes when it should not: each passes on the data here, and the harness does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from parity.artefact import permute_axes
from parity.comparison import Expected
from parity.fresh import describe
from parity.gates.weights import compare as weights_compare
from parity.measurement import ErrorTable, Worst, relative_error
from parity.tolerance import read_gates_file
from parity.verdict import Check, GateResult, Verdict, worst
from parity.workspace import PROJECT, Workspace

from .conftest import Write
from .gates.test_weights import NAMES, SMALL, draw
from .test_comparison import EXPECTED, LIMIT, SPEC, Arrays, compare, make_arrays


def failed(result: GateResult) -> list[tuple[str, str]]:
    """Return each failed check and the place where it is worst."""
    return [(check.id, check.worst) for check in result.checks if check.verdict is Verdict.FAIL]


def absences(result: GateResult) -> dict[str, str]:
    """Return each array that could not be paired, and why."""
    return {check.id: check.reason for check in result.checks if check.id.endswith("/present")}


def in_batch1(row: int) -> list[tuple[str, str]]:
    return [(f"blocks/float64/batch1/{measure}", f"row {row}") for measure in ("max_rel", "norm_rel")]


def test_equal_means_do_not_pass(tmp_path: Path, write_recording: Write):
    legacy, port = make_arrays(), make_arrays()
    for arrays in (legacy, port):
        arrays["batch1"] = (np.full((5, 3), 0.5, np.float32), "NK")
    port["batch1"][0][2] += np.float32([0.25, -0.125, -0.125])
    assert all(legacy[name][0].mean() == port[name][0].mean() for name in EXPECTED)
    assert all((legacy[name][0].mean(axis=1) == port[name][0].mean(axis=1)).all() for name in EXPECTED)
    result = compare(tmp_path, write_recording, legacy, port)
    assert result.verdict is Verdict.FAIL
    assert failed(result) == in_batch1(row=2)
    assert result.checks[2].observed == 0.5  # 0.25 off, of 0.5


def test_equal_sorted_values_do_not_pass(tmp_path: Path, write_recording: Write):
    legacy, port = make_arrays(), make_arrays()
    port["batch1"][0][3] = legacy["batch1"][0][3, ::-1]
    assert all(np.array_equal(np.sort(legacy[name][0], axis=None), np.sort(port[name][0], axis=None)) for name in EXPECTED)
    result = compare(tmp_path, write_recording, legacy, port)
    assert result.verdict is Verdict.FAIL
    assert failed(result) == in_batch1(row=3)


def test_equal_flattened_values_do_not_pass(tmp_path: Path, write_recording: Write):
    legacy, port = make_arrays(), make_arrays()
    port["batch1"] = (legacy["batch1"][0].reshape(3, 5), "NK")
    assert all(np.array_equal(legacy[name][0].ravel(), port[name][0].ravel()) for name in EXPECTED)
    result = compare(tmp_path, write_recording, legacy, port)
    assert result.verdict is Verdict.FAIL
    assert absences(result) == {"blocks/none/batch1/present": "port: shape (3, 5) instead of (5, 3) (NK)"}


@pytest.mark.parametrize(
    ("may_occur", "reason"),
    [(False, "legacy: 1 elements are not finite"), (True, "not-a-number at different places: 1 elements")],
)
def test_nan_is_not_zeroed_on_both_sides(tmp_path: Path, write_recording: Write, may_occur: bool, reason: str):
    legacy, port = make_arrays(), make_arrays()
    legacy["batch1"][0][2, 1], port["batch1"][0][2, 1] = np.nan, 0.0
    assert all(np.array_equal(np.nan_to_num(legacy[name][0]), np.nan_to_num(port[name][0])) for name in EXPECTED)
    expected = {name: replace(entry, nonfinite=may_occur) for name, entry in EXPECTED.items()}
    result = compare(tmp_path, write_recording, legacy, port, expected)
    assert result.verdict is Verdict.FAIL
    assert absences(result) == {"blocks/none/batch1/present": reason}


def test_a_missing_last_output_does_not_pass(tmp_path: Path, write_recording: Write):
    legacy, port = make_arrays(), make_arrays()
    del port["batch1"]
    pairs = list(zip(legacy.values(), port.values(), strict=False))
    assert pairs
    assert all(np.array_equal(a, b) for (a, _), (b, _) in pairs)
    result = compare(tmp_path, write_recording, legacy, port)
    assert result.verdict is Verdict.FAIL
    assert absences(result) == {"blocks/none/batch1/present": "port: batch1 is missing from blocks"}
    assert (result.compared, result.expected) == (1, 2)


def test_an_extra_wrong_output_does_not_pass(tmp_path: Path, write_recording: Write):
    legacy, port = make_arrays(), make_arrays()
    port["batch2"] = (1.0 - port["batch0"][0], "NK")
    assert all(np.array_equal(values, port[name][0]) for name, (values, _) in legacy.items())
    result = compare(tmp_path, write_recording, legacy, port)
    assert result.verdict is Verdict.FAIL
    assert absences(result) == {"blocks/none/batch2/present": "extra array on the port side: the contract does not know it"}


@pytest.mark.parametrize("short", ["legacy", "port"])
def test_ten_batches_against_one_do_not_pass(tmp_path: Path, write_recording: Write, short: str):
    names = [f"batch{number}" for number in range(10)]
    batch = make_arrays()["batch0"]
    sides: dict[str, Arrays] = {
        side: dict.fromkeys(names[:1] if side == short else names, batch) for side in ("legacy", "port")
    }
    stacked = [np.stack([values for values, _ in side.values()]) for side in sides.values()]
    assert {len(batches) for batches in stacked} == {1, 10}
    assert np.allclose(*stacked)
    expected = dict.fromkeys(names, EXPECTED["batch0"])
    result = compare(tmp_path, write_recording, sides["legacy"], sides["port"], expected)
    assert result.verdict is Verdict.FAIL
    assert absences(result) == {f"blocks/none/{name}/present": f"{short}: {name} is missing from blocks" for name in names[1:]}
    assert (result.compared, result.expected) == (1, 10)


def test_shapes_that_broadcast_do_not_pass(tmp_path: Path, write_recording: Write):
    column, matrix = np.full((5, 1), 0.25, np.float32), np.full((5, 3), 0.25, np.float32)
    assert np.allclose(matrix, column)
    expected = {"batch0": Expected(axes="NK", shape=(5, 3), dtype="float32")}
    result = compare(tmp_path, write_recording, {"batch0": (matrix, "NK")}, {"batch0": (column, "NK")}, expected)
    assert result.verdict is Verdict.FAIL
    assert absences(result) == {"blocks/none/batch0/present": "port: shape (5, 1) instead of (5, 3) (NK)"}
    with pytest.raises(ValueError, match=r"shapes must be equal, got \(5, 3\) and \(5, 1\)"):
        relative_error(matrix, column)


def test_pairs_by_index_do_not_pass(tmp_path: Path, write_recording: Write):
    legacy = make_arrays()
    port = {"batch1": legacy["batch0"], "batch0": legacy["batch1"]}
    assert all(np.array_equal(a, b) for (a, _), (b, _) in zip(legacy.values(), port.values(), strict=True))
    result = compare(tmp_path, write_recording, legacy, port)
    assert result.verdict is Verdict.FAIL
    assert {check_id for check_id, _ in failed(result)} == {
        f"blocks/float64/{name}/{measure}" for name in ("batch0", "batch1") for measure in ("max_rel", "norm_rel")
    }
    assert (result.compared, result.expected) == (2, 2)


def test_weights_of_equal_norm_do_not_pass(tmp_path: Path, write_recording: Write, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(weights_compare, "tensors", lambda classes: SMALL)
    rng = np.random.default_rng(17)
    legacy: Arrays = {tensor.legacy: (draw(tensor, rng), tensor.axes) for tensor in SMALL}
    port: Arrays = {}
    for tensor in SMALL:
        values, axes = legacy[tensor.legacy]
        port[tensor.port] = (permute_axes(values, axes, tensor.port_axes), tensor.port_axes)
    name = "conv2.block1.conv1.weight"  # 64 x 64: its shape cannot tell
    right, axes = port[name]
    wrong = right.transpose(1, 0, 2, 3)
    port[name] = (wrong, axes)
    for tensor in SMALL:
        norms = [np.linalg.norm(side.astype(np.float64)) for side in (legacy[tensor.legacy][0], port[tensor.port][0])]
        assert norms[1] == pytest.approx(norms[0], rel=1e-12)

    replace(SPEC, gates=("weights",)).write_json(Workspace(tmp_path).spec_path)
    for side, arrays in (("legacy", legacy), ("port", port)):
        fresh = {key: describe(draw(tensor, rng)) for key, tensor in NAMES[side].items()}
        write_recording(side, arrays, {"fresh": fresh}, gate="weights")
    result = weights_compare.compare(Workspace(tmp_path), read_gates_file(PROJECT / "gates.toml"))
    assert result.verdict is Verdict.FAIL
    assert failed(result) == [("weights/exact/conv2_block1_1_conv/kernel/elements", name)]
    assert result.first_failure is not None
    assert result.first_failure.observed == np.count_nonzero(wrong != right) > 64 * 62


def test_a_check_that_did_not_run_does_not_pass():
    errors: list[float] = []
    assert all(error <= LIMIT.value for error in errors)
    did_not_run = Worst().to_check("blocks/float64/batch1/max_rel", LIMIT, unit="relative")
    passed = Check(id="blocks/float64/batch0/max_rel", verdict=Verdict.PASS, observed=0.0, limit=LIMIT.value, n=15)
    result = GateResult(gate="blocks", checks=(passed, did_not_run), expected=1, compared=1)
    assert not any(check.verdict is Verdict.FAIL for check in result.checks)
    assert (did_not_run.verdict, did_not_run.reason) == (Verdict.NOT_RUN, "nothing was compared")
    assert result.verdict is Verdict.NOT_RUN
    assert worst([result.verdict, Verdict.PASS]).exit_code == 4
    assert worst([]) is Verdict.NOT_RUN


def test_an_output_that_was_never_measured_does_not_pass():
    table = ErrorTable()
    truth = make_arrays()["batch0"][0]
    table.add("float64", "batch0", "row 0", truth=truth, found=truth)
    measured = {what: each.observed for (_, what, _), each in table.worst.items()}
    assert max(measured.values()) == 0.0
    checks = [
        check for check in table.checks("blocks", EXPECTED, {"float64": LIMIT, "float32": LIMIT}) if "float64" in check.id
    ]
    assert [check.verdict for check in checks] == [Verdict.PASS] * 2 + [Verdict.NOT_RUN] * 2
    assert {check.reason for check in checks[2:]} == {"nothing was compared"}
    assert GateResult(gate="blocks", checks=tuple(checks), expected=1, compared=1).verdict is Verdict.NOT_RUN
