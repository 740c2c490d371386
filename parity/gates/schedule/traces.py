"""Generated traces: ties, improvements around the plateau's threshold, not-a-number. Made by the core alone."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from parity.gates.schedule.contract import GENERATED_PREFIX, GENERATED_TRACES, NAMED, Trace, write_traces
from parity.workspace import PROJECT

MIN_DELTA = 1e-4
SPARE = 1.5  # some examples make the same trace
EPOCHS = st.integers(5, 30)
# By how much a loss differs from the one before it: nothing, about the threshold, little, much.
CHANGES = st.one_of(
    st.sampled_from([0.0, 0.0, -MIN_DELTA, MIN_DELTA, -MIN_DELTA / 2, -1e-6, math.nan, math.inf]),
    st.floats(-2 * MIN_DELTA, MIN_DELTA),
    st.floats(-0.2, 0.3),
)
EXAMPLES = st.tuples(
    st.sampled_from([0.05, 0.5, 1.1, 3.0]),
    # The length is drawn by itself: left to the list, most would be short.
    EPOCHS.flatmap(lambda epochs: st.lists(CHANGES, min_size=epochs - 1, max_size=epochs - 1)),
    st.sampled_from([1e-2, 1e-3, 3e-4, 1e-4, 5e-7, 1e-7]),
    st.integers(1, 12),
    st.integers(1, 6),
)
Example = tuple[float, list[float], float, int, int]


def generate_traces() -> tuple[Trace, ...]:
    """Return `GENERATED_TRACES` different traces, the same ones for the same code and hypothesis."""
    found: dict[str, Trace] = {}

    def collect(example: Example) -> None:
        trace = _make_trace(example)
        found[repr(trace)] = trace

    draw = settings(
        derandomize=True,
        database=None,
        deadline=None,
        max_examples=int(SPARE * GENERATED_TRACES),
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    draw(given(EXAMPLES)(collect))()
    kept = list(found.values())[:GENERATED_TRACES]
    return tuple(replace(trace, name=f"{GENERATED_PREFIX}{number:03d}") for number, trace in enumerate(kept))


def _make_trace(example: Example) -> Trace:
    level, changes, init_lr, patience, patience_lr = example
    losses = [level]
    for change in changes:
        losses.append(level + change)
        level = losses[-1] if math.isfinite(change) else level
    return Trace(name="", val_loss=tuple(losses), init_lr=init_lr, patience=patience, patience_lr=patience_lr)


def write_schedule_fixtures(path: Path) -> None:
    """Write the named and the generated traces, in a process of its own.

    Hypothesis draws some numbers from the constants of whatever modules are loaded: in one process that had loaded more than
    another the traces would be others, and every recording out of date.
    """
    command = [sys.executable, "-m", "parity.gates.schedule.traces", str(path)]
    subprocess.run(command, cwd=PROJECT, check=True)


if __name__ == "__main__":
    write_traces(Path(sys.argv[1]), (*NAMED, *generate_traces()))
