"""Puts the results of a run into report.json: verdict, headline, place, and everything a reviewer looks up."""

from __future__ import annotations

import os
import platform
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from parity.artefact import ArtefactError, hash_file
from parity.contract import CLASSES, GATES, KINDS
from parity.declared import read_declared
from parity.errors import BadInputError
from parity.gates.blocks.compare import TAP_NAMES
from parity.gates.decisions import figures
from parity.gates.decisions.ledger import Row, group, probability_error, read_raw_rows, read_shared_rows
from parity.gates.gradcam.compare import is_dead
from parity.measurement import relative_error
from parity.report import write_gradcam_triptych
from parity.reuse import LOCKS, PACKAGES, hash_package, installed_versions
from parity.tolerance import GatesFile
from parity.verdict import Check, GateResult, Verdict, worst
from parity.workspace import PROJECT, Case, Workspace

if TYPE_CHECKING:
    from parity.dataset import DatasetFacts
    from parity.pipeline import Clock

TRIPTYCHS = 8
SHOWN_PACKAGES = (
    "tensorflow", "keras", "torch", "torchvision", "captum", "torchmetrics", "albumentations", "opencv-python-headless",
    "numpy", "scikit-learn", "pillow", "imageio", "safetensors", "h5py",
)  # fmt: skip


def assemble_report(
    workspace: Workspace,
    gates_file: GatesFile,
    results: Sequence[GateResult],
    *,
    clock: Clock,
    facts: DatasetFacts,
    demo: bool,
    needed_mb: int,
) -> dict[str, Any]:
    """Return report.json as a dictionary, and write its pictures below the report folder."""
    required = gates_file.required[workspace.spec.profile]
    verdict = worst(result.verdict for result in results if result.gate in required)
    rows = _read_rows(workspace)
    explanations, assets = _explanations(workspace)
    gates = [_gate_dict(result, required, find_place(results)) for result in results]
    return {
        "schema": "parity-report/1",
        "verdict": verdict.value,
        "headline": make_headline(verdict, results, required, witnessed=workspace.witness.is_file(), demo=demo),
        "place": _place_dict(results),
        "run": _run_dict(workspace, gates_file, clock, facts, demo),
        "gates": gates,
        "coverage": {key: sum(gate[key] for gate in gates) for key in ("expected", "compared", "waived")},
        "ledger": [row.to_dict(error) for error, members in _with_errors(rows) for row in members],
        "per_class": [table for kind, split, members in group(rows) for table in _per_class(kind, split, members)],
        "confusion": [_confusion(kind, split, members) for kind, split, members in group(rows)],
        "curves": {name: curve for name in ("blocks", "inference") if (curve := _curve(results, name))},
        "gradcam": explanations,
        "throughput": _throughput(results, workspace),
        "assets": assets,
        "declared": read_declared(PROJECT / "declared.toml"),
        "waivers": [],
        "timings": {phase: round(seconds, 1) for phase, seconds in clock.seconds.items()},
        "disk": {"needed_mb": needed_mb},
    }


def make_headline(
    verdict: Verdict, results: Sequence[GateResult], required: Sequence[str], *, witnessed: bool, demo: bool
) -> str:
    """Return the verdict with what it covers, in one line."""
    passed = sum(result.verdict is Verdict.PASS for result in results if result.gate in required)
    not_run = [result.gate for result in results if result.verdict is Verdict.NOT_RUN]
    parts = [f"{passed} of {len(required)} required gates"]
    if not_run:
        parts.append(f"{len(not_run)} not run: {', '.join(not_run)}")
    parts += [] if witnessed else ["legacy unwitnessed"]
    parts += ["DEMO"] if demo else []
    return f"{verdict.value} ({'; '.join(parts)})"


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
    return {"gate": place.gate, "check": check.id if check else None, "words": words}


