"""The decode gate: a hash for every file of the run and every fixture, on both sides."""

from __future__ import annotations

import pytest

from parity.gates.decode.compare import compare
from parity.verdict import GateResult, Verdict

from .breaking import failed
from .conftest import HandmadeRun

CHECK = "decode/exact/sha256/equal"
FIXTURE = "fixture orientation.jpg"


@pytest.fixture
def run(handmade: HandmadeRun) -> HandmadeRun:
    handmade.workspace.fixtures.mkdir()
    (handmade.workspace.fixtures / "orientation.jpg").write_bytes(b"")
    files = [FIXTURE, *dict.fromkeys(case.image for case in handmade.workspace.all_cases)]
    for side in (handmade.legacy, handmade.port):
        side.values["sha256"] = {name: f"hash of {name}" for name in files}
    return handmade


def table(run: HandmadeRun, side: str) -> dict[str, object]:
    found = getattr(run, side).values["sha256"]
    assert isinstance(found, dict)
    return found


def compare_decode(run: HandmadeRun) -> GateResult:
    return run.compare("decode", compare)


def test_equal_pixels_pass(run: HandmadeRun):
    result = compare_decode(run)
    assert result.verdict is Verdict.PASS
    assert (result.expected, result.compared) == (1, 1)
    assert (result.checks[0].n, result.checks[0].observed) == (6 + 1, 0.0)


@pytest.mark.parametrize("name", ["nor_20x_2.jpg", FIXTURE])
@pytest.mark.parametrize("side", ["legacy", "port"])
def test_another_pixel_names_its_file(run: HandmadeRun, side: str, name: str):
    table(run, side)[name] = "another hash"
    (check,) = compare_decode(run).checks
    assert (check.id, check.verdict, check.observed, check.worst) == (CHECK, Verdict.FAIL, 1.0, name)
    assert "another hash" in check.reason


@pytest.mark.parametrize("name", ["nor_20x_2.jpg", FIXTURE])
@pytest.mark.parametrize("sides", [("legacy",), ("port",), ("legacy", "port")], ids=" and ".join)
def test_a_file_that_was_not_decoded_fails_even_if_neither_side_did(run: HandmadeRun, sides: tuple[str, ...], name: str):
    for side in sides:
        del table(run, side)[name]
    (check,) = compare_decode(run).checks
    assert (check.verdict, check.observed, check.worst) == (Verdict.FAIL, 1.0, name)


@pytest.mark.parametrize("sides", [("legacy",), ("port",), ("legacy", "port")], ids=" and ".join)
def test_a_file_that_is_not_of_the_run_fails(run: HandmadeRun, sides: tuple[str, ...]):
    for side in sides:
        table(run, side)["another.jpg"] = "hash"
    (check,) = compare_decode(run).checks
    assert (check.verdict, check.worst) == (Verdict.FAIL, "another.jpg")


@pytest.mark.parametrize("sides", [("legacy",), ("port",), ("legacy", "port")], ids=" and ".join)
def test_no_hashes_fail(run: HandmadeRun, sides: tuple[str, ...]):
    for side in sides:
        del getattr(run, side).values["sha256"]
    (check,) = compare_decode(run).checks
    assert (check.verdict, check.observed) == (Verdict.FAIL, 7.0)


def test_two_files_that_changed_places_are_two_faults(run: HandmadeRun):
    names = ["aca_20x_0.jpg", "scc_20x_5.jpg"]
    found = table(run, "port")
    found[names[0]], found[names[1]] = found[names[1]], found[names[0]]
    result = compare_decode(run)
    assert result.checks[0].worst == ", ".join(names)
    assert failed(result) == [CHECK]
