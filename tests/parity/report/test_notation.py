import doctest
import math

import pytest

from parity.report import notation
from parity.report.notation import (
    MINUS,
    headroom,
    show_difference,
    show_figure,
    show_headroom,
    show_score,
    show_seconds,
)


def test_examples_of_the_docstrings() -> None:
    assert doctest.testmod(notation) == doctest.TestResults(failed=0, attempted=9)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (691, "691"),
        (1234567, "1,234,567"),
        (12345.6, "12,346"),
        (0.0131, "0.0131"),
        (1e-10, "1e-10"),
        (2.123e-7, "2.12e-07"),
        (-3e-9, "-3e-09"),
        (1e300, "1e300"),
        ("inf", "inf"),
        ("-inf", "-inf"),
        (math.inf, "inf"),
        (math.nan, "NaN"),
    ],
)
def test_figures(value: float | str, shown: str) -> None:
    assert show_figure(value).replace("e+", "e") == shown


@pytest.mark.parametrize(
    ("observed", "limit", "found"),
    [
        (1e-16, 1e-10, pytest.approx(1e6)),
        (0.0, 1e-10, math.inf),
        (0, 0, math.inf),
        (2, 0, 0.0),
        ("inf", 1.0, 0.0),
        ("nan", 1.0, None),
        (1.0, None, None),
        (None, 1.0, None),
    ],
)
def test_headroom_is_limit_over_observed(observed: float, limit: float, found: float | None) -> None:
    assert headroom(observed, limit) == found


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1.0, "1x"), (3.55, "3.5x"), (99.6, "100x"), (9999.0, "10000x"), (1e4, "1.0e4x"), (7.6e-9, "7.6e-9x")],
)
def test_headroom_in_words(value: float, shown: str) -> None:
    assert show_headroom(value) == shown


@pytest.mark.parametrize(
    ("reference", "candidate", "shown"),
    [
        (0.9, 0.8, f"{MINUS}0.1000"),
        (0.5, 0.5 + 1e-7, "+1.0e-07"),
        (0.5, 0.5 - 1e-7, f"{MINUS}1.0e-07"),
        ("nan", 0.5, "NaN"),
        (None, None, "–"),
    ],
)
def test_differences_have_a_sign(reference: float, candidate: float, shown: str) -> None:
    assert show_difference(reference, candidate) == shown


def test_scores_have_four_decimals() -> None:
    assert [show_score(value) for value in (1, 0.5, None, "nan")] == ["1.0000", "0.5000", "–", "NaN"]


@pytest.mark.parametrize(
    ("value", "shown"), [(0.04, "0.0 s"), (59.96, "60.0 s"), (60, "1 min 0 s"), (7384, "2 h 3 min"), (None, "–")]
)
def test_durations(value: float | None, shown: str) -> None:
    assert show_seconds(value) == shown
