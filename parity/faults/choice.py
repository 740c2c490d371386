"""What of the suite is to be run, and held against what."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.errors import bad_input
from parity.faults.catalogue import all_faults, did_you_mean, read_faults
from parity.faults.fault import Fault, Tier
from parity.faults.pool import LIMIT_S
from parity.faults.runs import suite_gates
from parity.faults.scorecard import FOLDER
from parity.ownership import is_run, is_unused, refuse_results
from parity.pipeline import DEMO

BASE, LOG = "base", "log"
LOGS = {"port.txt", "legacy.txt"}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The words of the command line.

    Attributes:
        only: Faults, by their ids.
        stages: Faults of these stages.
        tiers: Faults of these tiers.
        file: File that defines faults of one's own.
        gates: Gates to record of every fault, all of them; none: those that it can change, up to the first that fails.
        data: Folder of images; None: the demo.
        checkpoint: Keras checkpoint that goes with `data`.
        image_scale: Network input as a fraction of 1200x1600; None: that of the profile.
        limit_s: How long a request to a warm process may take.
        jobs: Warm processes at a time; 0: one for each core, at most four.
        out: Folder.
    """

    only: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    file: Path | None = None
    gates: tuple[str, ...] = ()
    data: Path | None = None
    checkpoint: str = DEMO
    image_scale: float | None = None
    limit_s: float = LIMIT_S
    jobs: int = 0
    out: Path = FOLDER

    @property
    def whole(self) -> bool:
        """Whether everything is planted, on the demo."""
        chosen = (self.only, self.stages, self.tiers, self.file, self.gates, self.data, self.image_scale)
        return self.checkpoint == DEMO and all(item in ((), None) for item in chosen)

    @property
    def processes(self) -> int:
        return self.jobs or min(4, os.cpu_count() or 1)

    @property
    def threads(self) -> int:
        """Threads of each process."""
        return max(1, (os.cpu_count() or 1) // self.processes)

    def known(self) -> tuple[Fault, ...]:
        """Return the faults that can be chosen from."""
        return read_faults(self.file) if self.file else all_faults()

    def faults(self) -> list[Fault]:
        """Return the chosen faults, in their order."""
        return [
            fault
            for fault in self.known()
            if (not self.only or fault.id in self.only)
            and (not self.stages or fault.stage in self.stages)
            and (not self.tiers or fault.tier.value in self.tiers)
        ]

    def words(self, id: str) -> dict[str, Any]:
        """Return how a process of the port finds a fault."""
        return {"id": id, **({"file": str(self.file.resolve())} if self.file else {})}


def check_choice(choice: Choice) -> list[Fault]:
    """Return the chosen faults, if there are some and the folder is new, empty, or that of an earlier suite.

    Raises:
        BadInputError: It is not so, a word of the choice is unknown, or the folder cannot be written.
    """
    known = choice.known()
    refuse_unknown("--only", choice.only, [fault.id for fault in known])
    refuse_unknown("--stage", choice.stages, [fault.stage for fault in known])
    refuse_unknown("--tier", choice.tiers, [tier.value for tier in Tier])
    refuse_unknown("--gates", choice.gates, suite_gates())
    faults = choice.faults()
    if not faults:
        shown = [
            f"{fault.id} is of stage {fault.stage} and tier {fault.tier.value}" for fault in known if fault.id in choice.only
        ]
        place = "; ".join(shown[:5]) or f"stage {', '.join(choice.stages)}, tier {', '.join(choice.tiers)}"
        raise bad_input("faults", "be some", "none", place, "choose those that exist together")
    folder, base = choice.out, choice.out / BASE
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    logged = {path.name for path in (folder / LOG).iterdir()} if LOG in names else set()
    only_begun = bool(names) and names <= {BASE, LOG} and is_unused(base) and logged <= LOGS
    refuse_results(folder, base / "spec.json", is_run(base) or only_begun, made_by="nox -s faults")
    return faults


def refuse_unknown(option: str, words: Iterable[str], known: Iterable[str]) -> None:
    """Name every word of an option that is not known.

    Raises:
        BadInputError: There is one.
    """
    choices = tuple(dict.fromkeys(known))
    unknown = [word for word in words if word not in choices]
    if unknown:
        hint = did_you_mean(unknown[0], choices)
        shown = ", ".join(choices if len(choices) < 40 else [*choices[:40], "..."])
        raise bad_input(option, f"name some of {shown}", ", ".join(unknown), "the command line", f"see --help{hint}")
