"""The report, the figure and what is computed for them, against arithmetic by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.audit import is_measured
from benchmarks.figure import COLOURS, split_parts, write_epochs
from benchmarks.report import FIGURE, REPORT, render, write_report
from benchmarks.summary import Epoch, list_agreement, list_rates, make_epochs, make_rows
from tests.benchmarks.comparisons import (
    Comparison,
    find,
    leave_out,
    make_compute,
    make_results,
    make_self,
    move_to_gpu,
)
from tests.benchmarks.comparisons import make_epochs as make_epoch_comparison

SVG = "{http://www.w3.org/2000/svg}"


def exactly(comparison: Comparison, **seconds: float) -> Comparison:
    """Give every sample of contestants exactly these seconds."""
    for word, value in seconds.items():
        for block in find(comparison, word.replace("_", " "))["blocks"]:
            for sample in block:
                sample["s"] = value
    return comparison


def make_whole() -> dict[str, Any]:
    """Steps of 0.9, 0.6 and 0.3 s, epochs of 40 images that train for 4 s, and the rest."""
    steps = exactly(make_compute(), legacy_fp32=0.9, port_fp32=0.6, port_bf16=0.3)
    forward = leave_out(make_compute("forward"), "port bf16", why="OutOfMemoryError: 2 GB")
    return make_results(steps, forward, make_epoch_comparison(), make_self())


def tables(text: str) -> dict[str, list[list[str]]]:
    """Return the cells of the tables below each heading: GitHub's format, the head without its line."""
    found: dict[str, list[list[str]]] = {}
    title = ""
    for line in text.splitlines():
        if line.startswith("#"):
            title = line.lstrip("# ")
        elif line.startswith("|") and not line.startswith("|-"):
            found.setdefault(title, []).append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def test_times_rates_and_ratios_by_hand():
    comparison = exactly(make_compute(), legacy_fp32=0.9, port_fp32=0.6, port_bf16=0.3)
    legacy, port, bf16 = make_rows(comparison)
    assert (legacy.time.value, port.time.value, bf16.time.value) == (0.9, 0.6, 0.3)
    assert (legacy.rate, port.rate, bf16.rate) == pytest.approx((8 / 0.9, 8 / 0.6, 8 / 0.3), rel=1e-12)
    assert legacy.ratio is None
    assert (port.ratio.low, port.ratio.value, port.ratio.high) == pytest.approx((1.5, 1.5, 1.5), rel=1e-12)
    assert bf16.ratio.value == pytest.approx(3.0, rel=1e-12)
    assert (legacy.thrown, port.time.n, port.ratio.n) == (2, 12, 12)


def test_the_stall_is_what_the_steps_alone_do_not_explain():
    """40 images are 5 steps of 8: 4.5 s of 4 s, 3 s of 4 s and 1.5 s of 4 s."""
    results = make_whole()
    legacy, port, bf16 = make_epochs(results, results["comparisons"][2])
    assert (port.compute, port.stall) == pytest.approx((3.0, 0.25), rel=1e-12)
    assert (bf16.compute, bf16.stall) == pytest.approx((1.5, 0.625), rel=1e-12)
    assert (legacy.compute, legacy.stall) == pytest.approx((4.5, -0.125), rel=1e-12)
    assert port.parts == {"training": 4.0, "validation": 1.0, "keeping": 0.5}
    assert (port.first, port.first_training) == (9.0, 7.5)


def test_the_parts_of_an_epoch_are_medians():
    results = make_results(make_epoch_comparison("port fp32"))
    (comparison,) = results["comparisons"]
    samples = [sample for block in comparison["contestants"][0]["blocks"] for sample in block]
    for sample, seconds in zip(samples, (4.0, 40.0, 5.0, 3.0), strict=True):
        sample["parts"] = {**sample["parts"], "training": seconds}
    (epoch,) = make_epochs(results, comparison)
    assert epoch.parts["training"] == 4.5  # of 3, 4, 5 and 40


@pytest.mark.parametrize("change", ["task", "batch", "size", "contestant", "error"])
def test_a_step_is_that_of_the_same_contestant_batch_and_size(change: str):
    step = exactly(make_compute(batch=16 if change == "batch" else 8), port_fp32=0.6)
    if change == "task":
        step["task"] = "forward"
    if change == "size":
        step["image_size"] = [600, 800]
    if change == "contestant":
        find(step, "port fp32")["name"] = "port fp32 compiled"
    if change == "error":
        leave_out(step, "port fp32")
    results = make_results(step, make_epoch_comparison())
    port = make_epochs(results, results["comparisons"][1])[1]
    assert (port.contestant, port.compute, port.stall) == ("port fp32", None, None)


