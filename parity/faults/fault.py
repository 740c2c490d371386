"""What a fault is: a mistake that a migration can make, where the harness should see it, and how it is planted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any

from parity.faults.planting import Edit, Planter, Swap, Within
from parity.workspace import Workspace


class Tier(str, Enum):
    """How a fault counts.

    ``1`` are mistakes that a plausible port makes in silence, ``2`` rarer or louder ones, ``3`` those with hardly an effect.
    A control is no mistake: it must not fail, or only at a gate that it names. A hazard is a condition under which a correct
    port looks wrong to a careless comparison: it must not fail either.
    """

    ONE = "1"
    TWO = "2"
    THREE = "3"
    CONTROL = "control"
    HAZARD = "hazard"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A mistake that is planted in the port, its environment or its inputs.

    Attributes:
        id: Its name.
        stage: Part of the pipeline.
        sentence: What is wrong, in one sentence.
        gates: Gates at which it should be seen; for a control, those at which it may be.
        plants: What plants it, all together.
        place: Text that the first failing check must name, where naming the right tensor or block counts.
        emulates: What the fault stands for, where this machine cannot have the real thing.
        tier: How it counts.
        raises: Whether the port is to raise: that is then how it is seen. Without it, an exception is a mistake of the fault.
    """

    id: str
    stage: str
    sentence: str
    gates: tuple[str, ...]
    plants: tuple[Planter, ...]
    place: str = ""
    emulates: str = ""
    tier: Tier = Tier.ONE
    raises: bool = False

    @contextmanager
    def planted(self, workspace: Workspace) -> Iterator[None]:
        """Hold the fault in place inside the block, and take it out again, whatever happens."""
        with ExitStack() as stack:
            for plant in self.plants:
                stack.enter_context(plant(workspace))
            yield

    def fit(self, workspace: Workspace) -> None:
        """Plant it and take it out again, as far as that takes no run: conditions and other context managers are not entered.

        Raises:
            PlantingError: It does not fit the code.
        """
        with ExitStack() as stack:
            for plant in self.plants:
                if isinstance(plant, Within):
                    plant.fit(workspace)
                elif isinstance(plant, Edit | Swap):
                    stack.enter_context(plant(workspace))

    @property
    def touches(self) -> frozenset[str] | None:
        """Functions (``module:qualified.name``) whose behaviour it changes; None: unknown, it may be any."""
        touched: set[str] = set()
        for plant in self.plants:
            found: frozenset[str] | None = getattr(plant, "touches", None)
            if found is None:
                return None
            touched |= found
        return frozenset(touched)

    @property
    def is_mistake(self) -> bool:
        return self.tier not in (Tier.CONTROL, Tier.HAZARD)

    def to_dict(self) -> dict[str, Any]:
        """Return what the scorecard says of it before anything has run."""
        return {
            "id": self.id,
            "stage": self.stage,
            "tier": self.tier.value,
            "sentence": self.sentence,
            "expected_gates": list(self.gates),
            "expected_place": self.place,
            "emulates": self.emulates,
        }
