"""Learning rate of every epoch, stop, best epoch and loaded weights of every trace: identical, no tolerance.

The file of the best weights, which ``evaluate`` reads, holds what memory does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from parity.artefact import hash_file
from parity.comparison import Comparison, compare_table
from parity.gates.schedule.contract import (
    GATE,
    GENERATED_PREFIX,
    GENERATED_TRACES,
    NAMED,
    NONE,
    QUANTITIES,
    TRACES_FILE,
    TRAINED,
    read_traces,
)
from parity.tolerance import GatesFile
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import Workspace

Replays = Mapping[str, Mapping[str, Any]]


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    comparison = Comparison.open(workspace, GATE, {})
    path = workspace.gate_fixtures(GATE) / TRACES_FILE
    sides = {"legacy": comparison.reference.values, "port": comparison.candidate.values}
    generated = [trace.name for trace in read_traces(path) if trace.name.startswith(GENERATED_PREFIX)]
    checks = [_traces_check(len(generated), hash_file(path), {name: side.get("traces_sha256") for name, side in sides.items()})]
    replays: dict[str, Replays] = {name: side.get("replays", {}) for name, side in sides.items()}
    groups = {**{trace.name: [trace.name] for trace in NAMED}, GENERATED_PREFIX: generated}
    checks += [_quantity_check(what, quantity, names, replays) for what, names in groups.items() for quantity in QUANTITIES]
    checks += [_extra_check(side, found, {*generated, *groups}) for side, found in replays.items()]
    checks.append(
        _saved_check([*generated, *(trace.name for trace in NAMED)], sides["port"].get("saved", {}), replays["legacy"])
    )
    checks.append(_trained_check(sides["port"].get("trained", {}), replays["legacy"].get(TRAINED, {})))
    comparison.tables += len(groups) * len(QUANTITIES) + 2
    return comparison.result(checks)


def _traces_check(generated: int, digest: str, replayed: Mapping[str, object]) -> Check:
    """There must be enough generated traces, and both sides must have replayed the ones that were written."""
    missing = max(0, GENERATED_TRACES - generated)
    others = [side for side, found in replayed.items() if found != digest]
    reason = f"{generated} generated traces, at least {GENERATED_TRACES} are needed"
    return Check(
        id=f"{GATE}/exact/traces/present",
        verdict=Verdict.FAIL if missing or others else Verdict.PASS,
        observed=float(missing),
        limit=0.0,
        unit="traces missing",
        n=generated,
        worst=", ".join(others),
        reason=f"{' and '.join(others)} replayed other traces" if others else reason,
    )


def _saved_check(names: list[str], saved: Mapping[str, Any], legacy: Replays) -> Check:
    """The file of the best weights is of the epoch whose weights the legacy kept; there is none where it kept none."""
    kept = {name: [] if (best := legacy.get(name, {}).get("best_epoch")) in (None, NONE) else [float(best)] for name in names}
    return compare_table(f"{GATE}/exact/saved/equal", names, kept, saved)


def _trained_check(trained: Mapping[str, Any], legacy: Mapping[str, Any]) -> Check:
    """The port's own ``train_model`` does with a trace what the legacy's does, and leaves the best weights in the file."""
    expected = {**{quantity: legacy.get(quantity) for quantity in QUANTITIES}, "saved": legacy.get("loaded_epochs")}
    return compare_table(f"{GATE}/exact/trained/equal", expected, expected, trained)


def _extra_check(side: str, replays: Replays, known: set[str]) -> Check:
    extra = sorted(set(replays) - known)
    return Check(
        id=f"{GATE}/exact/{side}/extra",
        verdict=Verdict.FAIL if extra else Verdict.PASS,
        observed=float(len(extra)),
        limit=0.0,
        unit="traces",
        n=len(replays),
        worst=", ".join(extra[:3]),
        reason="replayed traces that were not written" if extra else "no others",
    )


def _quantity_check(what: str, quantity: str, names: Iterable[str], sides: Mapping[str, Replays]) -> Check:
    """Compare one quantity over some traces; a value that is absent is different."""
    names = list(names)
    differences = {
        name: _difference(*(sides[side].get(name, {}).get(quantity) for side in ("legacy", "port"))) for name in names
    }
    different = [name for name in names if differences[name]]
    return Check(
        id=f"{GATE}/exact/{what}/{quantity}",
        verdict=Verdict.FAIL if different else Verdict.PASS if names else Verdict.NOT_RUN,
        observed=float(len(different)),
        limit=0.0,
        unit="traces",
        n=len(names),
        worst=different[0] if different else "",
        reason=f"legacy / port: {differences[different[0]]}" if different else "identical",
    )


def _difference(reference: object, candidate: object) -> str:
    """Return how two values differ, nothing if they do not; of lists, the first place where they do."""
    if reference is None or candidate is None:
        absent = "absent"
        return f"{absent if reference is None else 'present'} / {absent if candidate is None else 'present'}"
    if not isinstance(reference, list) or not isinstance(candidate, list):
        return "" if reference == candidate else f"{reference} / {candidate}"
    if len(reference) != len(candidate):
        return f"{len(reference)} / {len(candidate)} values"
    pairs = enumerate(zip(reference, candidate, strict=True))
    return next((f"{a} / {b} at {place}" for place, (a, b) in pairs if a != b), "")
