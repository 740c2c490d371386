"""What both `train` commands hand to `fit`, identical; what they leave, complete; and that the weights left are the best.

The seed cannot be compared between the sides: that the port keeps the one given is a check of its settings; that it repeats
with it alone is a test of ``torch_port`` (`test_the_seed_alone_decides`). Options of the port alone are held
against its own plain training there: ``--augment-on``, ``--devices``, ``--resume``, ``--precision`` and ``--image-cache``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from parity.artefact import Recording
from parity.comparison import Comparison, compare_table
from parity.contract import CLASSES
from parity.fresh import fresh_checks
from parity.gates.commands.contract import (
    ANSWERED,
    BACKBONE,
    FILE,
    FILES,
    FIT,
    FITS,
    GATE,
    HEAD_TENSORS,
    KEPT,
    MEMORY,
    OPTIONS,
    SETTINGS,
    TESTED,
    TRAINED,
)
from parity.measurement import Worst
from parity.tolerance import GatesFile
from parity.verdict import Check, GateResult, Verdict
from parity.workspace import Workspace

TABLES: Mapping[str, Iterable[str]] = {
    **{name: KEPT[name] for name in FITS},
    "fit": FIT,
    "class_weights": [str(label) for label in range(len(CLASSES))],
    "start": BACKBONE,
    "trained": TRAINED,
}
EXIT_CODE_0 = {"train": "", "evaluate": ""}


def compare(workspace: Workspace, gates_file: GatesFile) -> GateResult:
    comparison = Comparison.open(workspace, GATE, {})
    legacy, port = comparison.reference.values, comparison.candidate.values
    checks = [_hold("port/ended", EXIT_CODE_0, port.get("said", {}))]
    checks += [comparison.table(what, expected) for what, expected in TABLES.items()]
    for side, recording in (("legacy", comparison.reference), ("port", comparison.candidate)):
        checks += fresh_checks(GATE, side, HEAD_TENSORS, recording.values.get("head", {}), gates_file)
        checks += _outcome_checks(side, recording, gates_file)
    checks.append(compare_table(f"{GATE}/exact/history/equal", legacy["history"], *map(_shape, (legacy, port))))
    checks.append(_hold("port/settings", SETTINGS, port.get("settings", {})))
    checks += _evaluated_checks(port, gates_file)
    comparison.tables += 4 + 2 * 4  # of the port and of both histories, and what each side has left
    return comparison.result(checks)


def _hold(what: str, expected: Mapping[str, object], found: Mapping[str, object]) -> Check:
    """Hold a table of one side against what it must be."""
    check = compare_table(f"{GATE}/exact/{what}", expected, expected, found)
    return replace(check, reason=check.reason.replace("legacy / port", "expected / found", 1))


def _shape(values: Mapping[str, Any]) -> dict[str, object]:
    """Return what the sides' histories have in common: epochs by figure, and the learning rate of every epoch."""
    history = values.get("history", {})
    return {name: numbers if name == "lr" else len(numbers) for name, numbers in history.items()}


def _outcome_checks(side: str, recording: Recording, gates_file: GatesFile) -> Iterator[Check]:
    """Yield the checks of what one side has left."""
    values = recording.values
    sizes = {name: size > 0 for name, size in values.get("files", {}).items()}
    expected = dict.fromkeys(FILES[side], True)
    yield _hold(f"{side}/files", expected, sizes)
    yield _epochs_check(side, values)
    yield from _best_checks(side, values)
    answers = values.get("answers", {})
    wanted = _numbered([*CLASSES, *ANSWERED])
    found = _numbered([*answers.get("columns", [])[1:], *answers.get("images", [])])
    yield _hold(f"{side}/answers", wanted, found)
    worst = Worst()
    for name, figure in _count_figures(answers).items():
        split, _, what = name.partition("/")
        stated = values.get("metrics", {}).get(split, {}).get(what)
        worst.add(math.nan if stated is None else abs(stated - figure), name, 1)
    limit = gates_file.limit("decisions/figures")
    yield worst.to_check(f"{GATE}/float32/{side}/figures", limit, unit="absolute")


def _numbered(names: Sequence[str]) -> dict[str, object]:
    return {f"place {number}": name for number, name in enumerate(names)}


def _epochs_check(side: str, values: Mapping[str, Any]) -> Check:
    """As many epochs as were asked for, in every row of the history."""
    lengths = {name: len(numbers) for name, numbers in values.get("history", {}).items()}
    wrong = [name for name, length in lengths.items() if length != OPTIONS["epochs"]]
    return Check(
        id=f"{GATE}/exact/{side}/epochs",
        verdict=Verdict.FAIL if wrong else Verdict.PASS if lengths else Verdict.NOT_RUN,
        observed=float(len(wrong)),
        limit=0.0,
        unit="figures",
        n=len(lengths),
        worst=", ".join(wrong[:3]),
        reason=f"a number for each of {OPTIONS['epochs']} epochs",
    )


def _best_checks(side: str, values: Mapping[str, Any]) -> Iterator[Check]:
    """Yield whether the file and the memory hold the best epoch, and whether that can be told from the last."""
    losses = np.array(values.get("history", {}).get("val_loss", []), dtype=np.float64)
    best = int(np.nanargmin(losses)) if np.isfinite(losses).any() else None
    hashes = values.get("weights", {})
    names = {value: name for name, value in reversed(hashes.items())}
    expected = dict.fromkeys((FILE, MEMORY), "no epoch had a loss" if best is None else f"epoch {best}")
    found = {place: names[hashes[place]] for place in (FILE, MEMORY) if place in hashes}
    yield _hold(f"{side}/best_weights", expected, found)
    has_power = best is not None and best < len(losses) - 1
    yield Check(
        id=f"{GATE}/none/{side}/power",
        verdict=Verdict.PASS if has_power else Verdict.INCONCLUSIVE,
        observed=None if best is None else float(best),
        unit="best epoch",
        n=losses.size,
        reason="the best epoch must not be the last, or nothing tells their weights apart",
    )


def _count_figures(answers: Mapping[str, Any]) -> dict[str, float | int]:
    """Return the number of images of each split, and the share whose largest probability is their label's."""
    predicted = {
        name: int(np.argmax(row)) for name, row in zip(answers.get("images", []), answers.get("rows", []), strict=True)
    }
    found: dict[str, float | int] = {}
    for split in TESTED:
        right = sum(predicted.get(name) == label for name, label in KEPT[split].items())
        found |= {f"{split}/n": len(KEPT[split]), f"{split}/accuracy": right / len(KEPT[split])}
    return found


def _evaluated_checks(port: Mapping[str, Any], gates_file: GatesFile) -> Iterator[Check]:
    """Yield whether the port's `evaluate` finds in the file of the best weights what `train` has said of them."""
    said, found = (port.get(f"{before}answers", {}) for before in ("", "evaluated/"))
    worst = Worst()
    for name, row, again in _paired(said, found):
        worst.add(max(abs(a - b) for a, b in zip(row, again, strict=True)), name, len(row))
    limit = gates_file.limit(f"{GATE}/evaluated")
    yield worst.to_check(f"{GATE}/float32/port/evaluated/max_abs", limit, unit="probability")
    figures, again = (port.get(name, {}) for name in ("metrics", "evaluated/metrics"))
    yield _hold("port/evaluated_figures", figures, again)


def _paired(said: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[float], Sequence[float]]]:
    again = dict(zip(found.get("images", []), found.get("rows", []), strict=True))
    for name, row in zip(said.get("images", []), said.get("rows", []), strict=True):
        yield name, row, again.get(name, [math.nan] * len(row))
