"""A report as a real run would write it, of any size and verdict, with names that try to break every format.

To look at one: `python tests/parity/report/fixture_report.py FOLDER --verdict FAIL --images 691 --hostile`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from parity.contract import CLASSES, GATES
from parity.report import render_report, write_gradcam_triptych, write_report

HOSTILE_NAMES = (
    "<script>alert(1)</script>.jpg",
    "a\"b'c & d.jpg",
    "new\nline\r\n| pipe `tick` ``two``.jpg",
    "../../etc/passwd",
    "x" * 200 + ".jpg",
    "\u05ea\u05de\u05d5\u05e0\u05d4 \u202egpj.exe",
    "]]> --> &lt;b&gt; \x1b[31m\x00\ud800\ufffe.jpg",
    "@everyone #1 [x](https://example.org) ![y](https://example.org/y.png) **b** _i_ <!-- ",
    "{{ 7 * 7 }} {% raw %} $x^2$ \\| \\",
    "图像 данные é ̈ 🫁.jpg",
)
TAPS = (
    "stem/conv",
    "stem/pool",
    *(
        f"conv{stage}/block{block}/out"
        for stage, n in zip((2, 3, 4, 5), (3, 4, 6, 3), strict=True)
        for block in range(1, n + 1)
    ),
    "post/norm",
    "post/relu",
    "pool/avg",
    "head/hidden",
    "head/probabilities",
)
LATER_GATES = (
    "augment", "loss", "gradients", "optimizer", "bn_state", "schedule", "commands", "lockstep", "metrics",
    "training",
)  # fmt: skip
RUN_GATES = tuple(gate for gate in GATES if gate not in (*LATER_GATES, "throughput"))
SHA256 = "3f1c0b1a5d9e47c2b8a6f00d" + "0123456789abcdef" * 2 + "deadbeef"


def make_report(
    *,
    verdict: str = "PASS",
    images: int = 30,
    hostile: bool = False,
    folder: Path | None = None,
    seed: int = 3,
) -> dict[str, Any]:
    """Return a report; with a folder, its pictures are written there."""
    random = np.random.default_rng(seed)
    names = _make_names(images, hostile)
    gates = [_make_gate(gate, verdict, names, random) for gate in GATES]
    ledger = [_make_decision(kind, name, i, random) for kind in ("evaluation", "raw") for i, name in enumerate(names)]
    ledger += [_make_decision("augmented", name, i, random) for i, name in enumerate(names[:16])]
    if verdict == "FAIL":
        for row in ledger[1 : max(3, images // 10) : 2]:
            row["candidate"] = {"prediction": "scc", "probabilities": [0.0521, 0.1318, 0.8161]}
            row.update(changed=True, margin=[row["margin"][0], 0.6843])
        ledger[0].update(candidate=None, difference=None, margin=[ledger[0]["margin"][0], None])
        ledger[4].update(changed=True, tie=True, margin=[2e-7, 3e-7])
    gradcam, assets = _make_gradcam(names, verdict, random, folder)
    return {
        "schema": "parity-report/1",
        "verdict": verdict,
        "headline": _make_headline(verdict),
        "place": _make_place(verdict, names),
        "run": _make_run(names, images),
        "gates": gates,
        "coverage": {"expected": 40 * images, "compared": 40 * images, "waived": 0},
        "ledger": ledger,
        "per_class": [_make_scores(*source, random, verdict) for source in _sources(CLASSES)],
        "confusion": [_make_confusion(kind, split, verdict) for kind, split, _ in _sources(("",))],
        "curves": {gate: _make_curve(gate, verdict) for gate in ("blocks", "inference")},
        "lockstep": _make_lockstep(verdict),
        "faults": {
            "headline": "this harness catches 118 of 119 planted faults, 117 at the right place; 20 of 20 clean runs PASS",
            "gates": [
                {"gate": "decode", "caught": 2, "smallest": "1: levels in one channel of one pixel of a file"},
                {"gate": "blocks", "caught": 15, "smallest": "1.2e-10: relative change of one kernel"},
            ],
            "shortcomings": ["tier 2: 22 of 23 seen; not <cv2_remap_major_version>"],
        },
        "gradcam": gradcam,
        "throughput": _make_throughput(),
        "assets": assets,
        "declared": [
            {
                "name": "one_hot_auc",
                "reason": "torchmetrics' AUROC counts ties exactly; Keras bins them into 200 thresholds.",
                "owner": "imaging group",
            }
        ],
        "waivers": [],
        "broken": [],
        "timings": {"legacy": 60.21, "port": 41.0, "compare": 5.4},
        "disk": {"needed_mb": 3000, "used_mb": 2712},
    }


def _make_names(images: int, hostile: bool) -> list[str]:
    names = [f"{CLASSES[i % 3]}{('_bd', '', '_md')[i % 3]}_20x_{i + 1}.jpg" for i in range(images)]
    return [*HOSTILE_NAMES, *names][:images] if hostile else names


def _make_headline(verdict: str) -> str:
    held = {"PASS": 11, "FAIL": 7, "NOT_RUN": 10, "INCONCLUSIVE": 10}[verdict]
    return f"{verdict} ({held} of 11 required gates; 9 not run: {', '.join(LATER_GATES)}; legacy unwitnessed)"


def _make_place(verdict: str, names: list[str]) -> dict[str, str] | None:
    if verdict != "FAIL":
        return None
    return {
        "gate": "blocks",
        "check": "blocks/float64/conv4/block2/out/max_rel",
        "words": f"first failing gate: blocks: conv4/block2 gets the legacy's own input and gives another output; "
        f"worst in evaluation image 3 ({names[2]})",
    }


def _make_gate(gate: str, verdict: str, names: list[str], random: np.random.Generator) -> dict[str, Any]:
    row: dict[str, Any] = {
        "gate": gate,
        "verdict": "PASS",
        "required": gate in RUN_GATES,
        "question": GATES[gate],
        "checks": [],
    }
    row |= {"expected": 0, "compared": 0, "waived": 0, "follows_from": None}
    if gate in LATER_GATES or (verdict == "NOT_RUN" and gate == "gradcam"):
        reason = "interrupted" if gate == "gradcam" else "a later issue builds this gate"
        return row | {"verdict": "NOT_RUN", "reason": reason}
    row["checks"] = _make_checks(gate, names, random)
    row |= {"expected": len(row["checks"]), "compared": len(row["checks"])}
    if verdict == "FAIL" and gate in ("blocks", "inference", "decisions", "gradcam"):
        _break_checks(row)
        row |= {"verdict": "FAIL", "follows_from": None if gate == "blocks" else "blocks"}
    if verdict == "INCONCLUSIVE" and gate == "decisions":
        row["checks"][0] |= {
            "verdict": "INCONCLUSIVE",
            "reason": "the probe predicts one class for every image",
        }
        row["verdict"] = "INCONCLUSIVE"
    return row


def _break_checks(row: dict[str, Any]) -> None:
    for check in row["checks"][9:40] if row["gate"] in ("blocks", "inference") else row["checks"][:1]:
        check |= {
            "verdict": "FAIL",
            "observed": 0.0131 if check["limit"] else 3.0,
            "reason": "batch norm of the block",
        }
    if len(row["checks"]) > 12:
        row["checks"][11]["observed"] = "nan"


def _make_checks(gate: str, names: list[str], random: np.random.Generator) -> list[dict[str, Any]]:
    if gate not in ("blocks", "inference", "gradcam"):
        whats = {"decode": names[:40], "weights": ["map/names", "map/shapes", "elements/hash"]}.get(gate, ["values", "order"])
        return [
            _make_check(
                f"{gate}/exact/{what}/differences",
                0.0,
                0.0,
                None,
                names,
                reason="identical",
                unit="differences",
            )
            for what in whats
        ]
    checks = []
    taps = TAPS if gate != "gradcam" else ("raw", "normalised", "resized", "overlaid")
    for dtype, scale, limit in (("float64", 3e-16, 1e-10), ("float32", 3e-7, 2.1e-6)):
        for tap in taps:
            for measure in ("max_rel", "norm_rel"):
                observed = 0.0 if tap.startswith("stem") else scale * float(random.uniform(0.2, 2))
                floor = 7e-7 if dtype == "float32" else None
                reason = "sameness of meaning" if floor is None else "3 x the legacy's own float32 error; ceiling 1e-4"
                checks.append(_make_check(f"{gate}/{dtype}/{tap}/{measure}", observed, limit, floor, names, reason=reason))
    return checks


def _make_check(
    check_id: str, observed: float, limit: float, floor: float | None, names: list[str], **more: str
) -> dict[str, Any]:
    worst = f"evaluation image 3 ({names[2]})" if observed else ""
    check = {
        "id": check_id,
        "verdict": "PASS",
        "observed": observed,
        "limit": limit,
        "noise_floor": floor,
        "unit": "relative",
    }
    return {**check, "n": 8, "worst": worst, **more}


def _make_decision(kind: str, name: str, index: int, random: np.random.Generator) -> dict[str, Any]:
    probabilities = np.round(random.dirichlet([0.6, 0.6, 0.6]), 7)
    ordered = np.sort(probabilities)[::-1]
    other = probabilities + np.array([1e-7, -1e-7, 0.0])
    answer = CLASSES[int(probabilities.argmax())]
    margin = float(ordered[0] - ordered[1])
    return {
        "image": name,
        "kind": kind,
        "split": "train" if kind == "augmented" else ("val", "test")[index % 2],
        "label": CLASSES[index % 3],
        "reference": {"prediction": answer, "probabilities": probabilities.tolist()},
        "candidate": {"prediction": answer, "probabilities": other.tolist()},
        "margin": [margin, margin],
        "difference": 1e-7,
        "changed": False,
        "tie": False,
    }


def _sources(classes: tuple[str, ...]) -> list[tuple[str, str, str]]:
    sources = [("evaluation", "val"), ("evaluation", "test"), ("augmented", "train"), ("raw", "test")]
    return [(*source, name) for source in sources for name in classes]


def _make_scores(kind: str, split: str, name: str, random: np.random.Generator, verdict: str) -> dict[str, Any]:
    keys = ("precision", "recall", "f1", "roc_auc", "mcc")
    reference = dict(zip(keys, np.round(random.uniform(0.75, 1.0, 5), 6).tolist(), strict=True))
    candidate = {key: value - (0.0833 if verdict == "FAIL" and key != "roc_auc" else 0.0) for key, value in reference.items()}
    if kind == "augmented" and name == "nor":
        reference["roc_auc"] = candidate["roc_auc"] = None
    return {
        "kind": kind,
        "split": split,
        "class": name,
        "support": 5,
        "reference": reference,
        "candidate": candidate,
    }


def _make_confusion(kind: str, split: str, verdict: str) -> dict[str, Any]:
    reference = [[18, 1, 1], [0, 15, 0], [2, 0, 11]]
    candidate = [[16, 1, 3], [0, 12, 3], [2, 0, 11]] if verdict == "FAIL" else reference
    return {
        "kind": kind,
        "split": split,
        "classes": list(CLASSES),
        "reference": reference,
        "candidate": candidate,
    }


def _make_curve(gate: str, verdict: str) -> dict[str, Any]:
    n = len(TAPS)
    growth = np.linspace(1.0, 2.2, n) if gate == "inference" else 1.0 + 0.5 * np.sin(np.arange(n))
    float64, float32, floor = 3e-16 * growth, 2.4e-7 * growth, 3.1e-7 * growth
    float64[:2] = 0.0
    if verdict == "FAIL":
        float64[9 : n if gate == "inference" else 10] = 1.3e-2
        float32[9 : n if gate == "inference" else 10] = 1.3e-2
    return {
        "taps": list(TAPS),
        "float64": float64.tolist(),
        "float32": float32.tolist(),
        "noise_floor": floor.tolist(),
        "limit_float64": 1e-10,
        "limit_float32": 2.1e-6,
    }


def _make_lockstep(verdict: str) -> dict[str, Any]:
    steps = np.arange(1, 13)
    reference = 1.0986 * np.exp(-steps / 9) + 0.05 * np.sin(steps)
    parting = 2e-6 * 3.0**steps if verdict == "FAIL" else 1.7e-13 * steps
    parting[0] = 0.0
    return {
        "steps": steps.tolist(),
        "reference": reference.tolist(),
        "candidate": (reference * (1.0 + parting)).tolist(),
        "difference": parting.tolist(),
        "epoch_starts": [1, 6, 11],
    }


def _make_gradcam(
    names: list[str], verdict: str, random: np.random.Generator, folder: Path | None
) -> tuple[list[Any], list[Any]]:
    rows, assets = [], []
    for index, name in enumerate(names[: 12 if len(names) > 12 else len(names)]):
        row = {
            "image": name,
            "kind": "evaluation",
            "error": 1e-6 / (index + 1),
            "dead": [index == 5, index == 5],
        }
        row |= {"correct": index % 4 != 0, "assets": None}
        if folder is not None:
            image, first, second = draw_explanation(index, random, wrong=verdict == "FAIL" and index < 4)
            if index == 5:
                first[:] = second[:] = np.nan
            written = write_gradcam_triptych(image, first, second, folder=folder, name=f"gradcam-{index}")
            assets += written
            row["assets"] = {
                side: item["path"] for side, item in zip(("reference", "candidate", "difference"), written, strict=True)
            }
        rows.append(row)
    return rows, assets


def draw_explanation(index: int, random: np.random.Generator, *, wrong: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return something like stained tissue of 300 x 400, and a map of each side, enlarged from 10 x 13."""
    rows, columns = np.mgrid[0:300, 0:400]
    waves = random.uniform(6, 30, (9, 2))
    field = sum(np.outer(np.sin(rows[:, 0] / a + b), np.cos(columns[0] / b)) for a, b in waves)
    stain = 1.0 / (1.0 + np.exp(-field + random.normal(0, 0.1, field.shape)))
    image = np.clip(np.stack([0.93 - 0.42 * stain, 0.74 - 0.5 * stain, 0.88 - 0.28 * stain], axis=2), 0, 1)
    y, x = random.uniform(2, 8), random.uniform(2, 11)
    first = _make_map(y, x, 1.5 + index / 8)
    second = _make_map(y - 1.5, x + 2.0, 2.0) if wrong else first + random.normal(0, 1e-7, first.shape)
    return image, _enlarge(first), _enlarge(second)


