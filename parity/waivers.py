"""Temporary exceptions, read from ``waivers.toml``: failed checks that somebody takes on until a date.

A waiver never turns FAIL into PASS in silence: its checks say WAIVED, and so do their gates; the headline counts them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from parity.contract import GATES
from parity.errors import bad_input
from parity.verdict import Check, GateResult, Verdict

FIELDS = ("check", "reason", "owner", "expires")
WAIVABLE = (Verdict.FAIL, Verdict.INCONCLUSIVE)  # what was not run stays so


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """One exception.

    Attributes:
        check: Id of a check; a ``*`` stands for anything in one part between slashes.
        reason: Why it may fail.
        owner: Who answers for that.
        expires: Last day on which it holds.
    """

    check: str
    reason: str
    owner: str
    expires: date

    @property
    def gate(self) -> str:
        return self.check.partition("/")[0]

    def covers(self, check_id: str) -> bool:
        """Return whether a check is meant.

        >>> waiver = Waiver(check="gradcam/float32/raw/*/max_rel", reason="", owner="", expires=date.max)
        >>> waiver.covers("gradcam/float32/raw/augmented/max_rel"), waiver.covers("gradcam/float32/raw/a/b/max_rel")
        (True, False)
        """
        parts, patterns = check_id.split("/"), self.check.split("/")
        return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))


def read_waivers(path: Path) -> tuple[Waiver, ...]:
    """Read ``waivers.toml``: a table ``[[waiver]]`` for each.

    Raises:
        BadInputError: The file is missing or is not TOML, or a waiver lacks a field, names an unknown gate, or leaves open
            which gate, precision or measure it is about.
    """
    try:
        waivers = tuple(_make(entry) for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("waiver", []))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        remedy = f"give every [[waiver]] {', '.join(FIELDS)}, the last as a date"
        raise bad_input("waivers.toml", "list waivers", str(error), path.name, remedy) from error
    for waiver in waivers:
        gate, *between, measure = waiver.check.split("/")
        if gate not in GATES:
            raise bad_input("check", "name a gate first", waiver.check, path.name, f"choose from {', '.join(GATES)}")
        if len(between) < 2 or set("*?[") & set(gate + between[0] + measure):
            must = "name gate, precision and measure in full: <gate>/<precision>/<what>/<measure>"
            raise bad_input("check", must, waiver.check, path.name, "write a waiver for each, or fix the port")
    return waivers


def _make(entry: dict[str, Any]) -> Waiver:
    if type(entry["expires"]) is not date or not all(str(entry[field]).strip() for field in FIELDS):
        raise ValueError(f"in {entry}")
    return Waiver(**{field: str(entry[field]) for field in FIELDS[:3]}, expires=entry["expires"])


def apply_waivers(waivers: Sequence[Waiver], results: Sequence[GateResult], today: date) -> list[GateResult]:
    """Return the results with WAIVED in the place of what waivers in force cover."""
    live = [waiver for waiver in waivers if waiver.expires >= today]

    def waive(check: Check) -> Check:
        taken_on = check.verdict in WAIVABLE and any(waiver.covers(check.id) for waiver in live)
        return replace(check, verdict=Verdict.WAIVED) if taken_on else check

    return [replace(result, checks=tuple(map(waive, result.checks))) for result in results]


def find_broken(waivers: Sequence[Waiver], results: Sequence[GateResult], today: date) -> Iterator[str]:
    """Yield what is wrong with waivers, held against results before they were applied: each is a reason to fail.

    A waiver must not outlive its date or its failure, and must not take on a whole gate.
    """
    checks = {result.gate: result.checks for result in results}
    for waiver in waivers:
        asked = checks.get(waiver.gate, ())
        covered = [check for check in asked if waiver.covers(check.id)]
        if waiver.expires < today:
            yield f"waiver of {waiver.check} by {waiver.owner} expired on {waiver.expires}"
        elif not asked:
            continue
        elif not covered:
            yield f"waiver of {waiver.check} covers no check there is"
        elif not any(check.verdict in WAIVABLE for check in covered):
            yield f"waiver of {waiver.check} is unused: what it covers does not fail"
        elif len(asked) == len(covered) > 1:
            yield f"waiver of {waiver.check} is too wide: it covers every check of its gate"


def waiver_rows(waivers: Sequence[Waiver], results: Sequence[GateResult]) -> list[dict[str, Any]]:
    """Return the waivers as the report lists them, with the number of checks that each covers and that are WAIVED."""
    waived = [check.id for result in results for check in result.checks if check.verdict is Verdict.WAIVED]
    return [
        {
            "check": waiver.check,
            "reason": waiver.reason,
            "owner": waiver.owner,
            "expiry": waiver.expires.isoformat(),
            "waived": sum(map(waiver.covers, waived)),
        }
        for waiver in waivers
    ]
