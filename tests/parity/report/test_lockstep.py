from typing import Any

import pytest

from parity.report.lockstep import LockstepRow, largest_difference, make_lockstep_rows


def make_rows(reference: list[Any], candidate: list[Any]) -> list[LockstepRow]:
    steps = [*range(1, len(reference) + 1)]
    return make_lockstep_rows({"steps": steps, "reference": reference, "candidate": candidate, "epoch_starts": [2]})


def test_a_row_for_each_step() -> None:
    first, second = make_rows([2.0, 1.0], [2.0, 0.75])
    assert first == LockstepRow(step=1, starts_epoch=False, reference=2.0, candidate=2.0, difference=0.0)
    assert second == LockstepRow(step=2, starts_epoch=True, reference=1.0, candidate=0.75, difference=0.25)


def test_nothing_recorded_gives_no_row() -> None:
    assert make_lockstep_rows(None) == []
    assert largest_difference([]) is None


@pytest.mark.parametrize(
    ("reference", "candidate", "largest"),
    [([1.0, 2.0, 4.0], [1.5, 2.0, 5.0], 0.5), ([1.0, "nan"], [1.0, 2.0], "nan"), ([1.0, 1.0], [1.0, "inf"], float("inf"))],
)
def test_the_largest_difference_of_all_steps(reference: list[Any], candidate: list[Any], largest: Any) -> None:
    assert largest_difference(make_rows(reference, candidate)) == largest
