"""Whether a comparison was fair: ten ways in which benchmarks deceive, each judged by what was found in the live objects.

A contestant that fails a check gets no ratio. The evidence of a task is a dictionary:

- ``precision``: dtypes that a convolution of the network was seen to return;
- ``metrics``: names of the metrics that the step computes;
- ``source``: where the images come from, see `benchmarks.inputs`;
- ``host_waits``: on a GPU, the lines at which one training step of the port made the host wait for the device;
- ``epoch_images``: images of training and validation; each sample of an epoch then has ``counts`` at the end of both parts;
- ``probabilities``: of a forward pass or a prediction, a row for each image.

Every other sample has ``images``: how many were counted in what the call returned, not how many it was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.intervals import speed_ratio
from benchmarks.plan import GRADCAM_IMAGES, SELF_LEVEL

PASS, FAIL = "PASS", "FAIL"
# After the clock has stopped, reading a result that is there takes microseconds on a CPU and a copy on a GPU.
DRAIN_SHARE, DRAIN_S = 0.05, 0.005
# A busy machine may hold up one reading for milliseconds, but not half of them.
USUAL_DRAIN_S = 0.0002
# A first call that traces or compiles takes 5 to 180 times as long; a busy machine rarely doubles a time.
FIRST_RATIO = 2.0
# Augmented batches of the same images: means and deviations of eight images vary by a tenth; random numbers are far off. Of
# fewer images they vary more, as means do.
PIXEL_SHARE, PIXEL_IMAGES = 0.35, 8
# Their images were known in other ways before samples were counted.
JUDGED_BEFORE = ("training_step", "forward", "predict")
DTYPES = {"fp32": ["float32"], "tf32": ["float32"], "bf16": ["bfloat16"]}


@dataclass(frozen=True, kw_only=True)
class Check:
    """What one check said of one contestant."""

    check: str
    contestant: str
    verdict: str
    found: str


def audit(comparison: dict[str, Any]) -> list[Check]:
    """Return the checks of a comparison, for every contestant that was measured."""
    rows = [row for row in comparison["contestants"] if is_measured(row)]
    checks = [
        Check(check=name, contestant=row["name"], verdict=FAIL if fault else PASS, found=fault or "as it should be")
        for row in rows
        for name, fault in _faults(comparison, row, rows[0])
    ]
    return checks + list(_self_checks(comparison))


def is_measured(row: dict[str, Any]) -> bool:
    """Return whether a contestant has samples and evidence."""
    return "error" not in row and bool(row["blocks"]) and "evidence" in row


def seconds(row: dict[str, Any]) -> list[list[float]]:
    """Return the times of a contestant, rounds x samples."""
    return [[sample["s"] for sample in block] for block in row["blocks"]]


def _faults(comparison: dict[str, Any], row: dict[str, Any], base: dict[str, Any]) -> Iterator[tuple[str, str]]:
    task = comparison["task"]
    samples = [sample for block in row["blocks"] for sample in block]
    evidence = row["evidence"]
    yield "all samples", _samples_fault(comparison, row)
    yield "synchronised", _drain_fault(samples)
    yield "warmed up", _warm_up_fault(row, samples)
    yield "same metrics", _difference("metrics", evidence, base["evidence"])
    yield "same data", find_source_fault(evidence.get("source"), base["evidence"].get("source"))
    yield "same kind of device", _device_fault(row["about"]["device"], base["about"]["device"])
    if task != "data":
        yield "precision", _precision_fault(row)
    if task == "epoch":
        yield "validation apart", _count_fault(row, samples, base["evidence"].get("epoch_images"))
    else:  # the samples of an epoch have counts of their own
        yield "images counted", next(_images_faults(comparison, row, base), "")
    if task == "training_step" and row["side"] == "port" and row["about"]["device"] != "cpu":  # a CPU is its own host
        yield "no host waits", _host_fault(evidence.get("host_waits"))


def _samples_fault(comparison: dict[str, Any], row: dict[str, Any]) -> str:
    """Say so if samples are missing: a median of the blocks that went well is no median of all."""
    found, expected = [len(block) for block in row["blocks"]], [comparison["samples"]] * comparison["rounds"]
    return "" if found == expected else f"rounds of {found} samples instead of {expected}"


def _images_faults(comparison: dict[str, Any], row: dict[str, Any], base: dict[str, Any]) -> Iterator[str]:
    """Say where the images of a call, which its rate is computed from, are not those that were counted.

    Results from before samples had a count are judged by what they have besides, where that was counted.
    """
    task, images = comparison["task"], row["images"]
    known: dict[str, int | None] = {"base": base["images"]}
    if task in ("forward", "training_step"):
        known["batch"] = comparison["options"].get("batch_size")
    if task == "gradcam":
        known["batch"] = GRADCAM_IMAGES
    if "files" in (source := row["evidence"].get("source") or {}):
        known["files"] = source["files"]
    if task in ("forward", "predict"):
        known["probabilities"] = len(row["evidence"].get("probabilities", ()))
    counted, of_base = ([sample.get("images") for block in each["blocks"] for sample in block] for each in (row, base))
    if task not in JUDGED_BEFORE or {*counted, *of_base} != {None}:
        known["samples"] = next((found for found in counted if found != images), images)
    for name, found in known.items():
        if found != images:
            yield f"{images} a call, but {found} of the {name}"


def _drain_fault(samples: list[dict[str, Any]]) -> str:
    late = [sample for sample in samples if sample["drain_s"] > max(DRAIN_SHARE * sample["s"], DRAIN_S)]
    usual = median(sample["drain_s"] for sample in samples)
    if not late and usual > max(DRAIN_SHARE * median(sample["s"] for sample in samples), USUAL_DRAIN_S):
        return f"results usually came {usual:.3g} s after the clock was stopped"
    worst = max((sample["drain_s"] for sample in late), default=0.0)
    return f"the result of {len(late)} samples came up to {worst:.3g} s after the clock was stopped" if late else ""


def _warm_up_fault(row: dict[str, Any], samples: list[dict[str, Any]]) -> str:
    if not row["warm_up"]:
        return "no call was thrown away"
    first, usual = samples[0]["s"], median(sample["s"] for sample in samples)
    return f"the first sample took {first / usual:.1f} times the median" if first > FIRST_RATIO * usual else ""


def _difference(name: str, evidence: dict[str, Any], base: dict[str, Any]) -> str:
    found, expected = evidence.get(name), base.get(name)
    return "" if found == expected else f"{found} instead of {expected}"


def _device_fault(device: str, base: str) -> str:
    """Say so if one is a GPU and the other is not: names of GPUs depend on the framework."""
    return "" if (device == "cpu") == (base == "cpu") else f"{device} instead of {base}"


def find_source_fault(source: dict[str, Any] | None, base: dict[str, Any] | None) -> str:
    """Say how images differ from those of the base; nothing if they are the same."""
    if source is None or base is None:
        return "nothing is known of the images"
    for name in ("kind", "sha256", "transforms"):
        if source.get(name) != base.get(name):
            return f"{name} {source.get(name)} instead of {base.get(name)}"
    for name in ("mean", "deviation"):
        if name in base and abs(source[name] - base[name]) > _pixel_share(source, base) * base[name]:
            return f"pixels have a {name} of {source[name]:.2f} instead of {base[name]:.2f}"
    return ""


def _pixel_share(*sources: dict[str, Any]) -> float:
    fewest = min(source.get("images", PIXEL_IMAGES) for source in sources)
    return PIXEL_SHARE * math.sqrt(max(PIXEL_IMAGES / fewest, 1.0))


def _precision_fault(row: dict[str, Any]) -> str:
    found, expected = row["evidence"].get("precision", []), DTYPES[row["precision"]]
    if found != expected:
        return f"computes in {', '.join(found) or 'nothing'} instead of {', '.join(expected)}"
    tf32 = row["about"]["flags"].get("tf32", False)
    return "" if tf32 == (row["precision"] == "tf32") else f"TF32 is {'on' if tf32 else 'off'}"


def _host_fault(waits: list[str] | None) -> str:
    if waits is None:
        return "not looked for"
    return f"{len(waits)} in a step, at {', '.join(sorted(set(waits)))}" if waits else ""


def _count_fault(row: dict[str, Any], samples: list[dict[str, Any]], base: dict[str, int] | None) -> str:
    images = row["evidence"].get("epoch_images")
    if images is None or images != base:
        return f"{images} instead of {base}"
    training, validation = images["training"], images["validation"]
    if (files := (row["evidence"].get("source") or {}).get("files", training)) != training:
        return f"{training} images that are trained on, of {files} files"
    if row["images"] != training:
        return f"a rate of {row['images']} images for {training} that are trained on"
    expected = {"training": [training, 0], "validation": [training, validation]}
    wrong = next((sample["counts"] for sample in samples if sample["counts"] != expected), None)
    return "" if wrong is None else f"images trained on and validated by the end of each part: {wrong} instead of {expected}"


def _self_checks(comparison: dict[str, Any]) -> Iterator[Check]:
    """Hold the port against itself: twice the same must come out as the same, and the planted slowdown must not."""
    if comparison["what"] != "self":
        return
    base, *others = comparison["contestants"]
    for row in others:
        planted = bool(row["options"].get("slowdown"))
        passed, found = False, "not measured"
        if is_measured(base) and is_measured(row):
            ratio = speed_ratio(seconds(base), seconds(row), SELF_LEVEL)
            passed = ratio.high < 1.0 if planted else ratio.contains(1.0)
            found = f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}] at {SELF_LEVEL:.1%}"
        name = "slowdown seen" if planted else "same as itself"
        yield Check(check=name, contestant=row["name"], verdict=PASS if passed else FAIL, found=found)
