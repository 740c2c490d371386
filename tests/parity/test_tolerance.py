from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parity.errors import BadInputError
from parity.measurement import ErrorTable, Worst
from parity.tolerance import NOISE_FACTOR, UNITS, Limit, read_gates_file
from parity.verdict import Check, GateResult, Verdict, worst
from parity.workspace import PROJECT

FLOOR = 8 * 2.0**-23
CEILING = Limit(value=1e-3, reason="ceiling", least=FLOOR, noise_factor=3.0)


@pytest.mark.parametrize(
    ("noise_floor", "limit"),
    [(0.0, FLOOR), (1e-9, FLOOR), (1e-5, 3e-5), (1.0, 1e-3)],
    ids=["never tighter than 8 units in the last place", "the same", "three times the noise", "never past the ceiling"],
)
def test_the_float32_limit(noise_floor: float, limit: float):
    assert CEILING.widened(noise_floor).value == pytest.approx(limit, rel=1e-12)


@pytest.mark.parametrize(("noise_floor", "limit"), [(0.0, 1e-4), (1e-4, 3e-4), (1.0, 1e-3)])
def test_a_float32_limit_may_be_said_never_to_be_tighter(noise_floor: float, limit: float):
    widened = Limit(value=1e-3, reason="ceiling", least=1e-4, noise_factor=3.0).widened(noise_floor)
    assert widened.value == pytest.approx(limit, rel=1e-12)
    assert "at least 0.0001; ceiling" in widened.reason


def test_the_float64_reference_judges_float32():
    """The candidate is nearer to the truth than the reference's own float32, however far apart those two are."""
    truth, own, found = np.array([1.0]), np.array([1.0 + 2e-5]), np.array([1.0 - 4e-5])
    errors = ErrorTable()
    errors.add("float64", "tap", "image 0", truth=truth, found=truth)
    errors.add("float32", "tap", "image 0", truth=truth, found=found)
    errors.add("noise", "tap", "image 0", truth=truth, found=own)
    limits = {"float64": Limit(value=1e-10, reason=""), "float32": CEILING}
    checks = {check.id: check for check in errors.checks("blocks", ["tap"], limits)}
    check = checks["blocks/float32/tap/max_rel"]
    assert check.noise_floor == pytest.approx(2e-5)
    assert check.limit == pytest.approx(6e-5)
    assert check.verdict is Verdict.PASS


@pytest.mark.parametrize(("found", "verdict"), [(5e-3, Verdict.INCONCLUSIVE), (5e-2, Verdict.FAIL), (5e-4, Verdict.PASS)])
def test_float32_without_power_is_inconclusive_and_never_passes(found: float, verdict: Verdict):
    """The reference's own float32 is past the ceiling: a candidate like it proves nothing, a worse one is wrong."""
    truth = np.array([1.0])
    errors = ErrorTable()
    errors.add("float64", "tap", "image 0", truth=truth, found=truth)
    errors.add("float32", "tap", "image 0", truth=truth, found=truth + found)
    errors.add("noise", "tap", "image 0", truth=truth, found=truth + 4e-3)
    limits = {"float64": Limit(value=1e-10, reason=""), "float32": CEILING}
    checks = {check.id: check for check in errors.checks("gradcam", ["tap"], limits)}
    assert checks["gradcam/float32/tap/max_rel"].verdict is verdict


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([], Verdict.NOT_RUN),
        ([1e-4], Verdict.PASS),
        ([1e-4, 2e-3], Verdict.FAIL),
        ([float("nan"), 0.0], Verdict.FAIL),
        ([0.0, float("nan")], Verdict.FAIL),
    ],
)
def test_the_worst_value_decides_and_nan_never_passes(values: list[float], verdict: Verdict):
    found = Worst()
    for number, value in enumerate(values):
        found.add(value, f"image {number}", 1)
    assert found.to_check("a/float32/b/max_rel", CEILING, unit="relative").verdict is verdict


def test_verdicts_are_ordered():
    order = [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.NOT_RUN, Verdict.FAIL]
    for position, verdict in enumerate(order):
        assert worst(order[: position + 1]) is verdict
    assert [verdict.exit_code for verdict in order] == [0, 3, 4, 1]
    assert worst([]) is Verdict.NOT_RUN


def test_a_gate_takes_its_worst_check():
    checks = tuple(Check(id=f"g/exact/{v.value}/equal", verdict=v) for v in (Verdict.PASS, Verdict.INCONCLUSIVE))
    assert GateResult(gate="g", checks=checks, expected=2, compared=2).verdict is Verdict.INCONCLUSIVE


def test_the_gates_file_of_the_project_has_a_reason_for_every_limit():
    gates_file = read_gates_file(PROJECT / "gates.toml")
    assert all(len(limit.reason) > 20 and limit.value > 0 for limit in gates_file.limits.values())
    assert set(gates_file.required) == {"probe", "guard", "quick", "full"}


def test_the_float32_rule_is_read_from_the_gates_file(tmp_path: Path):
    path = tmp_path / "gates.toml"
    rows = {NOISE_FACTOR: "limit = 5", UNITS: "limit = 4", "a": "limit = 1e-3", "b": "limit = 1e-3\nleast = 1e-4"}
    path.write_text("[profiles]\n" + "".join(f'[limits."{name}"]\n{row}\nreason = "r"\n' for name, row in rows.items()))
    limits = read_gates_file(path).limits
    assert limits["a"].widened(0.0).value == 4 * 2.0**-23
    assert limits["a"].widened(1e-4).value == pytest.approx(5e-4)
    assert limits["b"].widened(0.0).value == 1e-4
    path.write_text(path.read_text().replace(UNITS, "float32/other"))
    with pytest.raises(BadInputError, match="float32/units"):
        read_gates_file(path)


@pytest.mark.parametrize(
    "content",
    [
        "not toml",
        "[limits.a]\nlimit = 1.0\n",
        '[limits.a]\nlimit = "many"\nreason = "r"\n[profiles.quick]\nrequired = []\n',
        '[limits.a]\nlimit = 1.0\nreason = "r"\n[profiles.quick]\nrequired = ["nonsense"]\n',
    ],
)
def test_a_broken_gates_file_is_bad_input(tmp_path: Path, content: str):
    path = tmp_path / "gates.toml"
    path.write_text(content)
    with pytest.raises(BadInputError, match=r"gates\.toml"):
        read_gates_file(path)
    with pytest.raises(BadInputError, match=r"gates\.toml"):
        read_gates_file(tmp_path / "missing" / "gates.toml")
