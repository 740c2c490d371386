"""The comparator against each way in which recorded data can be wrong."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from parity.comparison import Comparison, Expected, compare_table
from parity.contract import RunSpec
from parity.measurement import ErrorTable, relative_error
from parity.tolerance import Limit
from parity.verdict import GateResult, Verdict
from parity.workspace import Workspace

SPEC = RunSpec(
    data="", data_sha256="", checkpoint="", checkpoint_sha256="", resolution="20x", split="published", split_sha256="",
    splits=("val",), image_scale=0.08, images=None, profile="probe", arch="resnet50v2", device="cpu", gates=("blocks",),
)  # fmt: skip
LIMIT = Limit(value=1e-6, reason="test")
NAMES = ("batch0", "batch1")
EXPECTED = {name: Expected(axes="NK", shape=(5, 3), dtype="float32") for name in NAMES}
Arrays = dict[str, tuple[np.ndarray, str]]


def make_arrays() -> Arrays:
    rng = np.random.default_rng(17)
    return {name: (rng.dirichlet(np.ones(3), 5).astype(np.float32), "NK") for name in NAMES}


def compare(tmp_path, write_recording, reference: Arrays, candidate: Arrays, expected=EXPECTED) -> GateResult:
    write_recording("legacy", reference)
    write_recording("port", candidate)
    SPEC.write_json(Workspace(tmp_path).spec_path)
    comparison = Comparison.open(Workspace(tmp_path), "blocks", expected)
    errors = ErrorTable()
    for name in expected:
        for pair in comparison.pairs(name):
            for row, (a, b) in enumerate(zip(pair.reference, pair.candidate, strict=True)):
                errors.add("float64", name, f"row {row}", truth=a, found=b)
    return comparison.result(
        check for check in errors.checks("blocks", expected, {"float64": LIMIT, "float32": LIMIT}) if "float64" in check.id
    )


def test_equal_recordings_pass(tmp_path, write_recording):
    result = compare(tmp_path, write_recording, make_arrays(), make_arrays())
    assert result.verdict is Verdict.PASS
    assert (result.expected, result.compared) == (2, 2)


def change(name: str, function: Callable[[np.ndarray], np.ndarray], axes: str = "NK") -> Callable[[Arrays], None]:
    def apply(arrays: Arrays) -> None:
        arrays[name] = (function(arrays[name][0].copy()), axes)

    return apply


def with_nan(values: np.ndarray) -> np.ndarray:
    values[2, 1] = np.nan
    return values


WRONG: dict[str, tuple[Callable[[Arrays], object], str]] = {
    "not a number": (change("batch1", with_nan), "1 elements are not finite"),
    "infinite": (change("batch1", lambda a: np.where(a > 0.5, np.float32(np.inf), a)), "elements are not finite"),
    "missing": (lambda arrays: arrays.pop("batch1"), "batch1 is missing"),
    "extra": (lambda arrays: arrays.setdefault("batch2", arrays["batch0"]), "extra array"),
    "empty": (change("batch1", lambda a: a[:0]), r"shape \(0, 3\) instead of \(5, 3\)"),
    "fewer rows": (change("batch1", lambda a: a[:4]), r"shape \(4, 3\) instead of \(5, 3\)"),
    "another dtype": (change("batch1", lambda a: a.astype(np.float64)), "dtype float64 instead of float32"),
    "another axis": (change("batch1", lambda a: a.T, "KN"), "axes 'KN' instead of 'NK'"),
    "column against vector": (change("batch1", lambda a: a[:, 0], "N"), "axes 'N' instead of 'NK'"),
    "broadcast row": (change("batch1", lambda a: a[:1]), r"shape \(1, 3\) instead of \(5, 3\)"),
}


@pytest.mark.parametrize("side", ["legacy", "port"])
@pytest.mark.parametrize("case", WRONG)
def test_wrong_data_on_one_side_fails_with_the_reason(tmp_path, write_recording, case: str, side: str):
    apply, reason = WRONG[case]
    sides = {"legacy": make_arrays(), "port": make_arrays()}
    apply(sides[side])
    result = compare(tmp_path, write_recording, sides["legacy"], sides["port"])
    assert result.verdict is Verdict.FAIL
    faults = [check for check in result.checks if check.id.endswith("/present")]
    assert len(faults) == 1
    assert faults[0].reason.startswith((f"{side}: ", f"extra array on the {side} side"))
    assert re.search(reason, faults[0].reason)


@pytest.mark.parametrize("case", ["not a number", "missing", "extra", "empty", "fewer rows", "another dtype"])
def test_the_same_wrong_data_on_both_sides_fails(tmp_path, write_recording, case: str):
    sides = make_arrays(), make_arrays()
    for arrays in sides:
        WRONG[case][0](arrays)
    assert compare(tmp_path, write_recording, *sides).verdict is Verdict.FAIL


def test_a_vector_against_a_column_is_no_broadcast(tmp_path, write_recording):
    expected = {"a": Expected(axes="N", shape=(5,), dtype="float32")}
    vector, column = np.ones(5, np.float32), np.ones((5, 1), np.float32)
    result = compare(tmp_path, write_recording, {"a": (vector, "N")}, {"a": (column, "NK")}, expected)
    assert result.verdict is Verdict.FAIL
    assert "axes 'NK' instead of 'N'" in result.checks[0].reason


@pytest.mark.parametrize(
    ("swap", "place"),
    [
        (lambda a: {**a, "batch0": (a["batch0"][0][[1, 0, 2, 3, 4]], "NK")}, "row"),
        (lambda a: {**a, "batch0": (a["batch0"][0][:, [1, 0, 2]], "NK")}, "row"),
        (lambda a: {"batch0": a["batch1"], "batch1": a["batch0"]}, "row"),
    ],
    ids=["swapped rows", "swapped classes", "pair under the wrong name"],
)
def test_swaps_that_keep_every_number_fail(tmp_path, write_recording, swap, place: str):
    result = compare(tmp_path, write_recording, make_arrays(), swap(make_arrays()))
    failed = [check for check in result.checks if check.verdict is Verdict.FAIL]
    assert failed
    assert failed[0].id.startswith("blocks/float64/batch0/")
    assert place in failed[0].worst
    assert failed[0].n == 15
    assert result.compared == result.expected


def test_one_wrong_image_among_many_is_not_averaged_away(tmp_path, write_recording):
    port = make_arrays()
    port["batch1"][0][3] += np.float32(1e-4)
    failed = [check for check in compare(tmp_path, write_recording, make_arrays(), port).checks if not check]
    assert [check.worst for check in failed] == ["row 3", "row 3"]


def test_a_gate_that_compared_less_than_expected_cannot_pass():
    assert GateResult(gate="blocks", checks=(), expected=0, compared=0).verdict is Verdict.NOT_RUN
    passed = compare_table("a/exact/b/equal", ["x"], {"x": 1}, {"x": 1})
    assert passed.verdict is Verdict.PASS
    assert GateResult(gate="blocks", checks=(passed,), expected=2, compared=1).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("reference", "candidate", "observed"),
    [
        ({"x": 1, "y": 2}, {"x": 1, "y": 3}, 1),
        ({"x": 1, "y": 2}, {"x": 1}, 1),
        ({"x": 1}, {"x": 1, "y": 2}, 1),
        ({"x": 1}, {"x": 1}, 1),
        ({}, {}, 2),
        ({"x": 1, "y": 2, "z": 3}, {"x": 1, "y": 2, "z": 3}, 1),
        ({"x": 2, "y": 1}, {"x": 1, "y": 2}, 2),
    ],
    ids=["changed", "missing in port", "missing in legacy", "missing in both", "nothing", "extra in both", "swapped"],
)
def test_a_table_is_compared_by_its_expected_keys(reference, candidate, observed: int):
    check = compare_table("a/exact/b/equal", ["x", "y"], reference, candidate)
    assert (check.verdict, check.observed) == (Verdict.FAIL, observed)


def test_relative_errors_by_hand():
    error = relative_error(np.array([3.0, -4.0]), np.array([3.0, -3.0]))
    assert error.max_rel == 1 / 4
    assert error.norm_rel == 1 / 5
    zero = np.zeros(2)
    assert relative_error(zero, zero).max_rel == 0.0
    assert relative_error(zero, np.ones(2)).max_rel == float("inf")
    with pytest.raises(ValueError, match="shapes must be equal"):
        relative_error(np.ones(5), np.ones((5, 1)))
