"""What is computed from raw samples: times, rates, ratios, parts of an epoch, stall, agreement. Numpy only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from benchmarks.audit import FAIL, Check, audit, find_source_fault, is_measured, seconds
from benchmarks.intervals import Interval, median_seconds, speed_ratio

NOT_MEASURED = "not measured"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One contestant of a comparison, as it is shown.

    Attributes:
        contestant: Its name.
        time: Seconds of one call; None where it was not measured.
        images: Images of one call.
        base: The contestant that it is compared with.
        ratio: How many times as fast as that one; None for the base of all, and where there is no ratio.
        thrown: Calls of the warm-up that were thrown away.
        remark: Why there is no time or no ratio.
    """

    contestant: str
    time: Interval | None
    images: int
    base: str
    ratio: Interval | None
    thrown: int
    remark: str

    @property
    def rate(self) -> float | None:
        """Images per second."""
        return None if self.time is None else self.images / self.time.value


def make_rows(comparison: dict[str, Any]) -> list[Row]:
    """Return a row for each contestant."""
    checks = audit(comparison)
    return [_make_row(row, _find_base(comparison, row), checks) for row in comparison["contestants"]]


def _find_base(comparison: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """Return what a contestant is compared with: of the port, the legacy in the same precision; else the first one."""
    first, *others = comparison["contestants"]
    alike = (other for other in others if other["side"] == "legacy" and other["precision"] == row["precision"])
    found: dict[str, Any] = next(alike, first) if row["side"] == "port" else first
    return found


def _make_row(row: dict[str, Any], base: dict[str, Any], checks: list[Check]) -> Row:
    if not is_measured(row):
        remark = f"{NOT_MEASURED}: {row.get('error', 'the benchmark ended before')}"
        return Row(
            contestant=row["name"],
            time=None,
            images=row.get("images", 0),
            base=base["name"],
            ratio=None,
            thrown=0,
            remark=remark,
        )
    failed = [check for check in checks if check.contestant in (row["name"], base["name"]) and check.verdict == FAIL]
    ratio, remark = None, ""
    if failed:
        remark = "no ratio: " + "; ".join(f"{check.check} ({check.contestant}): {check.found}" for check in failed)
    elif row is not base and not is_measured(base):
        remark = f"no ratio: {base['name']} was not measured"
    elif row is not base:
        ratio = speed_ratio(seconds(base), seconds(row))
    return Row(
        contestant=row["name"], time=median_seconds(seconds(row)), images=row["images"], base=base["name"], ratio=ratio,
        thrown=len(row["warm_up"]), remark=remark,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How fast the port is against the legacy, at one task.

    Attributes:
        task: The task.
        contestant: The port's contestant.
        precision: In which it computes.
        device: ``cpu`` or ``cuda``.
        legacy: Images per second.
        port: Images per second.
        ratio: Speed of the port, in units of the legacy's.
        conditions: Device, batch, image size, interval and n, in words.
        conditions_id: Contestant, batch and image size, for the id of a check.
    """

    task: str
    contestant: str
    precision: str
    device: str
    legacy: float
    port: float
    ratio: Interval
    conditions: str
    conditions_id: str


def list_rates(results: dict[str, Any]) -> list[Rate]:
    """Return a rate for every contestant of the port that took turns with the legacy and passed the checks."""
    return [rate for comparison in with_both_sides(results) for rate in _list_rates(comparison)]


def with_both_sides(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the comparisons of the port with the legacy."""
    return [comparison for comparison in results["comparisons"] if comparison["contestants"][0]["side"] == "legacy"]


def _list_rates(comparison: dict[str, Any]) -> Iterator[Rate]:
    rows = {row.contestant: row for row in make_rows(comparison)}
    words = {row["name"]: row for row in comparison["contestants"]}
    height, width = comparison["image_size"]
    size = comparison["options"].get("batch_size", 1)
    for row in rows.values():
        base, about = rows[row.base], words[row.contestant]
        if about["side"] != "port" or row.ratio is None or row.rate is None or base.rate is None:
            continue
        where = about["about"]["device"]
        yield Rate(
            task=comparison["task"], contestant=row.contestant, precision=about["precision"],
            device="cpu" if where == "cpu" else "cuda", legacy=base.rate, port=row.rate, ratio=row.ratio,
            conditions=f"{where}, {row.contestant} against {row.base}, batch {size}, {height}x{width}, "
            f"ratio {row.ratio.low:.3g} to {row.ratio.high:.3g} (95 %), n {row.ratio.n}",
            conditions_id=conditions_id(comparison, row.contestant),
        )  # fmt: skip


def conditions_id(comparison: dict[str, Any], contestant: str) -> str:
    """Return contestant, batch and image size as a part of a check's id."""
    height, width = comparison["image_size"]
    size = comparison["options"].get("batch_size", 1)
    return f"{contestant.replace(',', '').replace(' ', '-')}-batch{size}-{height}x{width}"


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """The parts of a contestant's epoch, medians in seconds.

    Attributes:
        contestant: Its name.
        parts: Seconds by part: training, validation, and keeping (weights, logs).
        compute: Seconds of the training part that the steps alone would take; None where they were not measured.
        first: Seconds of the first epoch, with nothing cached and everything to start.
        first_training: Seconds of its training part.
    """

    contestant: str
    parts: dict[str, float]
    compute: float | None
    first: float
    first_training: float

    @property
    def stall(self) -> float | None:
        """Share of the training part in which no step was computed: 1 - compute time / epoch time."""
        return None if self.compute is None else 1 - self.compute / self.parts["training"]


def make_epochs(results: dict[str, Any], comparison: dict[str, Any]) -> list[Epoch]:
    """Return the parts of every contestant's epoch.

    Args:
        results: The benchmark, in which the steps are looked for.
        comparison: Of epochs.
    """
    size = comparison["options"]["batch_size"]
    steps = _find_steps(results, size, comparison["image_size"])
    made = []
    for row in filter(is_measured, comparison["contestants"]):
        samples = [sample for block in row["blocks"] for sample in block]
        parts = {name: median(sample["parts"][name] for sample in samples) for name in samples[0]["parts"]}
        step = steps.get(row["name"])
        compute = None if step is None else step * row["evidence"]["epoch_images"]["training"] / size
        first = row["warm_up"][0]
        made.append(
            Epoch(
                contestant=row["name"],
                parts=parts,
                compute=compute,
                first=first["s"],
                first_training=first["parts"]["training"],
            )
        )
    return made


def _find_steps(results: dict[str, Any], size: int, image_size: list[int]) -> dict[str, float]:
    """Return the median seconds of a training step by contestant."""
    return {
        row.contestant: row.time.value
        for comparison in results["comparisons"]
        if comparison["task"] == "training_step"
        and comparison["options"]["batch_size"] == size
        and comparison["image_size"] == image_size
        for row in make_rows(comparison)
        if row.time is not None and not row.remark
    }


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How near the probabilities of a way to compute are to those of another, on the same images.

    Attributes:
        contestant: The way.
        base: The other: the legacy in the same precision, if there is one.
        precision: In which it computes.
        difference: The largest of a probability; NaN if one of them is.
        furthest: Position of the image that has it.
        changed: Images whose most probable class is another.
        images: Their number.
    """

    contestant: str
    base: str
    precision: str
    difference: float
    furthest: int
    changed: int
    images: int


def list_agreement(comparison: dict[str, Any]) -> list[Agreement]:
    """Return how the port's contestants agree with what they are compared with, where both kept probabilities of one source."""
    found = []
    for row in comparison["contestants"]:
        base = _find_base(comparison, row)
        if row["side"] != "port" or row is base:
            continue
        reference, probabilities = _probabilities(base), _probabilities(row)
        if reference is None or probabilities is None or reference.shape != probabilities.shape:
            continue  # of other shapes: the audit says so
        if not find_source_fault(row["evidence"].get("source"), base["evidence"].get("source")):
            found.append(_compare(row, base["name"], reference, probabilities))
    return found


def _probabilities(row: dict[str, Any]) -> np.ndarray | None:
    found = row["evidence"].get("probabilities") if is_measured(row) else None
    return None if found is None else np.array(found)


def _compare(row: dict[str, Any], base: str, reference: np.ndarray, found: np.ndarray) -> Agreement:
    differences = np.abs(found - reference).max(axis=1)
    changed = found.argmax(axis=1) != reference.argmax(axis=1)
    return Agreement(
        contestant=row["name"], base=base, precision=row["precision"], difference=float(differences.max()),
        furthest=int(differences.argmax()), changed=int(changed.sum()), images=len(found),
    )  # fmt: skip
