"""The default order of a training of the port, by what makes it one: every image once, in a new order, the last batch short.

Augmentation draws from a stream of its own for each image and epoch; orders and streams are those of the port's sampler.
"""

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
        found: What the port recorded: ``permutation``, what a training read, and ``sampled``, what its sampler gives, each with
            ``images``, ``states`` of the random numbers and ``labels`` by epoch and number.
        files: The images and their labels, in the order of the data set.
        distinct: Number of images from which on an order is not repeated by chance.
    """
    if reason := found["untrained"]:
        return [_untrained(str(reason))]
    trained, sampled = (found.get(what, {}) for what in ("permutation", "sampled"))
    epochs, batches, streams = (
        [_values(trained.get(what, {}), f"epoch {number},") for number in range(DEFAULT_EPOCHS)]
        for what in ("images", "labels", "states")
    )
    names = [name for name, _ in files]
    return [
        _streams(streams, len(names)),
        _sampled(trained, sampled),
        _once(epochs, names),
        _new_orders(epochs, names, distinct),
        _batch_lengths(batches, batch_lengths(len(names))),
        _paired(epochs, batches, dict(files)),
    ]


def _untrained(reason: str) -> Check:
    """A port that does not train reads nothing: which gate says why stands behind this one."""
    return Check(id="loader/exact/permutation/trained", verdict=Verdict.NOT_RUN, reason=f"the training raised {reason}")


def _streams(epochs: Sequence[list[str]], images: int) -> Check:
    counts = Counter(state for epoch in epochs for state in epoch)
    wrong = [f"stream {state} comes {times} times" for state, times in counts.items() if times > 1]
    missing = DEFAULT_EPOCHS * images - counts.total()
    wrong += [f"{missing} of the expected streams are not there"] if missing > 0 else []
    return _check("streams", wrong, n=counts.total(), reason="every image of every epoch is augmented from a stream of its own")


def _sampled(trained: Mapping[str, Any], sampled: Mapping[str, Any]) -> Check:
    """Epoch by epoch the same: which table differs first is where order, random numbers or labels are another epoch's."""
    tables = {f"{what}: {key}": value for what, table in sampled.items() for key, value in table.items()}
    found = {f"{what}: {key}": value for what, table in trained.items() for key, value in table.items()}
    wrong = [key for key in dict.fromkeys([*tables, *found]) if tables.get(key) != found.get(key)]
    reason = "a training reads what the sampler gives for epochs 0, 1, 2"
    return _check("sampled", wrong if tables else ["nothing was sampled"], n=len(tables), reason=reason)


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
