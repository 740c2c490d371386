from typing import Any

import pytest

from parity.report.lockstep import LockstepRow, largest_difference, make_lockstep_rows


def make_rows(reference: list[Any], candidate: list[Any], difference: list[Any]) -> list[LockstepRow]:
    columns = {"steps": [*range(1, len(reference) + 1)], "reference": reference, "candidate": candidate}
    return make_lockstep_rows({**columns, "difference": difference, "epoch_starts": [2]})


def test_a_row_for_each_step_with_the_difference_that_the_gate_found() -> None:
    first, second = make_rows([2.0, 1.0], [2.0, 0.75], [0.0, 17.0])
    assert first == LockstepRow(step=1, starts_epoch=False, reference=2.0, candidate=2.0, difference=0.0)
    assert second == LockstepRow(step=2, starts_epoch=True, reference=1.0, candidate=0.75, difference=17.0)


def test_nothing_recorded_gives_no_row() -> None:
    assert make_lockstep_rows(None) == []
    assert largest_difference([]) is None


@pytest.mark.parametrize(
    ("difference", "largest"),
    [([0.5, 0.0, 0.25], 0.5), ([0.0, "nan"], "nan"), ([0.0, "inf"], float("inf"))],
)
def test_the_largest_difference_of_all_steps(difference: list[Any], largest: Any) -> None:
    losses = [1.0] * len(difference)
    assert largest_difference(make_rows(losses, losses, difference)) == largest
