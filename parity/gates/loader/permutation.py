"""The port's default order, by what makes it one: every image once, in a new order, the last batch short."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from parity.gates.loader.contract import DEFAULT_EPOCHS, batch_lengths
from parity.tolerance import Limit
from parity.verdict import Check, Verdict


def permutation_checks(found: Mapping[str, Any], files: Sequence[tuple[str, int]], distinct: Limit) -> list[Check]:
    """Return the checks of the default order.

    Args:
        found: What the port read: ``images`` and ``labels`` by epoch and number.
        files: The images and their labels, in the order of the data set.
        distinct: Number of images from which on an order is not repeated by chance.
    """
    epochs = [_values(found["images"], f"epoch {number},") for number in range(DEFAULT_EPOCHS)]
    batches = [_values(found["labels"], f"epoch {number},") for number in range(DEFAULT_EPOCHS)]
    names = [name for name, _ in files]
    return [
        _once(epochs, names),
        _new_orders(epochs, names, distinct),
        _batch_lengths(batches, batch_lengths(len(names))),
        _paired(epochs, batches, dict(files)),
    ]


def _values(table: Mapping[str, Any], prefix: str) -> list[Any]:
    return [value for key, value in table.items() if key.startswith(prefix)]


def _once(epochs: Sequence[list[str]], names: Sequence[str]) -> Check:
    wrong = [
        f"{name}: {counts[name]} times in epoch {number}"
        for number, counts in enumerate(map(Counter, epochs))
        for name in dict.fromkeys([*names, *counts])
        if counts[name] != names.count(name)
    ]
    return _check("once", wrong, n=DEFAULT_EPOCHS * len(names), reason="every epoch has every image once")


def _new_orders(epochs: Sequence[list[str]], names: Sequence[str], distinct: Limit) -> Check:
    if len(names) < distinct.value:
        reason = f"fewer than {distinct.value:g} training images can repeat an order by chance: {distinct.reason}"
        return Check(id="loader/exact/permutation/new_orders", verdict=Verdict.INCONCLUSIVE, n=len(epochs), reason=reason)
    orders = {"the file order": list(names)} | {f"epoch {number}": order for number, order in enumerate(epochs)}
    wrong = []
    for place, (later, order) in enumerate(orders.items()):
        wrong += [f"{later} is as {earlier}" for earlier, known in list(orders.items())[:place] if known == order]
    return _check("new_orders", wrong, n=len(epochs), reason="every epoch has a new order, which is not that of the files")


def _batch_lengths(batches: Sequence[list[list[int]]], expected: list[int]) -> Check:
    lengths = [[len(batch) for batch in epoch] for epoch in batches]
    wrong = [f"epoch {number}: {found}" for number, found in enumerate(lengths) if found != expected]
    return _check("batches", wrong, n=len(batches), reason=f"batches of {expected} images, the short last one is kept")


def _paired(epochs: Sequence[list[str]], batches: Sequence[list[list[int]]], labels: Mapping[str, int]) -> Check:
    wrong = []
    for number, (images, epoch) in enumerate(zip(epochs, batches, strict=True)):
        found = [label for batch in epoch for label in batch]
        expected = [labels.get(name) for name in images]
        if found != expected:
            wrong.append(f"epoch {number}")
    return _check("labels", wrong, n=sum(map(len, epochs)), reason="every image arrives with its label")


def _check(what: str, wrong: Sequence[str], *, n: int, reason: str) -> Check:
    return Check(
        id=f"loader/exact/permutation/{what}",
        verdict=Verdict.FAIL if wrong else Verdict.PASS,
        observed=float(len(wrong)),
        limit=0.0,
        n=n,
        worst="; ".join(wrong[:3]),
        reason=reason,
    )
