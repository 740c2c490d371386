"""What is replayed, and what both recorders and the comparison agree on."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from parity.files import write_whole

GATE = "schedule"
TRACES_FILE = "traces.json"
QUANTITIES = ("learning_rate", "stop_epoch", "best_epoch", "loaded_epochs")
GENERATED_TRACES = 200
GENERATED_PREFIX = "generated"
NONE = "none"
TRAINED = "early_minimum"  # the trace that goes through the port's ``train_model`` too: it lowers the rate, stops, goes back
# In memory where there is such a folder: a replay is mostly writing of small files.
SCRATCH = "/dev/shm" if Path("/dev/shm").is_dir() else None


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Validation losses of a training, epoch by epoch, and its arguments; None is the default of the side's own code."""

    name: str
    val_loss: tuple[float, ...]
    init_lr: float | None = None
    patience: int | None = None
    patience_lr: int | None = None

    def logs(self, epoch: int) -> dict[str, float]:
        """Return the figures of an epoch: those beside the validation loss move otherwise, and must not matter."""
        return {
            "loss": 2.0 * 0.97**epoch,
            "metrics/accuracy": 1.0 - 0.9**epoch,
            "val_loss": self.val_loss[epoch],
            "val_metrics/accuracy": (7 * epoch + 5) % 11 / 11,
            "val_metrics/AUC": (5 * epoch + 6) % 13 / 13,
        }

    def arguments(self) -> dict[str, int]:
        """Return the patiences that are not left to their defaults, by the names they have on both sides."""
        found = {"patience": self.patience, "patience_lr": self.patience_lr}
        return {name: value for name, value in found.items() if value is not None}


def _fall(start: float, step: float, epochs: int) -> tuple[float, ...]:
    return tuple(start + step * epoch for epoch in range(epochs))


def _named() -> Mapping[str, tuple[float, ...]]:
    nan, inf = math.nan, math.inf
    return {
        # Stops after 25 epochs without an improvement, having lowered the learning rate twice.
        "flat": (1.0,) * 30,
        # Equal to the best, never better.
        "tied": (1.0, 0.9, *(0.9, 1.0, 0.9) * 10),
        # A step of 2e-4 at 3.0 is an improvement (a relative threshold says no), one of 5e-5 at 0.05 is none (it says yes).
        "above_min_delta": (3.0,) * 6 + (3.0 - 2e-4,) * 24,
        "below_min_delta": (0.05,) * 6 + (0.05 - 5e-5,) * 24,
        "at_min_delta": (0.5, *(0.5 - 1e-4,) * 27),
        # Every epoch is better than all before it, yet an improvement of the plateau rule takes several.
        "slow_from_3": _fall(3.0, -2e-5, 25),
        "slow_from_0.5": _fall(0.5, -8e-6, 25),
        "slow_from_0.05": _fall(0.05, -5e-6, 25),
        # Five plateaus: 1e-4 down to 1e-7, and a fifth that changes nothing any more.
        "five_plateaus": tuple(1.0 - 0.1 * level for level in range(5) for _ in range(13)),
        # One plateau that is never stopped: down to the lower bound, and there it stays.
        "to_the_bound": _fall(1.0, -1e-6, 45),
        "nan_epochs": (nan, 1.0, nan, 0.9, *(nan, 0.95) * 14),
        "infinite_epochs": (inf, inf, 1.0, inf, 0.8, *(inf, 0.85) * 14),
        "nan_everywhere": (nan,) * 30,
        "infinite_everywhere": (inf,) * 30,
        "early_minimum": (1.0, 0.5, 0.2, *_fall(0.6, 0.01, 30)),
        "long_fall": _fall(2.0, -0.03, 40),
    }


NAMED = tuple(Trace(name=name, val_loss=val_loss) for name, val_loss in _named().items())


def write_traces(path: Path, traces: Iterable[Trace]) -> None:
    """Write traces as JSON; numbers are text, so that they are exact and not-a-number survives."""
    rows = [{**asdict(trace), "val_loss": [repr(float(value)) for value in trace.val_loss]} for trace in traces]
    write_whole(path, json.dumps(rows, indent=0) + "\n")


def read_traces(path: Path) -> tuple[Trace, ...]:
    """Read what `write_traces` wrote."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    return tuple(Trace(**{**row, "val_loss": tuple(float(value) for value in row["val_loss"])}) for row in rows)


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What a side did with a trace.

    Attributes:
        learning_rate: Learning rate at the end of each epoch that was run.
        stop_epoch: Epoch after which training was stopped; ``none`` if the trace came to its end.
        best_epoch: Epoch whose weights were kept; ``none`` if there was none.
        loaded_epochs: Epochs that the loaded tensors are from, all tensors taken together; none if nothing could be loaded.
    """

    learning_rate: tuple[float, ...]
    stop_epoch: int | str
    best_epoch: int | str
    loaded_epochs: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {**asdict(self), "learning_rate": list(self.learning_rate), "loaded_epochs": list(self.loaded_epochs)}