def _gate_dict(result: GateResult, required: Sequence[str], place: GateResult | None) -> dict[str, Any]:
    order = list(GATES)
    follows = place is not None and result.verdict is Verdict.FAIL and order.index(result.gate) > order.index(place.gate)
    return {
        "gate": result.gate,
        "verdict": result.verdict.value,
        "required": result.gate in required,
        "question": GATES[result.gate],
        "follows_from": place.gate if follows and place is not None else None,
        "expected": result.expected,
        "compared": result.compared,
        "waived": 0,
        "reason": result.reason,
        "checks": [_check_dict(check) for check in result.checks],
    }


def _check_dict(check: Check) -> dict[str, Any]:
    values = check.to_dict()
    for name in ("observed", "limit", "noise_floor"):
        number = values[name]
        if number is not None and not np.isfinite(number):
            values[name] = str(number)
    return values


def _read_rows(workspace: Workspace) -> list[Row]:
    rows: list[Row] = []
    for read in (read_shared_rows, read_raw_rows):
        try:
            rows += read(workspace)
        except (ArtefactError, BadInputError, ValueError):
            continue  # the gate that needs them has failed with the reason
    return rows


def _with_errors(rows: list[Row]) -> list[tuple[float, list[Row]]]:
    kinds = dict.fromkeys(row.kind for row in rows)
    members = [[row for row in rows if row.kind == kind] for kind in kinds]
    return [(probability_error(found), found) for found in members]


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


def _curve(results: Sequence[GateResult], gate: str) -> dict[str, Any] | None:
    checks = {check.id: check for result in results if result.gate == gate for check in result.checks}
    found: dict[str, Any] = {"taps": list(TAP_NAMES)}
    for dtype in ("float64", "float32"):
        rows = [checks.get(f"{gate}/{dtype}/{tap}/max_rel") for tap in TAP_NAMES]
        if all(row is None or row.observed is None for row in rows):
            return None
        found[dtype] = [_finite(row.observed) if row else None for row in rows]
        found[f"limit_{dtype}"] = next((row.limit for row in rows if row), None)
        if dtype == "float32":
            found["noise_floor"] = [row.noise_floor if row else None for row in rows]
    return found


def _finite(value: float | None) -> float | str | None:
    return value if value is None or np.isfinite(value) else str(value)


