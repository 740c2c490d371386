"""``results.json``: raw samples of a benchmark and its conditions, from which everything that is shown is computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.audit import is_measured
from parity.artefact import hash_file
from parity.errors import BadInputError, bad_input
from parity.files import write_whole
from parity.imports import imported_files
from parity.ownership import refuse_results
from parity.reuse import CUDA_LOCK, LOCKS, PACKAGES, hash_files, hash_package
from parity.workspace import PROJECT

SCHEMA = "benchmark/1"
MEASURED_BY = ("benchmarks.drive", "benchmarks.worker", "benchmarks.legacy", "benchmarks.port")
CONDITIONS = ("started", "host", "data", "code", "comparisons")
FILE = "results.json"
FOLDER = PROJECT / "runs" / "bench"  # where they are unless told otherwise, and where the next parity run looks


def write_results(folder: Path, results: dict[str, Any]) -> None:
    """Write the file; it appears only when it is whole."""
    write_whole(folder / FILE, json.dumps(results, indent=1) + "\n")


def refuse_others(folder: Path, *, merged: bool) -> None:
    """Refuse a folder with other files than those of an earlier benchmark; joined results do not replace measured ones.

    Raises:
        BadInputError: It is such a folder, or cannot be written.
    """
    try:
        is_ours = ("merged" in read_results(folder)) == merged
    except BadInputError:
        is_ours = False
    refuse_results(folder, folder / FILE, is_ours, made_by="nox -s bench -- merge" if merged else "nox -s bench")


def read_results(path: Path) -> dict[str, Any]:
    """Read the results of a run's folder, or of a file.

    Raises:
        BadInputError: There are none.
    """
    file = path / FILE if path.is_dir() else path
    remedy = "give a folder that nox -s bench wrote"
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise bad_input("results", "be a benchmark's results.json", str(error), str(file), remedy) from error
    if not isinstance(results, dict) or results.get("schema") != SCHEMA:
        raise bad_input("schema", f"be {SCHEMA}", str(results)[:80], str(file), remedy)
    missing = [name for name in CONDITIONS if name not in results]
    if missing:
        raise bad_input("results", f"hold {', '.join(CONDITIONS)}", f"no {', '.join(missing)}", str(file), remedy)
    return results


def hash_measured_code() -> dict[str, str]:
    """Return the hashes of the code and the locks that a benchmark measures, and of what of `parity` it measures with."""
    packages = [name for name in (*PACKAGES.values(), "benchmarks") if (PROJECT / name).is_dir()]
    locks = [name for name in (*(LOCKS[side] for side in PACKAGES), CUDA_LOCK) if (PROJECT / name).is_file()]
    imported = imported_files(PROJECT, *MEASURED_BY)
    found = {name: hash_package(name) for name in packages} | {name: hash_file(PROJECT / name) for name in locks}
    return {**found, "parity": hash_files(path for path in imported if PROJECT / "parity" in path.parents)}


def find_current() -> Path | None:
    """Return the results in `FOLDER` if they were measured to the end, with the present code and locks."""
    file = FOLDER / FILE
    if not file.is_file():
        return None
    results = read_results(file)
    return file if results.get("finished") and results["code"] == hash_measured_code() else None


def merge_results(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Join what two machines of the same kind measured, for example each one side: same GPU, driver, processor, code and data.

    Contestants that only one of the two has measured are taken from it; one that both have measured is refused, for which
    would count?

    Raises:
        BadInputError: The machines differ, there is no GPU, or a contestant was measured twice.
    """
    gpus = [results["host"]["gpu"] for results in (first, second)]
    if None in gpus or gpus[0] != gpus[1]:
        raise bad_input("gpu", "be the same model with the same driver in both results", gpus, "bench merge", "measure again")
    for name, values in _conditions(first, second).items():
        if values[0] != values[1]:
            raise bad_input(name, "be the same in both results", values, "bench merge", "measure again")
    found = {_key(comparison): comparison for comparison in second["comparisons"]}
    joined = [_join(comparison, found.pop(_key(comparison), None)) for comparison in first["comparisons"]]
    return {
        **first, "comparisons": [*joined, *found.values()], "merged": [first["started"], second["started"]],
        "finished": bool(first.get("finished") and second.get("finished")),
    }  # fmt: skip


def _conditions(*measured: dict[str, Any]) -> dict[str, list[Any]]:
    """Return what results that are joined must have in common."""
    found = {name: [results[name] for results in measured] for name in ("code", "data")}
    return found | {name: [results["host"][name] for results in measured] for name in ("processor", "cores")}


def _key(comparison: dict[str, Any]) -> str:
    return json.dumps([comparison[name] for name in ("what", "task", "options", "image_size", "rounds", "samples")])


def _join(comparison: dict[str, Any], other: dict[str, Any] | None) -> dict[str, Any]:
    if other is None:
        return comparison
    rows = {row["name"]: row for row in other["contestants"]}
    joined = []
    for row in comparison["contestants"]:
        twin = rows.pop(row["name"], None)
        if twin is not None and is_measured(row) and is_measured(twin):
            raise bad_input("contestant", "be measured in one of the results only", row["name"], "bench merge", "leave one out")
        joined.append(twin if twin is not None and is_measured(twin) else row)
    return {**comparison, "contestants": [*joined, *rows.values()]}
