"""Survivors that somebody has judged, in ``judged.toml``: only new ones are shown."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.generate import Mutant

FILE = Path(__file__).with_name("judged.toml")
VERDICTS = ("equivalent", "input check", "unit test")


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One entry.

    Attributes:
        id: Of the mutant.
        source: Hash of its definition when it was judged: after an edit it is judged anew.
        verdict: ``equivalent`` (no output differs), ``input check`` (only what is refused, or its words, differs), or
            ``unit test`` (a test sees it that the tool does not find by itself).
        reason: In a sentence.
        test: Of a unit test, its id.
    """

    id: str
    source: str
    verdict: str
    reason: str
    test: str = ""

    def faults(self) -> list[str]:
        """Return what is wrong with the entry."""
        found = [] if self.verdict in VERDICTS else [f"verdict {self.verdict!r}"]
        found += [] if len(self.reason.split()) >= 3 else ["no reason"]
        return found + ([] if (self.verdict == "unit test") == bool(self.test) else ["a test for `unit test`, and only for it"])


def read_judged(path: Path = FILE) -> dict[str, Judged]:
    """Return the entries by id.

    Raises:
        ValueError: One is not whole, or there twice.
    """
    entries = [Judged(**entry) for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("mutant", [])]
    faults = [f"{entry.id}: {fault}" for entry in entries for fault in entry.faults()]
    ids = [entry.id for entry in entries]
    faults += [f"{id}: there twice" for id in sorted({id for id in ids if ids.count(id) > 1})]
    if faults:
        raise ValueError(f"{path.name}: {'; '.join(faults)}")
    return {entry.id: entry for entry in entries}


def is_judged(mutant: Mutant, judged: dict[str, Judged]) -> bool:
    """Return whether a survivor was judged, in a definition that is still the same."""
    return mutant.id in judged and judged[mutant.id].source == mutant.place.sha256


def list_stale(mutants: Iterable[Mutant], judged: dict[str, Judged]) -> list[str]:
    """Return the entries whose mutant is gone or stands in other code."""
    current = {mutant.id for mutant in mutants if is_judged(mutant, judged)}
    return sorted(set(judged) - current)
