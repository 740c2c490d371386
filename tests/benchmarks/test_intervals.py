"""Ratios and their intervals, against arithmetic by hand and simulated benchmarks whose true ratio is known."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.intervals import Blocks, Interval, median_seconds, speed_ratio
from benchmarks.plan import SELF_LEVEL, WHAT, make_plan

BENCHMARKS = 300
TRUTH = 1 / 0.7
SHAPES = sorted(
    {
        (comparison.rounds, comparison.samples)
        for comparison in make_plan(WHAT, device="cpu", batch_sizes=(8,), precisions=("fp32",), cores=2, legacy=True)
    }
)


def fewest_hits(share: float, of: int, chance: float = 1e-4) -> int:
    """Return the smallest number of hits that a binomial count of this share does not fall below but with this chance."""
    below = 0.0
    for hits in range(of + 1):
        below += math.comb(of, hits) * share**hits * (1 - share) ** (of - hits)
        if below > chance:
            return hits
    raise AssertionError


def simulate(
    rounds: int, samples: int, *, drift: float, block: float, noise: float, ratio: float = TRUTH, seed: int = 17,
    benchmarks: int = BENCHMARKS,
) -> Iterator[tuple[Blocks, Blocks]]:  # fmt: skip
    """Yield benchmarks of two contestants, the second `ratio` times as fast.

    Args:
        rounds: Rounds.
        samples: Samples of a block.
        drift: Deviation of what a round does to both contestants.
        block: Deviation of what it does to each of them.
        noise: Deviation of a sample.
        ratio: The truth.
        seed: Of the random numbers.
        benchmarks: How many.
    """
    rng = np.random.default_rng(seed)
    for _ in range(benchmarks):
        shared = drift * rng.standard_normal((rounds, 1))
        pair = []
        for seconds in (1.0, 1 / ratio):
            own = block * rng.standard_normal((rounds, 1)) + noise * rng.standard_normal((rounds, samples))
            pair.append((seconds * np.exp(shared + own)).tolist())
        yield pair[0], pair[1]


def test_the_limit_of_hits_is_that_of_a_binomial_count():
    assert fewest_hits(0.5, 10, chance=10.9 / 1024) == 1  # one of ten or none: (1 + 10) / 1024
    assert fewest_hits(0.5, 10, chance=11.1 / 1024) == 2
    assert 265 <= fewest_hits(0.95, 300) <= 270


def test_the_ratio_is_the_geometric_mean_of_the_rounds_ratios_of_medians():
    base = [[1.0, 2.0, 30.0], [4.0, 4.0, 0.1]]  # medians 2 and 4
    other = [[1.0, 0.5, 9.0], [2.0, 1.0, 3.0]]  # medians 1 and 2
    assert speed_ratio(base, other).value == pytest.approx(2.0, rel=1e-12)
    other[1] = [8.0, 16.0, 16.0]  # 2 / 1 in one round, 4 / 16 in the other
    found = speed_ratio(base, other)
    assert found.value == pytest.approx(math.sqrt(2.0 * 0.25), rel=1e-12)
    assert found.n == 6


@pytest.mark.parametrize("ratio", [0.25, 1.0, 1.37, 180.0])
def test_proportional_blocks_have_exactly_that_ratio(ratio: float):
    base = np.random.default_rng(17).uniform(0.5, 2.0, (8, 3))
    found = speed_ratio(base.tolist(), (base / ratio).tolist())
    assert found.value == pytest.approx(ratio, rel=1e-12)
    assert found.contains(ratio)
    turned = speed_ratio((base / ratio).tolist(), base.tolist())
    assert turned.value == pytest.approx(1 / ratio, rel=1e-12)


def test_what_a_round_does_to_both_cancels():
    """The machine becomes ten times as slow within a benchmark; every round has the same ratio, so there is no doubt."""
    drift = np.geomspace(1.0, 10.0, 8)[:, np.newaxis]
    base, other = np.tile(3.0 * drift, 5), np.tile(2.0 * drift, 4)
    found = speed_ratio(base.tolist(), other.tolist())
    assert (found.low, found.value, found.high) == pytest.approx((1.5, 1.5, 1.5), rel=1e-12)
    assert found.n == 32
    shuffled = speed_ratio(base.tolist(), other[::-1].tolist())
    assert shuffled.high / shuffled.low > 2, "rounds that are not paired leave the drift in"


def test_a_machine_that_slows_down_steadily_favours_nobody_in_abba_turns():
    rounds, growth = 8, 1.03
    turns = [("a", "b") if number % 2 == 0 else ("b", "a") for number in range(rounds)]
    order = [name for turn in turns for name in turn]
    clock = {"a": [], "b": []}
    for number, name in enumerate(order):
        clock[name].append([growth**number] * 3)
    assert speed_ratio(clock["a"], clock["b"]).value == pytest.approx(1.0, rel=1e-12)
    always_first = [[[growth ** (2 * number + second)] * 3 for number in range(rounds)] for second in (0, 1)]
    assert speed_ratio(*always_first).value == pytest.approx(1 / growth, rel=1e-12)


@pytest.mark.parametrize(
    ("rounds", "samples", "block", "noise"),
    [(8, 3, 0.0, 0.02), (8, 3, 0.01, 0.02), (8, 3, 0.03, 0.02), (8, 1, 0.0, 0.02)],
    ids=["noise alone", "and a little of a block", "more of a block than of a sample", "one sample"],
)
def test_the_truth_is_in_95_of_100_intervals(rounds: int, samples: int, block: float, noise: float):
    """Of 300 intervals that hold the truth 95 times in 100, fewer than the limit hold it once in 10,000 such tests."""
    pairs = simulate(rounds, samples, drift=0.1, block=block, noise=noise)
    hits = sum(speed_ratio(*pair).contains(TRUTH) for pair in pairs)
    assert hits >= fewest_hits(0.95, BENCHMARKS)


@pytest.mark.parametrize(("rounds", "samples"), SHAPES)
def test_the_truth_is_in_95_of_100_intervals_of_what_is_planned(rounds: int, samples: int):
    """Every shape of the plan, on a machine where what befalls a whole block is more than what befalls a sample."""
    benchmarks = BENCHMARKS if rounds < 8 else 40
    pairs = simulate(rounds, samples, drift=0.1, block=0.04, noise=0.01, benchmarks=benchmarks)
    hits = sum(speed_ratio(*pair).contains(TRUTH) for pair in pairs)
    assert hits >= fewest_hits(0.95, benchmarks)


def test_an_interval_is_no_wider_than_it_must_be():
    """Far more than Student's interval on the rounds' logarithms (2.365 deviations of their mean) would hide a difference."""
    for base, other in simulate(8, 3, drift=0.1, block=0.02, noise=0.02, benchmarks=50):
        logs = np.log(np.median(base, axis=1) / np.median(other, axis=1))
        student = 2 * 2.365 * logs.std(ddof=1) / math.sqrt(8)
        found = speed_ratio(base, other)
        assert 0.4 * student < math.log(found.high / found.low) < 2.5 * student
        assert found.low < found.value < found.high


def test_a_higher_level_is_a_wider_interval():
    base, other = next(simulate(8, 3, drift=0.1, block=0.02, noise=0.02))
    half, usual, high = (speed_ratio(base, other, level) for level in (0.5, 0.95, 0.999))
    assert high.low < usual.low < half.low < half.high < usual.high < high.high
    assert half.value == usual.value == high.value


def test_the_same_samples_give_the_same_interval():
    base, other = next(simulate(8, 3, drift=0.1, block=0.02, noise=0.02))
    assert speed_ratio(base, other) == speed_ratio(base, other)
    assert median_seconds(base) == median_seconds(base)


def test_what_is_identical_is_not_called_different():
    """At 99.9 % one of 1,000 is; three of 50 are in one of 50,000 such tests."""
    pairs = simulate(16, 8, drift=0.1, block=0.0, noise=0.02, ratio=1.0, benchmarks=50)
    assert sum(not speed_ratio(*pair, SELF_LEVEL).contains(1.0) for pair in pairs) <= 2


def test_five_percent_are_seen_and_in_which_direction():
    """The mean of 16 rounds of medians of 8 with 2 % of noise is known to 0.3 %: 5 % are fifteen such deviations."""
    for pair in simulate(16, 8, drift=0.1, block=0.0, noise=0.02, ratio=1 / 1.05, benchmarks=40):
        found = speed_ratio(*pair, SELF_LEVEL)
        assert found.high < 1.0
        assert found.contains(1 / 1.05)


def test_the_median_time_is_that_of_all_samples():
    blocks = [[1.0, 9.0, 2.0], [3.0, 4.0, 8.0]]
    found = median_seconds(blocks)
    assert (found.value, found.n) == (3.5, 6)
    assert 1.0 <= found.low < 3.5 < found.high <= 9.0
    same = median_seconds([[0.25, 0.25]] * 3)
    assert (same.low, same.value, same.high, same.n) == (0.25, 0.25, 0.25, 6)


def test_the_median_time_of_a_known_distribution_is_in_its_interval():
    """Exponential times: the median is ln 2."""
    rng = np.random.default_rng(17)
    found = [median_seconds(rng.exponential(size=(8, 3)).tolist()) for _ in range(100)]
    assert sum(interval.contains(math.log(2)) for interval in found) >= fewest_hits(0.95, 100)


def test_the_ends_of_an_interval_belong_to_it():
    interval = Interval(value=1.0, low=0.5, high=2.0, n=3)
    assert all(interval.contains(number) for number in (0.5, 1.0, 2.0))
    assert not any(interval.contains(number) for number in (0.4999, 2.0001, math.nan))


@pytest.mark.parametrize(
    "blocks",
    [
        [], [[]], [[], []], [1.0, 2.0], [[1.0], [1.0, 2.0]], [[1.0, 0.0]], [[1.0, -1.0]], [[1.0, math.nan]], [[1.0, math.inf]],
        [[[1.0]]],
    ],
    ids=["nothing", "an empty round", "empty rounds", "no rounds", "ragged", "zero", "negative", "nan", "infinite", "too deep"],
)  # fmt: skip
def test_what_are_no_times_is_refused(blocks: Blocks):
    good = [[1.0, 2.0]] * max(1, len(blocks))
    for refused in (lambda: median_seconds(blocks), lambda: speed_ratio(blocks, good), lambda: speed_ratio(good, blocks)):
        with pytest.raises(ValueError, match=r"`blocks` must be rounds of as many positive times|inhomogeneous shape"):
            refused()


def test_contestants_that_did_not_take_turns_are_refused():
    with pytest.raises(ValueError, match=r"`rounds` must be as many for both, got 3 and 2"):
        speed_ratio([[1.0]] * 3, [[1.0]] * 2)
    assert speed_ratio([[1.0, 1.0]] * 3, [[0.5]] * 3).n == 3
