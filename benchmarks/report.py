"""``report.md``: what a benchmark measured, under which conditions, and whether it was fair."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmarks.audit import FAIL, Check, audit, is_measured
from benchmarks.figure import write_epochs
from benchmarks.intervals import Interval
from benchmarks.summary import NOT_MEASURED, Epoch, Row, list_agreement, make_epochs, make_rows
from parity.files import write_whole

REPORT = "report.md"
FIGURE = "epoch.svg"
TITLES = {
    "data": "Data path: training images, decoded, augmented and batched",
    "training_step": "Training step on a resident batch (loss, metrics, gradients, Adam)",
    "forward": "Forward pass on a resident batch",
    "epoch": "Whole epoch as a user runs it, from the second one on",
    "predict": "Validation and test images from their files to probabilities",
    "gradcam": "Raw Grad-CAM maps, one image at a time",
}
SELF_TITLE = "The benchmark against itself (small images)"
NONE = "–"
IN_TURNS = "A round is a block of each, in turns (ABBA)"
JOINED = "The sides were measured at different times, not in turns: what befell a machine is in the ratio"


def write_report(folder: Path, results: dict[str, Any]) -> str:
    """Write the report, and the figure where there are epochs; return the report."""
    text = render(results)
    write_whole(folder / REPORT, text + "\n")
    comparisons = [comparison for comparison in results["comparisons"] if comparison["task"] == "epoch"]
    epochs = [
        replace(epoch, contestant=f"{epoch.contestant}, batch {comparison['options']['batch_size']}")
        if len(comparisons) > 1
        else epoch
        for comparison in comparisons
        for epoch in make_epochs(results, comparison)
    ]
    (folder / FIGURE).unlink(missing_ok=True)
    if epochs:
        write_epochs(folder / FIGURE, epochs)
    return text


def render(results: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    parts = ["# Benchmark", _render_conditions(results)]
    for comparison in results["comparisons"]:
        parts += [_render_heading(comparison), _render_rows(make_rows(comparison))]
        if comparison["task"] == "epoch":
            parts += _render_epochs(make_epochs(results, comparison))
        if comparison["what"] != "self":
            parts += _render_agreement(comparison)
    parts += ["## Memory and start-up", _render_resources(results), "## Was it fair?", *_render_checks(results)]
    return "\n\n".join(part for part in parts if part)


def _render_conditions(results: dict[str, Any]) -> str:
    host, gpu = results["host"], results["host"]["gpu"]
    lines = [
        f"- measured {' and '.join(results.get('merged', [results['started']]))}, data: {results['data']}",
        f"- {host['processor']} ({', '.join(host['matrix_units'])}), {host['cores']} cores, {host['memory_gb']} GB, "
        f"{host['system']}; GPU: {gpu['name'] + ', driver ' + gpu['driver'] if gpu else 'none'}",
    ]
    for side, about in _abouts(results).items():
        versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
        flags = ", ".join(f"{name} {_say(value)}" for name, value in about["flags"].items())
        lines.append(f"- {side}: {about['device']}, {about['threads']} threads, {flags}; {versions}")
    lines.append(
        "- times are medians with 95 % bootstrap intervals; speeds are ratios to the first row (with TF32, to the legacy's), "
        f"with Student's 95 % intervals over rounds. {JOINED if 'merged' in results else IN_TURNS}; each side and precision "
        "has a process of its own. The port keeps freed memory by itself; the legacy runs as it is"
    )
    return "\n".join(lines)


def _abouts(results: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for comparison in results["comparisons"]:
        for row in comparison["contestants"]:
            if "about" in row:
                found.setdefault(f"{row['side']} {row['precision']}", row["about"])
    return found


def _say(value: Any) -> str:
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _render_heading(comparison: dict[str, Any]) -> str:
    height, width = comparison["image_size"]
    size = comparison["options"].get("batch_size", 1)
    title = SELF_TITLE if comparison["what"] == "self" else TITLES[comparison["task"]]
    return f"## {title}\n\n{height}x{width}, batch {size}; {comparison['rounds']} rounds of {comparison['samples']} samples"


def _render_rows(rows: Sequence[Row]) -> str:
    headers = ("", "seconds", "images/s", "speed", "n", "warm-up")
    table = [
        (
            row.contestant,
            NONE if row.time is None else _interval(row.time),
            NONE if row.rate is None else f"{row.rate:.3g}",
            NONE if row.ratio is None else _interval(row.ratio) + "x",
            NONE if row.time is None else row.time.n,
            row.thrown,
        )
        for row in rows
    ]
    remarks = [f"- {row.contestant}: {row.remark}" for row in rows if row.remark]
    return "\n".join([_table(headers, table), *([""] if remarks else []), *remarks])


def _render_epochs(epochs: Sequence[Epoch]) -> list[str]:
    headers = ("seconds", "training", "of it steps alone", "stall", "validation", "keeping", "first epoch", "its training")
    table = [
        (
            epoch.contestant,
            f"{epoch.parts['training']:.2f}",
            NOT_MEASURED if epoch.compute is None else f"{epoch.compute:.2f}",
            NOT_MEASURED if epoch.stall is None else f"{epoch.stall:.0%}",
            f"{epoch.parts['validation']:.2f}",
            f"{epoch.parts['keeping']:.2f}",
            f"{epoch.first:.2f}",
            f"{epoch.first_training:.2f}",
        )
        for epoch in epochs
    ]
    return [_table(headers, table), f"![The epoch, split into its parts]({FIGURE})"] if epochs else []


def _render_agreement(comparison: dict[str, Any]) -> list[str]:
    rows = [
        (found.contestant, found.base, f"{found.difference:.2g}", f"{found.changed} of {found.images}")
        for found in list_agreement(comparison)
    ]
    headers = ("on these images", "against", "largest difference of a probability", "changed decisions")
    return [_table(headers, rows)] if rows else []


def _render_resources(results: dict[str, Any]) -> str:
    headers = ("", "process started in", "first call of the task in", "peak memory, GB", "on the device, GB")
    rows = [
        (
            f"{comparison['task']}: {row['name']}",
            f"{row['start_s']:.1f} s",
            f"{row['open_s']:.1f} s",
            f"{row['peak_bytes'] / 1e9:.2f}" if comparison["task"] == "epoch" else NONE,
            f"{row['device_peak_bytes'] / 1e9:.2f}" if comparison["task"] == "epoch" and row["device_peak_bytes"] else NONE,
        )
        for comparison in results["comparisons"]
        if comparison["what"] in ("compute", "epoch")
        for row in filter(is_measured, comparison["contestants"])
    ]
    note = "Memory is the largest sum of proportional set sizes over the process and its workers in the first epoch."
    return f"{_table(headers, rows)}\n\n{note}" if rows else NOT_MEASURED


def _render_checks(results: dict[str, Any]) -> Iterable[str]:
    checks = [(comparison["task"], check) for comparison in results["comparisons"] for check in audit(comparison)]
    failed = [(task, check) for task, check in checks if check.verdict == FAIL]
    yield f"{len(checks) - len(failed)} of {len(checks)} checks passed."
    shown = failed or [(task, check) for task, check in checks if check.check in ("same as itself", "slowdown seen")]
    if shown:
        yield _table(("task", "check", "contestant", "verdict", "found"), [_check_cells(task, check) for task, check in shown])


def _check_cells(task: str, check: Check) -> tuple[str, ...]:
    return task, check.check, check.contestant, check.verdict, check.found


def _interval(found: Interval) -> str:
    return f"{found.value:.3g} [{found.low:.3g}, {found.high:.3g}]"


def _table(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)