def test_a_stall_is_not_computed_from_steps_that_were_measured_wrongly():
    results = make_whole()
    for block in find(results["comparisons"][0], "port fp32")["blocks"]:
        for sample in block:
            sample.update(s=0.01, drain_s=0.59)
    port = make_epochs(results, results["comparisons"][2])[1]
    assert (port.contestant, port.stall) == ("port fp32", None)


def test_the_agreement_is_worked_out_by_hand():
    comparison = make_compute("forward")
    base, port, bf16 = (row["evidence"] for row in comparison["contestants"])
    base["probabilities"] = [[0.5, 0.25, 0.25], [0.125, 0.5, 0.375], [1.0, 0.0, 0.0]]
    port["probabilities"] = [[0.5, 0.25, 0.25], [0.125, 0.375, 0.5], [1.0, 0.0, 0.0]]
    bf16["probabilities"] = [[0.25, 0.5, 0.25], [0.125, 0.375, 0.5], [0.75, 0.25, 0.0]]
    found = [(row.contestant, row.precision, row.difference, row.changed, row.images) for row in list_agreement(comparison)]
    assert found == [("port fp32", "fp32", 0.125, 1, 3), ("port bf16", "bf16", 0.25, 2, 3)]
    shown = tables(render(make_results(comparison)))["Forward pass on a resident batch"]
    assert shown[-3:] == [
        ["on these images", "against", "largest difference of a probability", "changed decisions"],
        ["port fp32", "legacy fp32", "0.12", "1 of 3"],
        ["port bf16", "legacy fp32", "0.25", "2 of 3"],
    ]


def test_only_what_kept_its_probabilities_agrees():
    comparison = make_compute("forward")
    assert list_agreement(make_compute("training_step")) == []
    assert [row.contestant for row in list_agreement(leave_out(comparison, "port fp32"))] == ["port bf16"]
    assert list_agreement(leave_out(comparison, "legacy fp32")) == []
    comparison = make_compute("forward")
    find(comparison, "port fp32")["evidence"]["probabilities"].append([1.0, 0.0, 0.0])
    assert [row.contestant for row in list_agreement(comparison)] == ["port bf16"]
    assert "8 a call, but 9 of the probabilities" in render(make_results(comparison))


def test_probabilities_of_other_images_are_not_compared():
    comparison = make_compute("forward")
    find(comparison, "port fp32")["evidence"]["source"] = {"kind": "resident", "sha256": "0" * 64}
    assert [row.contestant for row in list_agreement(comparison)] == ["port bf16"]


def test_rates_are_those_of_the_port_against_the_legacy():
    steps = exactly(make_compute(legacy_fp32=1.0, legacy_tf32=1.0, port_fp32=1.0), legacy_fp32=0.9, port_fp32=0.6)
    failed = make_compute("forward")
    find(failed, "port bf16")["warm_up"] = []
    without = leave_out(make_compute("predict"), "legacy fp32")
    found = list_rates(make_results(steps, failed, without, make_self()))
    assert [(rate.task, rate.contestant, rate.precision, rate.device) for rate in found] == [
        ("training_step", "port fp32", "fp32", "cpu"),
        ("forward", "port fp32", "fp32", "cpu"),
    ]
    (rate, _) = found
    assert (rate.legacy, rate.port, rate.ratio.value) == pytest.approx((8 / 0.9, 8 / 0.6, 1.5), rel=1e-12)
    assert rate.conditions == "cpu, port fp32 against legacy fp32, batch 8, 300x400, ratio 1.5 to 1.5 (95 %), n 12"
    assert rate.conditions_id == "port-fp32-batch8-300x400"
    (gpu,) = list_rates(make_results(move_to_gpu(make_compute(legacy_fp32=1.0, port_fp32=1.0))))
    assert gpu.device == "cuda"
    assert gpu.conditions.startswith("NVIDIA A100, ")


def test_tf32_is_held_against_tf32():
    """The legacy takes 1 s and, with TF32, 0.5 s; the port with TF32 takes 0.4 s."""
    comparison = make_compute(legacy_fp32=1.0, legacy_tf32=0.5, port_fp32=0.8, port_tf32=0.4)
    ratios = {rate.contestant: rate.ratio.value for rate in list_rates(make_results(comparison))}
    assert ratios == pytest.approx({"port fp32": 1.25, "port tf32": 1.25}, rel=0.002)


