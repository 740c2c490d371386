"""The rules on traces whose answers are worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from torch_port.errors import InputError
from torch_port.schedule import BestEpoch, EarlyStopping, ReduceLROnPlateau, Rule

NAN, INF = math.nan, math.inf


def reductions(rule: ReduceLROnPlateau, losses: list[float]) -> list[int]:
    """Return the epochs at whose end the learning rate falls."""
    rate, found = 1.0, []
    for epoch, loss in enumerate(losses):
        new = rule.update(loss, rate)
        found += [epoch] if new < rate else []
        rate = new
    return found


def stop(rule: EarlyStopping, losses: list[float]) -> int | None:
    return next((epoch for epoch, loss in enumerate(losses) if rule.update(loss, epoch)), None)


def best(losses: list[float]) -> int | None:
    rule = BestEpoch()
    changes = [epoch for epoch, loss in enumerate(losses) if rule.update(loss, epoch)]
    assert rule.epoch == (changes[-1] if changes else None)
    return rule.epoch


def test_the_defaults_are_those_of_train_model():
    assert (ReduceLROnPlateau().patience, EarlyStopping().patience) == (10, 25)
    assert reductions(ReduceLROnPlateau(), [1.0] * 30) == [10, 20]
    assert stop(EarlyStopping(), [1.0] * 30) == 25


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([1.0, 1.0, 1.0, 1.0, 1.0], [2, 4]),  # patience 2: the second epoch without an improvement, then two more
        ([1.0, 1.0, 0.9, 0.9, 0.9], [4]),
        ([3.0, 3.0 - 2e-4, 3.0 - 4e-4], []),  # absolute: relative to 3.0 these would be too small
        ([0.01, 0.01 - 5e-5, 0.01 - 9e-5], [2]),  # and these large enough
        ([0.5, 0.5 - 6e-5, 0.5 - 12e-5, 0.5 - 12e-5, 0.5 - 12e-5], [4]),  # two small steps are an improvement together
        ([0.0, -1e-4, -1e-4], [2]),  # exactly min_delta is none
        ([1.0, NAN, NAN, 0.5, NAN], [2]),
        ([NAN, NAN, 1.0, 1.0], [1]),
        ([INF, INF, INF], [1]),
        ([1.0, -INF, 0.0, 0.0], [3]),
    ],
)
def test_the_learning_rate_falls_at_the_end_of_these_epochs(losses: list[float], expected: list[int]):
    assert reductions(ReduceLROnPlateau(patience=2), losses) == expected


def test_the_learning_rate_falls_to_the_bound_and_no_further():
    rule, rate, found = ReduceLROnPlateau(patience=1), float(np.float32(1e-5)), []
    for _ in range(5):
        rate = float(np.float32(rule.update(1.0, rate)))
        found.append(rate)
    assert found == [float(np.float32(value)) for value in (1e-5, 1e-6, 1e-7, 1e-7, 1e-7)]


def test_the_bound_cuts_a_fall_short():
    rule = ReduceLROnPlateau(patience=1, factor=0.5, min_lr=0.4)
    assert [rule.update(1.0, 0.7), rule.update(1.0, 0.7)] == [0.7, 0.4]


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([1.0, 0.9, 0.9, 0.9], 3),  # equal is no improvement
        ([1.0, 1.0, 1.0 - 1e-12, 1.0, 1.0], 4),  # any improvement is one
        ([1.0, 2.0, 0.5, 2.0, NAN], 4),
        ([NAN, NAN, NAN], 1),
        ([INF, 1.0, 2.0], None),
        ([3.0, 2.0, 1.0], None),
    ],
)
def test_training_stops_after_this_epoch(losses: list[float], expected: int | None):
    assert stop(EarlyStopping(patience=2), losses) == expected


@pytest.mark.parametrize("patience", [0, 1])
def test_the_first_epoch_is_never_the_last(patience: int):
    assert stop(EarlyStopping(patience), [NAN, NAN]) == 1
    assert stop(EarlyStopping(patience), [1.0, 0.5, 0.4, 0.4]) == 3


@pytest.mark.parametrize(
    ("losses", "expected"),
    [([1.0, 0.5, 0.5], 1), ([1.0, 2.0], 0), ([NAN, 3.0, NAN, 2.0], 3), ([NAN, NAN], None), ([INF, INF], None), ([INF, 5.0], 1)],
)
def test_the_best_epoch_is(losses: list[float], expected: int | None):
    assert best(losses) == expected


@pytest.mark.parametrize("make", [lambda: ReduceLROnPlateau(patience=3), lambda: EarlyStopping(patience=4), BestEpoch])
@pytest.mark.parametrize("interruption", range(6))
def test_an_interruption_changes_nothing(make, interruption: int):
    losses = [1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.8, 0.9]

    def run(rule: Rule, epochs: range) -> list[object]:
        return [rule.update(losses[epoch], 1.0 if isinstance(rule, ReduceLROnPlateau) else epoch) for epoch in epochs]

    whole, before, after = make(), make(), make()
    expected = run(whole, range(len(losses)))
    found = run(before, range(interruption))
    after.load_state_dict(before.state_dict())
    assert found + run(after, range(interruption, len(losses))) == expected
    assert after.state_dict() == whole.state_dict()


@pytest.mark.parametrize("make", [ReduceLROnPlateau, EarlyStopping])
def test_a_negative_patience_is_refused(make):
    with pytest.raises(InputError, match="`patience` must be at least 0, got -1 in the schedule; give a number of epochs"):
        make(patience=-1)


@pytest.mark.parametrize("factor", [0.0, 1.0])
def test_a_factor_that_does_not_lower_is_refused(factor: float):
    with pytest.raises(InputError, match=f"`factor` must be between 0 and 1, got {factor} in the schedule"):
        ReduceLROnPlateau(factor=factor)
