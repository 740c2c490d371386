"""Whether the random numbers of images, epochs and workers are their own: the port alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from parity.gates.augment.contract import STREAM_EPOCHS, STREAM_RUNS
from parity.verdict import Check, Verdict

GENERATORS = ("python", "numpy")
Run = Sequence[Sequence[Sequence[str]]]


def stream_checks(runs: Mapping[str, Run], images: int) -> Iterator[Check]:
    """Yield the checks of the streams.

    Args:
        runs: By name, epoch and image: the first random numbers of each generator.
        images: Number of images in an epoch.
    """
    first, again, shared, other = (runs.get(name, []) for name in STREAM_RUNS)
    for name in STREAM_RUNS:
        counts = Counter(_numbers(runs.get(name, [])))
        repeated = [f"{number} comes {times} times" for number, times in counts.items() if times > 1]
        missing = len(GENERATORS) * STREAM_EPOCHS * images - counts.total()
        if missing:
            repeated.append(f"{missing} of the expected numbers are not there")
        yield _check(f"{name}/repeated", repeated, n=counts.total(), reason="no stream twice, within an epoch or between two")
    n = STREAM_EPOCHS * images
    yield _check(
        "2 workers/equal", _different(first, shared), n=n, reason="the workers do not count: same images, same streams"
    )
    yield _check("0 workers again/equal", _different(first, again), n=n, reason="the same seed repeats")
    common = sorted(set(_numbers(first)) & set(_numbers(other)))
    yield _check("another seed/common", common, n=n, reason="another seed has no stream of this one")


def _numbers(run: Run) -> list[str]:
    return [number for epoch in run for image in epoch for number in image]


def _different(first: Run, second: Run) -> list[str]:
    if [len(epoch) for epoch in first] != [len(epoch) for epoch in second]:
        return ["another number of images"]
    return [
        f"epoch {epoch}, image {image}"
        for epoch, (rows, others) in enumerate(zip(first, second, strict=True))
        for image, (row, other) in enumerate(zip(rows, others, strict=True))
        if row != other
    ]


def _check(what: str, wrong: Sequence[str], *, n: int, reason: str) -> Check:
    return Check(
        id=f"augment/exact/streams/{what}".replace(" ", "_"),
        verdict=Verdict.FAIL if wrong else Verdict.PASS if n else Verdict.NOT_RUN,
        observed=float(len(wrong)),
        limit=0.0,
        n=n,
        worst="; ".join(wrong[:3]),
        reason=reason,
    )