def test_the_report_holds_every_contestant_and_says_what_was_not_measured():
    results = make_whole()
    text = render(results)
    found = tables(text)
    titles = {
        "Training step on a resident batch (loss, metrics, gradients, Adam)": 0, "Forward pass on a resident batch": 1,
        "Whole epoch as a user runs it, from the second one on": 2, "The benchmark against itself (small images)": 3,
    }  # fmt: skip
    for title, number in titles.items():
        names = [row["name"] for row in results["comparisons"][number]["contestants"]]
        assert [row[0] for row in found[title][1 : 1 + len(names)]] == names
    step = found["Training step on a resident batch (loss, metrics, gradients, Adam)"]
    assert step == [
        ["", "seconds", "images/s", "speed", "n", "warm-up"],
        ["legacy fp32", "0.9 [0.9, 0.9]", "8.89", "–", "12", "2"],
        ["port fp32", "0.6 [0.6, 0.6]", "13.3", "1.5 [1.5, 1.5]x", "12", "2"],
        ["port bf16", "0.3 [0.3, 0.3]", "26.7", "3 [3, 3]x", "12", "2"],
    ]
    assert found["Forward pass on a resident batch"][3] == ["port bf16", "–", "–", "–", "–", "0"]
    assert "- port bf16: not measured: OutOfMemoryError: 2 GB" in text.splitlines()
    assert found["Whole epoch as a user runs it, from the second one on"][4:] == [
        ["seconds", "training", "of it steps alone", "stall", "validation", "keeping", "first epoch", "its training"],
        ["legacy fp32", "4.00", "4.50", "-12%", "1.00", "0.50", "9.00", "7.50"],
        ["port fp32", "4.00", "3.00", "25%", "1.00", "0.50", "9.00", "7.50"],
        ["port bf16", "4.00", "1.50", "62%", "1.00", "0.50", "9.00", "7.50"],
    ]
    assert "300x400, batch 8; 4 rounds of 3 samples" in text
    assert "96x128, batch 8; 16 rounds of 8 samples" in text


def test_the_report_says_under_which_conditions():
    text = render(make_whole())
    assert "- measured 2026-01-02T03:04:05Z, data: demo" in text
    assert "- A processor (avx2, amx_bf16), 2 cores, 8.1 GB, Linux; GPU: none" in text
    assert "- legacy fp32: cpu, 2 threads, tf32 off, onednn on; numpy 2.0" in text
    assert "- port bf16: cpu, 2 threads, tf32 off, onednn on; numpy 2.0" in text
    results = make_results(move_to_gpu(make_compute()), gpu={"name": "NVIDIA A100", "driver": "550.54"})
    results["merged"] = ["2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z"]
    text = render(results)
    assert "- measured 2026-01-01T00:00:00Z and 2026-02-02T00:00:00Z, data: demo" in text
    assert "GPU: NVIDIA A100, driver 550.54" in text


def test_joined_results_are_not_said_to_have_taken_turns():
    results = {**make_results(make_compute()), "merged": ["2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z"]}
    assert "ABBA" not in render(results)


def test_the_report_says_what_was_unfair():
    results = make_whole()
    checks = 3 * 8 + 2 * 8 + 3 * 8 + 3 * 8 + 2  # of steps, forward passes of two, epochs, the port against itself
    assert f"{checks} of {checks} checks passed." in render(results)
    assert [row[1] for row in tables(render(results))["Was it fair?"][1:]] == ["same as itself", "slowdown seen"]
    find(results["comparisons"][0], "port bf16")["warm_up"] = []
    text = render(results)
    assert f"{checks - 1} of {checks} checks passed." in text
    assert tables(text)["Was it fair?"] == [
        ["task", "check", "contestant", "verdict", "found"],
        ["training_step", "warmed up", "port bf16", "FAIL", "no call was thrown away"],
    ]
    assert "- port bf16: no ratio: warmed up (port bf16): no call was thrown away" in text.splitlines()


def test_memory_is_shown_where_a_process_had_one_task():
    rows = {row[0]: row[1:] for row in tables(render(make_whole()))["Memory and start-up"][1:]}
    assert rows["epoch: port fp32"] == ["3.2 s", "1.5 s", "2.50", "–"]
    assert rows["training_step: port fp32"] == ["3.2 s", "1.5 s", "–", "–"]
    assert "forward: port bf16" not in rows
    results = make_whole()
    find(results["comparisons"][2], "port fp32")["device_peak_bytes"] = 3_210_000_000
    rows = {row[0]: row[1:] for row in tables(render(results))["Memory and start-up"][1:]}
    assert rows["epoch: port fp32"][-1] == "3.21"


def test_a_benchmark_of_nothing_can_be_rendered(tmp_path: Path):
    nobody = leave_out(make_epoch_comparison(), "legacy fp32", "port fp32", "port bf16", why="no room")
    results = make_results(nobody)
    assert not any(map(is_measured, nobody["contestants"]))
    write_report(tmp_path, results)
    text = (tmp_path / REPORT).read_text(encoding="utf-8")
    assert text.count("not measured: no room") == 3
    assert "0 of 0 checks passed." in text
    assert tables(text)["Whole epoch as a user runs it, from the second one on"][1:] == [
        [name, "–", "–", "–", "–", "0"] for name in ("legacy fp32", "port fp32", "port bf16")
    ]
    assert not (tmp_path / FIGURE).exists()


