"""The config gate: every parameter of the contract, on both sides, and no other."""

from __future__ import annotations

import pytest

from parity.architecture import MODULES
from parity.gates.config.compare import OTHER, compare, expected_parameters
from parity.verdict import Check, GateResult, Verdict

from .conftest import HandmadeRun

CHECK = "config/exact/parameters/equal"
EPSILON = "network/conv2/block1/preact_bn/epsilon"


@pytest.fixture
def run(handmade: HandmadeRun) -> HandmadeRun:
    for side in (handmade.legacy, handmade.port):
        side.values["parameters"] = {name: [number, 0.5, None] for number, name in enumerate(expected_parameters())}
    return handmade


def table(run: HandmadeRun, side: str) -> dict[str, object]:
    found = getattr(run, side).values["parameters"]
    assert isinstance(found, dict)
    return found


def compare_config(run: HandmadeRun) -> Check:
    result: GateResult = run.compare("config", compare)
    assert (result.expected, result.compared) == (1, 1)
    (check,) = result.checks
    assert check.id == CHECK
    assert result.verdict is check.verdict
    return check


def test_equal_parameters_pass(run: HandmadeRun):
    check = compare_config(run)
    assert (check.verdict, check.observed, check.n) == (Verdict.PASS, 0.0, len(expected_parameters()))


def test_every_layer_states_what_its_kind_has():
    """49 batch norms, 53 convolutions and two dense layers."""
    names = expected_parameters()
    assert len(names) == len(set(names))
    network = [name for name in names if name.startswith("network/") and name not in OTHER]
    assert len(network) == 49 * 3 + 53 * 7 + 2 * 3
    assert len({name.rpartition("/")[0] for name in network}) == len(MODULES) == 104
    ends = [name.rpartition("/")[2] for name in network]
    assert (ends.count("momentum"), ends.count("dilation"), ends.count("units")) == (49, 53, 2)


@pytest.mark.parametrize("name", [EPSILON, "network/conv1/padding", "network/last_dense/units", *OTHER])
def test_a_parameter_that_differs_is_named(run: HandmadeRun, name: str):
    assert name in expected_parameters()
    table(run, "port")[name] = "another"
    check = compare_config(run)
    assert (check.verdict, check.observed, check.worst) == (Verdict.FAIL, 1.0, name)
    assert check.reason.startswith(f"legacy / port: {name}: [")
    assert check.reason.endswith("/ another")


@pytest.mark.parametrize(
    ("legacy", "port"),
    [
        (1.001e-5, 1e-5),
        (0.99, 0.9900001),
        ([3, 3], [3, 1]),
        ([0, 1], [1, 0]),
        (None, 0),
        ("valid", [0, 0]),
        ({"p": 1}, {"p": 2}),
    ],
)
def test_values_of_every_type_are_compared(run: HandmadeRun, legacy: object, port: object):
    table(run, "legacy")[EPSILON], table(run, "port")[EPSILON] = legacy, port
    assert compare_config(run).worst == EPSILON


@pytest.mark.parametrize("sides", [("legacy",), ("port",), ("legacy", "port")], ids=" and ".join)
def test_a_parameter_that_is_not_stated_fails_even_if_neither_side_states_it(run: HandmadeRun, sides: tuple[str, ...]):
    for side in sides:
        del table(run, side)["training/optimizer/epsilon"]
    check = compare_config(run)
    assert (check.verdict, check.worst) == (Verdict.FAIL, "training/optimizer/epsilon")
    assert "(absent)" in check.reason


@pytest.mark.parametrize("sides", [("legacy",), ("port",), ("legacy", "port")], ids=" and ".join)
def test_a_parameter_that_nobody_knows_fails(run: HandmadeRun, sides: tuple[str, ...]):
    for side in sides:
        table(run, side)["network/conv1/bn/epsilon"] = 1
    check = compare_config(run)
    assert (check.verdict, check.worst) == (Verdict.FAIL, "network/conv1/bn/epsilon")


@pytest.mark.parametrize("sides", [("legacy",), ("port",), ("legacy", "port")], ids=" and ".join)
def test_no_parameters_fail(run: HandmadeRun, sides: tuple[str, ...]):
    for side in sides:
        del getattr(run, side).values["parameters"]
    assert compare_config(run).observed == len(expected_parameters())


def test_the_first_three_are_named_and_all_are_counted(run: HandmadeRun):
    names = list(expected_parameters())[5:10]
    for name in names:
        table(run, "port")[name] = "another"
    check = compare_config(run)
    assert (check.observed, check.worst) == (5.0, ", ".join(names[:3]))
