"""``python -m benchmarks``: the words behind ``nox -s bench``."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.audit import FAIL, audit
from benchmarks.drive import run_plan
from benchmarks.host import describe_host
from benchmarks.plan import PRECISIONS, WHAT, make_plan
from benchmarks.report import write_report
from benchmarks.results import (
    FILE,
    FOLDER,
    SCHEMA,
    hash_measured_code,
    merge_results,
    read_results,
    refuse_others,
    write_results,
)
from parity.console import show_progress
from parity.contract import RESOLUTIONS
from parity.demo.cache import DEMO, make_checkpoint, make_dataset
from parity.errors import bad_input
from parity.files import made_folder
from parity.options import choose_word, choose_words, run_app
from parity.pipeline import check_scale, choose_device, find_split
from parity.provenance import is_demo
from parity.reuse import PACKAGES
from parity.workspace import PROJECT

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    help="Time both sides, in turns, at the same work.",
)  # fmt: skip


@app.command()
def run(
    device: Annotated[str | None, typer.Option(help="cpu or cuda. Default: the GPU if there is one.")] = None,
    what: Annotated[str, typer.Option(help=f"Some of {','.join(WHAT)}.")] = ",".join(WHAT),
    batch_sizes: Annotated[str, typer.Option(help="Batch sizes, with commas.")] = "8",
    precision: Annotated[
        str | None, typer.Option(help=f"Some of {','.join(PRECISIONS)}. Default: fp32,bf16, and tf32 on a GPU.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with data.csv and images/. Default: the embedded demo.")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Keras checkpoint that the port can convert. Default: the demo's.")
    ] = None,
    resolution: Annotated[str, typer.Option(help="20x or 40x.")] = "20x",
    split: Annotated[str, typer.Option(help="published, random, or a CSV file with patient_id,split.")] = "published",
    image_scale: Annotated[float, typer.Option(help="Network input as a fraction of 1200x1600.")] = 0.25,
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = FOLDER,
) -> None:
    """Measure both sides and write results.json, report.md and, of epochs, epoch.svg.

    Ends with 0; 1 if a check of the measurement itself fails or nothing was measured; 2 bad input.
    """
    device = choose_device(choose_word("--device", device, ("cpu", "cuda")) if device else None)
    usual = "fp32,tf32,bf16" if device == "cuda" else "fp32,bf16"
    precisions = choose_words("--precision", usual if precision is None else precision, PRECISIONS)
    if device == "cpu" and "tf32" in precisions:
        raise bad_input("--precision", "be fp32 or bf16 on a CPU", precision, "the command line", "leave tf32 out")
    sizes = _read_sizes(batch_sizes)
    choose_word("--resolution", resolution, RESOLUTIONS)
    check_scale(image_scale)
    find_split(split)
    _check_inputs(data, checkpoint)
    refuse_others(out, merged=False)
    host = describe_host()
    legacy = (PROJECT / PACKAGES["legacy"]).is_dir()
    plan = make_plan(
        choose_words("--what", what, WHAT), device=device, batch_sizes=sizes, precisions=precisions, legacy=legacy,
        cores=host["cores"],
    )  # fmt: skip
    with show_progress() as listen, made_folder(out), tempfile.TemporaryDirectory(prefix="scratch-", dir=out) as scratch:
        checkpoint = checkpoint or make_checkpoint(DEMO, listen)
        data = data or make_dataset(DEMO, listen)
        settings = {
            "data": str(data.resolve()), "checkpoint": str(checkpoint.resolve()), "device": device, "split": split,
            "resolution": resolution, "scratch": str(Path(scratch).resolve()),
        }  # fmt: skip
        conditions = _describe(data, host)

        def keep(comparisons: list[dict[str, Any]]) -> None:
            write_results(out, {**conditions, "finished": len(comparisons) == len(plan), "comparisons": comparisons})

        if not (out / FILE).exists():
            keep([])  # by it the folder is known as a benchmark's
        run_plan(plan, settings, image_scale=image_scale, batch_sizes=sizes, logs=out / "logs", listen=listen, keep=keep)
    raise typer.Exit(_show(out))


@app.command()
def merge(
    first: Annotated[Path, typer.Argument(help="Folder of results of one machine.", metavar="A")],
    second: Annotated[Path, typer.Argument(help="Folder of results of another.", metavar="B")],
    out: Annotated[Path, typer.Option(help="Folder of the joined results.")] = PROJECT / "runs" / "bench-merged",
) -> None:
    """Join the results of two machines with the same GPU and driver, each of which measured one side."""
    merged = merge_results(read_results(first), read_results(second))
    refuse_others(out, merged=True)
    write_results(out, merged)
    raise typer.Exit(_show(out))


def _show(folder: Path) -> int:
    """Write and print the report; return the exit code."""
    results = read_results(folder)
    print(write_report(folder, results))
    print(f"wrote {folder / 'results.json'} and report.md beside it")
    checks = [check for comparison in results["comparisons"] for check in audit(comparison)]
    return int(not checks or any(check.verdict == FAIL for check in checks))


def _read_sizes(text: str) -> tuple[int, ...]:
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and int(word) > 0 for word in words):
        raise bad_input("--batch-sizes", "be whole numbers of at least 1, with commas", text, "the command line", "give 8,16")
    return tuple(dict.fromkeys(int(word) for word in words))


def _check_inputs(data: Path | None, checkpoint: Path | None) -> None:
    for option, path in {"--data": data and data / "data.csv", "--checkpoint": checkpoint}.items():
        if path is not None and not path.exists():
            raise bad_input(option, "be there", str(path), "the command line", "check the path")


def _describe(data: Path, host: dict[str, Any]) -> dict[str, Any]:
    """Return the conditions of a benchmark."""
    return {
        "schema": SCHEMA,
        "started": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "host": host,
        "data": "demo" if is_demo(str(data)) else data.name,
        "code": hash_measured_code(),
    }


def main() -> None:
    """Run the command line."""
    run_app(app, "bench", interrupted="what was measured so far is in the folder of the results")