def test_the_report_and_its_figure_are_written(tmp_path: Path):
    results = make_whole()
    write_report(tmp_path, results)
    assert (tmp_path / REPORT).read_text(encoding="utf-8") == render(results) + "\n"
    assert f"]({FIGURE})" in render(results)
    assert texts(tmp_path / FIGURE) >= {"legacy fp32", "port fp32", "port bf16", "compute", "stall", "validation", "keeping"}


def texts(path: Path) -> set[str]:
    return {"".join(node.itertext()).strip() for node in ElementTree.parse(path).iter(f"{SVG}text")}


def bars(path: Path) -> dict[str, list[tuple[float, float]]]:
    """Return where the bars of each colour begin and end, without those of the legend, from the top to the bottom."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    for node in ElementTree.parse(path).iter(f"{SVG}path"):
        colour = re.search(r"fill: (#[0-9a-f]{6})", node.get("style", ""))
        points = [tuple(map(float, pair)) for pair in re.findall(r"[ML] ([\d.]+) ([\d.]+)", node.get("d", ""))]
        if colour and node.get("clip-path"):
            across = [x for x, _ in points]
            found.setdefault(colour[1], []).append((points[0][1], min(across), max(across)))
    return {colour: [(left, right) for _, left, right in sorted(rows)] for colour, rows in found.items()}


EPOCHS = (
    Epoch(
        contestant="legacy <fp32> & more", parts={"training": 4.0, "validation": 1.0, "keeping": 0.5}, compute=None, first=9.0,
        first_training=7.5,
    ),
    Epoch(
        contestant="port fp32", parts={"training": 2.0, "validation": 0.5, "keeping": 0.25}, compute=1.5, first=9.0,
        first_training=7.5,
    ),
    Epoch(
        contestant="port bf16", parts={"training": 1.0, "validation": 0.5, "keeping": 0.25}, compute=1.5, first=9.0,
        first_training=7.5,
    ),
)  # fmt: skip


def test_an_epoch_is_split_into_what_is_drawn():
    drawn = [split_parts(epoch) for epoch in EPOCHS]
    assert drawn == [
        {"training": 4.0, "validation": 1.0, "keeping": 0.5},
        {"compute": 1.5, "stall": 0.5, "validation": 0.5, "keeping": 0.25},
        {"compute": 1.0, "stall": 0.0, "validation": 0.5, "keeping": 0.25},
    ]
    assert [sum(parts.values()) for parts in drawn] == [sum(epoch.parts.values()) for epoch in EPOCHS]


def test_the_figure_is_well_formed_and_its_bars_are_as_long_as_they_say(tmp_path: Path):
    write_epochs(tmp_path / FIGURE, EPOCHS)
    assert ElementTree.parse(tmp_path / FIGURE).getroot().tag == f"{SVG}svg"
    assert texts(tmp_path / FIGURE) >= {
        "legacy <fp32> & more", "port fp32", "port bf16", "seconds of an epoch (median)", *COLOURS,
    }  # fmt: skip
    found = bars(tmp_path / FIGURE)
    assert set(found) == {colour.lower() for colour in COLOURS.values()}
    begin, end = found[COLOURS["training"].lower()][0]
    second = (end - begin) / 4.0
    drawn = {
        "compute": [(0.0, 1.5), (0.0, 1.0)], "stall": [(1.5, 2.0), (1.0, 1.0)],
        "validation": [(4.0, 5.0), (2.0, 2.5), (1.0, 1.5)], "keeping": [(5.0, 5.5), (2.5, 2.75), (1.5, 1.75)],
    }  # fmt: skip
    for name, seconds in drawn.items():
        expected = [begin + second * value for pair in seconds for value in pair]
        assert [value for pair in found[COLOURS[name].lower()] for value in pair] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("count", [1, 3])
def test_the_figure_is_the_same_bytes_twice(tmp_path: Path, count: int):
    paths: Sequence[Path] = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for path in paths:
        write_epochs(path, EPOCHS[:count])
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert b"<dc:date>" not in paths[0].read_bytes()


def test_bars_of_two_batch_sizes_can_be_told_apart(tmp_path: Path):
    other = make_epoch_comparison()
    other["options"] = {"batch_size": 16}
    write_report(tmp_path, make_results(make_epoch_comparison(), other))
    names = [name for name in texts(tmp_path / FIGURE) if name.startswith(("legacy", "port"))]
    assert len(names) == 6


def test_the_figure_of_an_earlier_benchmark_goes(tmp_path: Path):
    write_report(tmp_path, make_whole())
    write_report(tmp_path, make_results(make_compute()))
    assert not (tmp_path / FIGURE).exists()
