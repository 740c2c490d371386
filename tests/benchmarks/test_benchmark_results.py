"""``results.json``: what is kept, what is taken up again, and what two machines may join."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import results as results_module
from benchmarks.inputs import describe_batch
from benchmarks.results import FILE, find_current, hash_measured_code, merge_results, read_results, write_results
from benchmarks.summary import make_rows
from parity import reuse
from parity.errors import BadInputError
from tests.benchmarks.comparisons import (
    NATURAL,
    Comparison,
    failures,
    find,
    leave_out,
    make_compute,
    make_epochs,
    make_results,
)

GPU = {"name": "NVIDIA H100", "driver": "550.54"}
LEGACY, PORT = ("legacy fp32",), ("port fp32", "port bf16")


def test_what_is_written_is_read_back(tmp_path: Path):
    results = make_results(make_compute(), make_epochs())
    folder = tmp_path / "runs" / "bench"
    write_results(folder, results)
    assert read_results(folder) == read_results(folder / FILE) == results
    write_results(folder, {**results, "comparisons": []})
    assert read_results(folder)["comparisons"] == []
    assert [path.name for path in folder.iterdir()] == [FILE], "what is unfinished has its own name and goes"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file or directory"),
        ("", "Expecting value"),
        ('{"schema": "benchmark/1", "comparisons": [', "Expecting value"),
        ("[1, 2]", "`schema` must be benchmark/1, got '\\[1, 2\\]'"),
        ("null", "`schema` must be benchmark/1"),
        ('{"schema": "benchmark/2"}', "`schema` must be benchmark/1, got .*benchmark/2"),
        ("{}", "`schema` must be benchmark/1"),
        ("\ufffe\x00", "must be a benchmark's results.json"),
    ],
    ids=["missing", "empty", "cut off", "a list", "null", "another schema", "no schema", "binary"],
)
def test_a_file_that_is_no_benchmark_is_bad_input(tmp_path: Path, content: str | None, words: str):
    if content is not None:
        (tmp_path / FILE).write_text(content, encoding="utf-16" if "\ufffe" in content else "utf-8")
    for path in (tmp_path, tmp_path / FILE):
        with pytest.raises(BadInputError, match=words) as caught:
            read_results(path)
        assert f" in {tmp_path / FILE}; give a folder that nox -s bench wrote" in str(caught.value)


def one_side(kept: tuple[str, ...], *comparisons: Comparison, started: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    """Return the results of a machine on which only these contestants could be measured."""
    made = comparisons or (make_compute(), make_compute("forward"))
    for comparison in made:
        others = [row["name"] for row in comparison["contestants"] if row["name"] not in kept]
        leave_out(comparison, *others, why="ImportError: not here")
    return {**make_results(*made, gpu=dict(GPU)), "started": started}


def test_each_machine_gives_its_side():
    first, second = one_side(LEGACY), one_side(PORT, started="2026-02-02T00:00:00Z")
    before = copy.deepcopy([first, second])
    joined = merge_results(first, second)
    assert [first, second] == before, "neither is changed"
    assert joined["merged"] == ["2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z"]
    assert joined["host"]["gpu"] == GPU
    whole = [make_compute(), make_compute("forward")]
    assert [comparison["contestants"] for comparison in joined["comparisons"]] == [
        comparison["contestants"] for comparison in whole
    ]
    for found, expected in zip(joined["comparisons"], whole, strict=True):
        assert make_rows(found) == make_rows(expected)
    turned = merge_results(second, first)
    assert [comparison["contestants"] for comparison in turned["comparisons"]] == [
        comparison["contestants"] for comparison in joined["comparisons"]
    ]


def test_what_is_joined_can_be_written(tmp_path: Path):
    joined = merge_results(one_side(LEGACY), one_side(PORT))
    write_results(tmp_path, joined)
    assert read_results(tmp_path) == joined


def test_without_both_sides_there_is_no_ratio():
    """The other machine has measured the same side, or another task, or the same task at another batch size."""
    joined = merge_results(one_side(LEGACY, make_compute()), one_side(PORT, make_compute(batch=16), make_epochs()))
    assert len(joined["comparisons"]) == 3
    for comparison in joined["comparisons"]:
        assert {row.ratio for row in make_rows(comparison)} == {None}
    joined = merge_results(one_side(("port fp32",)), one_side(("port bf16",)))
    for comparison in joined["comparisons"]:
        rows = {row.contestant: row for row in make_rows(comparison)}
        assert {row.ratio for row in rows.values()} == {None}
        assert rows["legacy fp32"].remark == "not measured: ImportError: not here"
        assert rows["port bf16"].time is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [("rounds", 8), ("samples", 5), ("image_size", [600, 800]), ("task", "forward"), ("what", "self"), ("options", {})],
)
def test_comparisons_that_differ_are_not_joined(name: str, value: Any):
    other = {**make_compute(), name: value}
    joined = merge_results(one_side(LEGACY, make_compute()), one_side(PORT, other))
    assert len(joined["comparisons"]) == 2
    assert {row.ratio for comparison in joined["comparisons"] for row in make_rows(comparison)} == {None}


@pytest.mark.parametrize(
    "gpus",
    [
        (GPU, {**GPU, "name": "NVIDIA A100"}), (GPU, {**GPU, "driver": "535.1"}), (GPU, None), (None, GPU), (None, None),
    ],
    ids=["another GPU", "another driver", "none there", "none here", "none at all"],
)  # fmt: skip
def test_machines_that_differ_are_refused(gpus: tuple[dict[str, str] | None, dict[str, str] | None]):
    first, second = one_side(LEGACY), one_side(PORT)
    first["host"]["gpu"], second["host"]["gpu"] = gpus
    with pytest.raises(BadInputError, match=r"`gpu` must be the same model with the same driver in both results"):
        merge_results(first, second)


def test_a_contestant_that_was_measured_twice_is_refused():
    with pytest.raises(BadInputError, match=r"`contestant` must be measured in one of the results only, got 'port fp32'"):
        merge_results(one_side((*LEGACY, "port fp32")), one_side(PORT))
    with pytest.raises(BadInputError, match=r"got 'legacy fp32'"):
        merge_results(one_side(LEGACY), one_side(LEGACY))


def test_other_images_than_the_other_machine_had_get_no_ratio():
    first, second = one_side(LEGACY, make_compute()), one_side(PORT, make_compute())
    for name in PORT:
        find(second["comparisons"][0], name)["evidence"]["source"] = describe_batch(NATURAL[::-1])
    (comparison,) = merge_results(first, second)["comparisons"]
    assert failures(comparison) == {("same data", name) for name in PORT}
    assert {row.ratio for row in make_rows(comparison)} == {None}


@pytest.mark.parametrize("different", ["code", "data", "processor", "cores"])
def test_results_of_other_code_data_or_processors_are_refused(different: str):
    first, second = one_side(LEGACY, make_epochs()), one_side(PORT, make_epochs())
    changes = {"code": {"torch_port": "d" * 64}, "data": "others", "processor": "Another processor", "cores": 64}
    (second if different in second else second["host"])[different] = changes[different]
    with pytest.raises(BadInputError):
        merge_results(first, second)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose code and locks are measured, and where its results are looked for."""
    for name in ("legacy_tf/models.py", "torch_port/model.py", "benchmarks/timing.py", "parity/judge.py", "parity/lines.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\n")
    (tmp_path / "benchmarks" / "worker.py").write_text("def main():\n    from parity.lines import serve\n")
    for name in ("requirements-tf.txt", "requirements-torch.txt", "requirements-core.txt"):
        (tmp_path / name).write_text("numpy==2.0\n")
    for module in (results_module, reuse):
        monkeypatch.setattr(module, "PROJECT", tmp_path)
    monkeypatch.setattr(results_module, "FOLDER", tmp_path / "runs" / "bench")
    return tmp_path


