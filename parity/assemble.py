"""Puts the results of a run into report.json: verdict, headline, place, and everything a reviewer looks up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from parity.architecture import STAGE_TAPS, TAPS, Tap
from parity.artefact import ArtefactError
from parity.clock import Clock
from parity.contract import CLASSES, GATES
from parity.declared import read_declared
from parity.errors import BadInputError
from parity.explanations import make_explanations
from parity.faults.catalogue import all_faults
from parity.faults.scorecard import SCORECARD, read_summary
from parity.gates.decisions import figures
from parity.gates.decisions.ledger import Row, find_ties, group, read_raw_rows, read_shared_rows
from parity.gates.lockstep.compare import loss_errors
from parity.gates.throughput.compare import rates
from parity.provenance import describe_run
from parity.tolerance import GatesFile
from parity.verdict import GateResult, Verdict, worst
from parity.waivers import Waiver, waiver_rows
from parity.workspace import PROJECT, Workspace

LOSSES = "float64/loss"
ON_A_GPU = "computed on a GPU, not on a CPU"
CURVES = {"blocks": TAPS, "inference": STAGE_TAPS}


def assemble_report(
    workspace: Workspace,
    gates_file: GatesFile,
    results: Sequence[GateResult],
    *,
    waivers: Sequence[Waiver],
    broken: Sequence[str],
    clock: Clock,
    needed_mb: int,
) -> dict[str, Any]:
    """Return report.json as a dictionary, and write its pictures below the report folder.

    Args:
        workspace: The run.
        gates_file: Limits and required gates.
        results: Of every gate, waivers applied.
        waivers: All there are.
        broken: Rules of the run that were broken, a sentence each.
        clock: Where the time went.
        needed_mb: Disk space that the run could have taken.
    """
    required = gates_file.required[workspace.spec.profile]
    verdict = judge_run(results, required, broken)
    rows = _read_rows(workspace)
    explanations, assets = make_explanations(workspace, rows)
    run = describe_run(workspace, gates_file, clock)
    gates = [_gate_dict(result, required, find_place(results)) for result in results]
    return {
        "schema": "parity-report/1",
        "verdict": verdict.value,
        "headline": make_headline(verdict, results, required, broken=broken, remarks=_remarks(workspace, run)),
        "place": _place_dict(results),
        "run": run,
        "gates": gates,
        "coverage": {key: sum(gate[key] for gate in gates) for key in ("expected", "compared", "waived")},
        "ledger": _ledger(rows, gates_file),
        "per_class": [table for kind, split, members in group(rows) for table in _per_class(kind, split, members)],
        "confusion": [_confusion(kind, split, members) for kind, split, members in group(rows)],
        "curves": {name: curve for name, taps in CURVES.items() if (curve := _curve(results, name, taps))},
        "lockstep": read_lockstep(workspace),
        "faults": read_summary(SCORECARD),
        "gradcam": explanations,
        "throughput": _throughput(workspace),
        "assets": assets,
        "declared": read_declared(PROJECT / "declared.toml"),
        "waivers": waiver_rows(waivers, results),
        "broken": list(broken),
        "timings": {phase: round(seconds, 1) for phase, seconds in clock.seconds.items()},
        "disk": {"needed_mb": needed_mb},
    }


def judge_run(results: Sequence[GateResult], required: Sequence[str], broken: Sequence[str] = ()) -> Verdict:
    """Return the worst verdict of the required gates, and FAIL if any other gate fails: no headline says PASS above a FAIL.

    A broken rule is a FAIL too. What is waived is counted in the headline.
    """
    if broken:
        return Verdict.FAIL
    found = worst(result.verdict for result in results if result.gate in required or result.verdict is Verdict.FAIL)
    return Verdict.PASS if found is Verdict.WAIVED else found


def make_headline(
    verdict: Verdict,
    results: Sequence[GateResult],
    required: Sequence[str],
    *,
    broken: Sequence[str] = (),
    remarks: Sequence[str] = (),
) -> str:
    """Return the verdict with what it covers, in one line, and what there is to say of the legacy's side."""
    passed = sum(result.verdict is Verdict.PASS for result in results if result.gate in required)
    not_run = [result.gate for result in results if result.verdict is Verdict.NOT_RUN]
    waived = {result.gate: sum(check.verdict is Verdict.WAIVED for check in result.checks) for result in results}
    gates = [gate for gate, count in waived.items() if count]
    parts = [f"{passed} of {len(required)} required gates", *broken]
    if gates:
        count = sum(waived.values())
        parts.append(f"{count} {'check' if count == 1 else 'checks'} waived: {', '.join(gates)}")
    if not_run:
        parts.append(f"{len(not_run)} not run: {', '.join(not_run)}")
    return f"{verdict.value} ({'; '.join([*parts, *remarks])})"


def _remarks(workspace: Workspace, run: Mapping[str, Any]) -> list[str]:
    device = [ON_A_GPU] if workspace.spec.device != "cpu" else []
    if workspace.bundle.is_file():
        asked = workspace.signed_answers.is_dir()
        answers = [] if asked else ["predictions of the users' images NOT_RUN: give --data"]
        return [*device, "against the golden bundle", *answers]
    return [*device, *([] if run["witness"] else ["legacy unwitnessed"]), *(["DEMO"] if run["demo"] else [])]