def _make_map(y: float, x: float, width: float) -> np.ndarray:
    rows, columns = np.mgrid[0:10, 0:13]
    return np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 2 / width**2)


def _enlarge(values: np.ndarray) -> np.ndarray:
    wide = np.stack([np.interp(np.linspace(0, 12, 400), range(13), row) for row in values])
    return np.clip(np.stack([np.interp(np.linspace(0, 9, 300), range(10), column) for column in wide.T], axis=1), 0, 1)


def _make_throughput() -> list[dict[str, Any]]:
    conditions = "cpu, 2 threads, float32, this run, informing only"
    row = {"what": "inference, batch 8, 300x400", "unit": "images/s", "reference": 11.24, "candidate": 12.03}
    return [{**row, "ratio": 1.05, "conditions": conditions}]


def _make_run(names: list[str], images: int) -> dict[str, Any]:
    packages = {
        "legacy": {"tensorflow": "2.15.1", "numpy": "1.26.4"},
        "port": {"torch": "2.13.0", "numpy": "2.4.6"},
        "core": {},
    }
    return {
        "id": "20260314-091502-quick-3f1c0b1a",
        "profile": "quick",
        "command": ["nox", "-s", "parity", "--", "--data", "data/lung cohort", "--split", "published"],
        "demo": False,
        "started": "2026-03-14T09:15:02Z",
        "elapsed_s": 142.1,
        "host": {
            "system": "Linux 6.1 x86_64",
            "cpu": "Intel(R) Xeon(R) Platinum 8481C",
            "cores": 2,
            "memory_gb": 24,
        },
        "devices": {"legacy": "cpu", "port": "cpu"},
        "data": {
            "folder": "data/lung cohort",
            "sha256": SHA256,
            "images": images,
            "resolution": "20x",
            "split": "published",
            "splits": ["val", "test"],
            "image_scale": 0.25,
            "counts": {"val": (images + 1) // 2, "test": images // 2},
        },
        "checkpoint": {"path": "checkpoints/best.h5", "sha256": SHA256[::-1]},
        "arch": "resnet50v2",
        "code": {"legacy_tf": SHA256, "torch_port": SHA256, "parity": SHA256},
        "environments": {
            name: {"python": "3.11.7", "lock": SHA256, "packages": versions} for name, versions in packages.items()
        },
        "gates_toml": SHA256,
        "witness": None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--verdict", default="PASS", choices=("PASS", "FAIL", "NOT_RUN", "INCONCLUSIVE"))
    parser.add_argument("--images", type=int, default=30)
    parser.add_argument("--hostile", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    report = make_report(verdict=options.verdict, images=options.images, hostile=options.hostile, folder=options.folder)
    write_report(report, options.folder / "report.json")
    for path in render_report(options.folder):
        print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
