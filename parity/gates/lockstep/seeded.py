"""Dropout masks of the port's training with a seed: all different, fair, doubled, and the same ones again for the same seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from parity.architecture import HIDDEN_UNITS
from parity.comparison import Comparison, Expected
from parity.gates.lockstep.contract import seeded_mask
from parity.tolerance import Limit
from parity.training import SEEDED_BATCHES, SEEDED_EPOCHS
from parity.verdict import Check, Verdict

SCALE = 2  # by which what is kept is multiplied: dropout keeps one of two


def expected_masks(lengths: Sequence[int]) -> dict[str, Expected]:
    """Return the masks of the training and of its repetition, for the numbers of images of an epoch's batches."""
    return {
        name: Expected(axes="NC", shape=(images, HIDDEN_UNITS), dtype="float32", alone=True)
        for name, images in (_names(lengths) | _names(lengths, again=True)).items()
    }


def _names(lengths: Sequence[int], *, again: bool = False) -> dict[str, int]:
    """Return the number of images of each mask, by its name, in order."""
    epochs = 1 if again else SEEDED_EPOCHS
    return {seeded_mask(step, again=again): images for step, images in enumerate([*lengths[:SEEDED_BATCHES]] * epochs)}


def seeded_checks(comparison: Comparison, lengths: Sequence[int], limit: Limit) -> Iterator[Check]:
    """Yield the checks; a mask that is missing is a failed check of the comparison, and one that was not compared here."""
    masks, again = (dict(comparison.alone(*_names(lengths, again=repeated))) for repeated in (False, True))
    rows = {
        f"epoch {step // SEEDED_BATCHES}, batch {step % SEEDED_BATCHES}, row {row}": values
        for step, name in enumerate(_names(lengths))
        for row, values in enumerate(masks.get(name, ()))
    }
    yield _exact("masks", _repeated(rows), len(rows), "every row of every batch of every epoch drops other units")
    unlike = [name for name, mask in masks.items() if not np.isin(mask, (0, SCALE)).all()]
    yield _exact("scale", unlike, len(masks), "what is kept is doubled, and what is not is 0")
    pairs = {name: (masks.get(first), mask) for first, (name, mask) in zip(_names(lengths), again.items(), strict=False)}
    different = [name for name, (first, mask) in pairs.items() if first is None or not np.array_equal(first, mask)]
    yield _exact("again", different, len(pairs), "the same seed repeats the masks of the first epoch")
    yield _kept_check(masks, rows, limit)


def _repeated(rows: Mapping[str, np.ndarray]) -> list[str]:
    """Return which rows are as an earlier one."""
    seen: dict[bytes, str] = {}
    found = []
    for place, row in rows.items():
        first = seen.setdefault(row.tobytes(), place)
        found += [f"{place} is as {first}"] if first != place else []
    return found


def _exact(what: str, wrong: Sequence[str], n: int, reason: str) -> Check:
    return Check(
        id=f"lockstep/exact/seeded/{what}",
        verdict=Verdict.FAIL if wrong else Verdict.PASS if n else Verdict.NOT_RUN,
        observed=float(len(wrong)),
        limit=0.0,
        n=n,
        worst="; ".join(wrong[:3]),
        reason=reason,
    )


def _kept_check(masks: Mapping[str, np.ndarray], rows: Mapping[str, np.ndarray], limit: Limit) -> Check:
    """How far what is kept is from a half, of all units, of a batch's and of a row's, in standard deviations of a fair coin."""
    groups = {**rows, **masks, **({"all": np.concatenate(list(masks.values()))} if masks else {})}
    deviations = {name: abs(2 * np.count_nonzero(values) - values.size) / values.size**0.5 for name, values in groups.items()}
    worst = max(deviations, key=lambda name: deviations[name], default="")
    observed = float(deviations.get(worst, 0.0))
    return Check(
        id="lockstep/none/seeded/kept",
        verdict=Verdict.NOT_RUN if not groups else Verdict.PASS if observed <= limit.value else Verdict.FAIL,
        observed=observed,
        limit=limit.value,
        unit="standard deviations",
        n=sum(mask.size for mask in masks.values()),
        worst=worst,
        reason=limit.reason,
    )