def find_place(results: Sequence[GateResult]) -> GateResult | None:
    """Return the gate where the fault is: the first that fails, but `config` only when nothing after it fails."""
    failed = [result for result in results if result.verdict is Verdict.FAIL]
    return next((result for result in failed if result.gate != "config"), failed[0] if failed else None)


def _place_dict(results: Sequence[GateResult]) -> dict[str, Any] | None:
    place = find_place(results)
    if place is None:
        return None
    check = place.first_failure
    words = f"first failing gate: {place.gate} ({GATES[place.gate]})"
    if check is not None:
        words += f"; {check.id}"
        words += f" at {check.worst}" if check.worst else ""
        words += f"; {check.reason}" if check.observed is None or check.limit == 0.0 else ""
    config = next((result for result in results if result.gate == "config"), None)
    if place.gate != "config" and config is not None and (named := config.first_failure) is not None:
        words += f"; config names {named.worst}"
    return {"gate": place.gate, "check": check.id if check is not None else None, "words": words}


def _gate_dict(result: GateResult, required: Sequence[str], place: GateResult | None) -> dict[str, Any]:
    order = list(GATES)
    follows = place is not None and result.verdict is Verdict.FAIL and order.index(result.gate) > order.index(place.gate)
    return {
        "gate": result.gate,
        "verdict": result.verdict.value,
        "required": result.gate in required,
        "question": GATES[result.gate],
        "protects_from": " ".join(fault.sentence for fault in all_faults() if fault.is_mistake and result.gate in fault.gates),
        "follows_from": place.gate if follows and place is not None else None,
        "expected": result.expected,
        "compared": result.compared,
        "waived": result.waived,
        "reason": result.reason,
        "checks": [check.to_dict() for check in result.checks],
    }


def _read_rows(workspace: Workspace) -> list[Row]:
    rows: list[Row] = []
    if "decisions" not in workspace.spec.gates:
        return rows
    for read in (read_shared_rows, read_raw_rows):
        try:
            rows += read(workspace)
        except (ArtefactError, BadInputError, ValueError):
            continue  # the gate that needs them has failed with the reason
    return rows


def _ledger(rows: list[Row], gates_file: GatesFile) -> list[dict[str, Any]]:
    kinds = [[row for row in rows if row.kind == kind] for kind in dict.fromkeys(row.kind for row in rows)]
    ties = {row for members in kinds for row in find_ties(members, gates_file.limit("decisions/ties"))}
    return [row.to_dict(tie=row in ties) for members in kinds for row in members]


def _per_class(kind: str, split: str, rows: list[Row]) -> list[dict[str, Any]]:
    sides = {side: figures.per_class(*figures.columns(rows, side)) for side in ("reference", "candidate")}
    return [
        {
            "kind": kind,
            "split": split,
            "class": name,
            "support": sides["reference"][index]["support"],
            **{
                side: {key: value for key, value in tables[index].items() if key != "support"} for side, tables in sides.items()
            },
        }
        for index, name in enumerate(CLASSES)
    ]


def _confusion(kind: str, split: str, rows: list[Row]) -> dict[str, Any]:
    counts = {}
    for side in ("reference", "candidate"):
        labels, probabilities = figures.columns(rows, side)
        counts[side] = figures.confusion(labels, probabilities.argmax(axis=1))
    return {"kind": kind, "split": split, "classes": list(CLASSES), **counts}


def _curve(results: Sequence[GateResult], gate: str, taps: Sequence[Tap]) -> dict[str, Any] | None:
    checks = {check.id: check for result in results if result.gate == gate for check in result.checks}
    found: dict[str, Any] = {"taps": [tap.name for tap in taps]}
    for dtype in ("float64", "float32"):
        rows = [checks.get(f"{gate}/{dtype}/{tap}/max_rel") for tap in found["taps"]]
        if all(row is None or row.observed is None for row in rows):
            return None
        found[dtype] = [row.observed if row else None for row in rows]
        found[f"limit_{dtype}"] = next((row.limit for row in rows if row), None)
        if dtype == "float32":
            found["noise_floor"] = [row.noise_floor if row else None for row in rows]
    return found


def read_lockstep(workspace: Workspace) -> dict[str, Any] | None:
    """Return the loss of each step on both sides; None where it was not recorded whole (its gate says why)."""
    try:
        recordings = [workspace.recording(side, "lockstep") for side in ("legacy", "port")]
        reference, candidate = (recording.read_array(LOSSES) for recording in recordings)
    except ArtefactError:
        return None
    if reference.ndim != 1 or candidate.shape != reference.shape:
        return None
    return {
        "steps": list(range(1, reference.size + 1)),
        "reference": reference.tolist(),
        "candidate": candidate.tolist(),
        "difference": loss_errors(reference, candidate).tolist(),
        "epoch_starts": recordings[0].values.get("epoch_starts", []),
    }


def _throughput(workspace: Workspace) -> list[dict[str, Any]]:
    return [
        {
            "what": f"{rate.task} ({rate.precision})",
            "unit": "images/s",
            "reference": rate.legacy,
            "candidate": rate.port,
            "ratio": rate.ratio.value,
            "conditions": rate.conditions,
        }
        for rate in rates(workspace)
    ]
