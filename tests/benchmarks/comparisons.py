"""Comparisons as a benchmark keeps them, written by hand: every contestant correct until a test plants a mistake."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.audit import FAIL, audit
from benchmarks.inputs import describe_batch, describe_files
from benchmarks.results import SCHEMA

Row = dict[str, Any]
Comparison = dict[str, Any]

METRICS = ["metrics/accuracy", "metrics/auc", "metrics/f1"]
TRANSFORMS = ["Resize", "HorizontalFlip", "ColorJitter"]
FILES = [f"/data/images/{number}.jpg" for number in range(40)]
NATURAL = np.linspace(0.45, 1.0, 8 * 30 * 40 * 3, dtype=np.float32).reshape(8, 30, 40, 3)  # bright and smooth
NOISE = np.random.default_rng(17).random(NATURAL.shape, dtype=np.float32)
TRAINING, VALIDATION, BATCH = 40, 12, 8
PROBABILITIES = [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]]  # of two images, which come again


def make_samples(seconds: float, rounds: int, samples: int, seed: int, images: int = BATCH) -> list[list[dict[str, Any]]]:
    """Return blocks of samples that differ by a thousandth."""
    noise = np.random.default_rng(seed).uniform(0.999, 1.001, (rounds, samples))
    return [[{"s": seconds * value, "drain_s": 2e-6, "images": images} for value in block] for block in noise.tolist()]


def make_row(name: str, evidence: dict[str, Any], blocks: list[list[dict[str, Any]]], images: int = BATCH) -> Row:
    """Return a contestant; the name says side and precision: ``port bf16 compiled``."""
    side, _, words = name.partition(" ")
    precision = next((word for word in ("tf32", "bf16") if word in words), "fp32")
    return {
        "name": name, "side": side.rstrip(","), "precision": precision, "options": {}, "images": images,
        "start_s": 3.25, "open_s": 1.5, "peak_bytes": 2_500_000_000, "device_peak_bytes": None,
        "about": {
            "versions": {"numpy": "2.0"}, "threads": 2, "device": "cpu", "flags": {"tf32": precision == "tf32", "onednn": True},
        },
        "warm_up": [{"s": 5 * blocks[0][0]["s"], "drain_s": 1e-6, "images": images}, blocks[0][0]],
        "blocks": blocks, "evidence": evidence,
    }  # fmt: skip


def make_comparison(what: str, task: str, rows: list[Row], **options: Any) -> Comparison:
    blocks = rows[0]["blocks"]
    return {
        "what": what, "task": task, "options": options, "rounds": len(blocks), "samples": len(blocks[0]),
        "image_size": [300, 400], "contestants": rows,
    }  # fmt: skip


def make_compute(task: str = "training_step", batch: int = BATCH, **seconds: float) -> Comparison:
    """Return a comparison on a resident batch, of ``legacy_fp32``, ``port_bf16`` and so on with their seconds."""
    rows = []
    for number, (word, value) in enumerate((seconds or {"legacy_fp32": 1.0, "port_fp32": 0.5, "port_bf16": 0.25}).items()):
        name = word.replace("_", " ")
        evidence: dict[str, Any] = {
            "source": describe_batch(NATURAL), "metrics": METRICS if task == "training_step" else [],
            "precision": ["bfloat16" if "bf16" in name else "float32"],
        }  # fmt: skip
        if task == "training_step" and name.startswith("port"):
            evidence["host_waits"] = []
        if task in ("forward", "predict"):
            evidence["probabilities"] = make_probabilities(batch)
        rows.append(make_row(name, evidence, make_samples(value, rounds=4, samples=3, seed=number, images=batch), images=batch))
    return make_comparison("compute", task, rows, batch_size=batch)


def make_probabilities(images: int = BATCH) -> list[list[float]]:
    return [list(PROBABILITIES[image % 2]) for image in range(images)]


def make_epochs(*names: str, training: float = 4.0, validation: float = 1.0, keeping: float = 0.5) -> Comparison:
    """Return a comparison of whole epochs; every one of them takes exactly these seconds."""
    sample = {
        "s": training + validation + keeping, "drain_s": 0.0,
        "parts": {"training": training, "validation": validation, "keeping": keeping},
        "counts": {"training": [TRAINING, 0], "validation": [TRAINING, VALIDATION]},
    }  # fmt: skip
    cold = {**sample, "s": 9.0, "parts": {**sample["parts"], "training": 7.5}}
    rows = []
    for name in names or ("legacy fp32", "port fp32", "port bf16"):
        evidence = {
            "source": describe_files(FILES, TRANSFORMS, NATURAL), "metrics": METRICS,
            "precision": ["bfloat16" if "bf16" in name else "float32"],
            "epoch_images": {"training": TRAINING, "validation": VALIDATION},
        }  # fmt: skip
        blocks = [[{**sample, "counts": dict(sample["counts"])} for _ in range(2)] for _ in range(2)]
        rows.append({**make_row(name, evidence, blocks, images=TRAINING), "warm_up": [cold]})
    return make_comparison("epoch", "epoch", rows, batch_size=BATCH)


def make_self(again: float = 1.0, slower: float = 1.05) -> Comparison:
    """Return the port against itself, and against itself with a planted slowdown of 5 %; seconds as given."""
    rows = []
    for number, (name, value) in enumerate({"port": 1.0, "port again": again, "port, 5 % slower": slower}.items()):
        evidence = {
            "source": describe_batch(NATURAL),
            "metrics": [],
            "precision": ["float32"],
            "probabilities": make_probabilities(),
        }
        rows.append(make_row(name, evidence, make_samples(value, rounds=16, samples=8, seed=number)))
    rows[2]["options"] = {"slowdown": 0.05}
    return {**make_comparison("self", "forward", rows, batch_size=BATCH), "image_size": [96, 128]}


def make_results(*comparisons: Comparison, gpu: dict[str, str] | None = None) -> dict[str, Any]:
    host = {
        "processor": "A processor", "matrix_units": ["avx2", "amx_bf16"], "cores": 2, "memory_gb": 8.1, "system": "Linux",
        "gpu": gpu,
    }  # fmt: skip
    return {
        "schema": SCHEMA, "started": "2026-01-02T03:04:05Z", "host": host, "data": "demo", "code": {"torch_port": "c" * 64},
        "finished": True, "comparisons": list(comparisons),
    }  # fmt: skip


def move_to_gpu(comparison: Comparison, name: str = "NVIDIA A100") -> Comparison:
    """Say that every contestant was measured on a GPU."""
    for row in comparison["contestants"]:
        row["about"]["device"] = name
    return comparison


def find(comparison: Comparison, name: str) -> Row:
    (row,) = (row for row in comparison["contestants"] if row["name"] == name)
    return row


def leave_out(comparison: Comparison, *names: str, why: str = "MemoryError: no room") -> Comparison:
    """Make contestants such as could not be measured: what `drive` keeps of one that could not be opened."""
    for name in names:
        row = find(comparison, name)
        kept = {key: row[key] for key in ("name", "side", "precision", "options")}
        row.clear()
        row.update(kept, blocks=[], error=why)
    return comparison


def failures(comparison: Comparison) -> set[tuple[str, str]]:
    """Return the failed checks: (check, contestant)."""
    return {(check.check, check.contestant) for check in audit(comparison) if check.verdict == FAIL}