def test_results_of_the_present_code_are_found(project: Path):
    assert find_current() is None
    folder = project / "runs" / "bench"
    write_results(folder, {**make_results(), "code": hash_measured_code()})
    assert find_current() == folder / FILE
    write_results(folder, make_results())
    assert find_current() is None


def test_an_interrupted_benchmark_is_not_found(project: Path):
    interrupted = {**make_results(), "code": hash_measured_code(), "finished": False}
    write_results(project / "runs" / "bench", interrupted)
    assert find_current() is None
    write_results(project / "runs" / "bench", {**interrupted, "finished": True})
    assert find_current() is not None


@pytest.mark.parametrize(("first", "second"), [(True, True), (True, False), (False, True)])
def test_joined_results_are_finished_if_both_are(first: bool, second: bool):
    results = [{**one_side(names, make_epochs()), "finished": side} for names, side in ((LEGACY, first), (PORT, second))]
    assert merge_results(*results)["finished"] == (first and second)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("legacy_tf/models.py", True), ("torch_port/model.py", True), ("benchmarks/timing.py", True),
        ("requirements-tf.txt", True), ("requirements-torch.txt", True), ("torch_port/new.py", True),
        ("parity/lines.py", True), ("parity/judge.py", False), ("requirements-core.txt", False), ("torch_port/notes.md", False),
    ],
)  # fmt: skip
def test_results_of_other_code_are_not_found(project: Path, name: str, counts: bool):
    write_results(project / "runs" / "bench", {**make_results(), "code": hash_measured_code()})
    before = (project / name).read_text() if (project / name).exists() else None
    (project / name).write_text("# changed\n")
    assert (find_current() is None) == counts
    if before is None:
        (project / name).unlink()
    else:
        (project / name).write_text(before)
    assert find_current() is not None


def test_results_outlive_the_legacy_only_until_they_are_measured_again(project: Path):
    write_results(project / "runs" / "bench", {**make_results(), "code": hash_measured_code()})
    assert set(hash_measured_code()) == {
        "legacy_tf", "torch_port", "benchmarks", "parity", "requirements-tf.txt", "requirements-torch.txt",
    }  # fmt: skip
    for name in ("legacy_tf/models.py", "requirements-tf.txt"):
        (project / name).unlink()
    (project / "legacy_tf").rmdir()
    assert set(hash_measured_code()) == {"torch_port", "benchmarks", "parity", "requirements-torch.txt"}
    assert find_current() is None


def test_a_damaged_benchmark_is_not_passed_over_in_silence(project: Path):
    folder = project / "runs" / "bench"
    folder.mkdir(parents=True)
    (folder / FILE).write_text("{")
    with pytest.raises(BadInputError, match=r"results\.json"):
        find_current()


def test_a_benchmark_without_its_conditions_is_bad_input(project: Path):
    folder = project / "runs" / "bench"
    folder.mkdir(parents=True)
    (folder / FILE).write_text(json.dumps({"schema": "benchmark/1"}))
    with pytest.raises(BadInputError):
        find_current()