def _explanations(workspace: Workspace) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the Grad-CAM rows, worst first, and the pictures written for them."""
    candidates: list[tuple[float, Case, np.ndarray, np.ndarray]] = []
    for kind in KINDS:
        try:
            sides = [workspace.recording(side, "gradcam").read_array(f"float32/{kind}/raw") for side in ("legacy", "port")]
        except ArtefactError:
            continue
        if sides[0].shape == sides[1].shape:
            for case, a, b in zip(workspace.cases(kind), *sides, strict=True):
                candidates.append((relative_error(a, b).max_rel, case, a, b))
    candidates.sort(key=lambda item: -item[0])
    correct = _correct_images(workspace)
    explanations, assets = [], []
    for number, (error, case, a, b) in enumerate(candidates[:TRIPTYCHS]):
        image = workspace.image(case)[0]
        maps = [_picture_map(raw, image.shape[1], image.shape[0]) for raw in (a, b)]
        written = write_gradcam_triptych(image, *maps, folder=workspace.report, name=f"gradcam-{number}")
        names = ("reference", "candidate", "difference")
        explanations.append(
            {
                "image": case.image,
                "kind": case.kind,
                "error": _finite(error),
                "dead": [bool(is_dead(raw[np.newaxis])[0]) for raw in (a, b)],
                "correct": correct.get((case.kind, case.index), False),
                "assets": {name: asset["path"] for name, asset in zip(names, written, strict=True)},
            }
        )
        assets += written
    return explanations, assets


def _correct_images(workspace: Workspace) -> dict[tuple[str, int], bool]:
    found = {}
    for kind in KINDS:
        try:
            probabilities = workspace.recording("legacy", "inference").read_array(f"float32/{kind}/probabilities")
        except ArtefactError:
            continue
        for case, row in zip(workspace.cases(kind), probabilities, strict=True):
            found[kind, case.index] = int(row.argmax()) == case.label
    return found


def _picture_map(raw: np.ndarray, width_px: int, height_px: int) -> np.ndarray:
    """Return a raw map as a picture shows it: positive part over its maximum, bilinear, not a number where dead."""
    positive = np.maximum(np.asarray(raw, dtype=np.float32), 0.0)
    top = float(positive.max())
    if top == 0.0:
        return np.full((height_px, width_px), np.nan)
    return np.asarray(Image.fromarray(positive / top).resize((width_px, height_px), Image.Resampling.BILINEAR))


def _throughput(results: Sequence[GateResult], workspace: Workspace) -> list[dict[str, Any]]:
    try:
        sides = [workspace.recording(side, "throughput").values for side in ("legacy", "port")]
    except ArtefactError:
        return []
    spec = workspace.spec
    speeds = [values["images"] / float(np.median(values["elapsed_s"])) for values in sides]
    size = f"{spec.height_px}x{spec.width_px}"
    return [
        {
            "what": f"inference, batch {sides[0]['images']}, {size}",
            "unit": "images/s",
            "reference": speeds[0],
            "candidate": speeds[1],
            "conditions": f"{spec.device}, float32, deterministic, median of {len(sides[0]['elapsed_s'])} batches, "
            f"{os.cpu_count()} cores; informs only",
        }
    ]


def _run_dict(workspace: Workspace, gates_file: GatesFile, clock: Clock, facts: DatasetFacts, demo: bool) -> dict[str, Any]:
    spec = workspace.spec
    counts = Counter(case.split for case in workspace.cases("evaluation"))
    return {
        "id": workspace.folder.name,
        "profile": spec.profile,
        "command": command_words(spec.to_dict(), demo=demo),
        "demo": demo,
        "started": clock.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "elapsed_s": round(sum(clock.seconds.values()), 1),
        "host": {
            "system": platform.platform(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
            "gpu": "NVIDIA" if shutil.which("nvidia-smi") else "none",
        },
        "devices": dict.fromkeys(("legacy", "port"), spec.device),
        "data": {
            "folder": spec.data,
            "sha256": spec.data_sha256,
            "images": len(workspace.cases("evaluation")),
            "resolution": spec.resolution,
            "split": spec.split,
            "splits": list(spec.splits),
            "image_scale": spec.image_scale,
            "counts": {**counts, "augmented": len(workspace.cases("augmented"))},
        },
        "checkpoint": {"path": spec.checkpoint, "sha256": spec.checkpoint_sha256},
        "arch": spec.arch,
        "code": {package: hash_package(package) for package in (*PACKAGES.values(), "parity")},
        "environments": _environments(workspace),
        "gates_toml": gates_file.sha256,
        "witness": {"sha256": hash_file(workspace.witness)} if workspace.witness.is_file() else None,
    }


def command_words(spec: Mapping[str, Any], *, demo: bool) -> list[str]:
    """Return the command that repeats the run."""
    words = ["nox", "-s", "parity", "--"]
    if not demo:
        words += ["--data", spec["data"], "--checkpoint", spec["checkpoint"]]
    words += ["--resolution", spec["resolution"], "--split", spec["split"], "--splits", ",".join(spec["splits"])]
    words += ["--image-scale", str(spec["image_scale"]), "--profile", spec["profile"], "--arch", spec["arch"]]
    words += ["--images", str(spec["images"])] if spec["images"] else []
    return [*words, "--device", spec["device"]]


def _environments(workspace: Workspace) -> dict[str, Any]:
    found: dict[str, Any] = {
        "core": {
            "python": platform.python_version(),
            "lock": hash_file(PROJECT / LOCKS["core"]),
            "packages": _shown(installed_versions()),
        }
    }
    for side in ("legacy", "port"):
        try:
            values = workspace.recording(side, "numerics").values["installed"]
        except (ArtefactError, KeyError):
            continue
        found[side] = {**values, "packages": _shown(values["packages"]), "lock": hash_file(PROJECT / LOCKS[side])}
    return found


def _shown(packages: Mapping[str, str]) -> dict[str, str]:
    return {name: packages[name] for name in SHOWN_PACKAGES if name in packages}
