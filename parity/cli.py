"""``python -m parity``: the words behind the nox targets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from parity.console import show_progress
from parity.contract import ARCHITECTURES, GATES, PROFILES, RESOLUTIONS, SPLITS
from parity.faults.choice import Choice
from parity.faults.coverage import run_coverage
from parity.faults.kept import run_faults
from parity.faults.pool import LIMIT_S
from parity.faults.scorecard import FOLDER, SELECTION_FOLDER
from parity.golden.guard import GuardOptions
from parity.golden.guard import guard as run_guard
from parity.judge import has_comparison
from parity.options import choose_some, choose_word, choose_words, run_app, split_words
from parity.pipeline import DEMO, Options, choose_device
from parity.pipeline import run as run_pipeline
from parity.report import read_report, render_console, render_diff, render_report
from parity.signoff.cli import Signers, SignersDigest, signoff
from parity.signoff.retire import BRANCH
from parity.signoff.retire import retire as retire_legacy
from parity.workspace import PROJECT

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    help="Prove that the PyTorch port is the same function as the Keras pipeline.",
)  # fmt: skip


app.add_typer(signoff)


@app.command()
def run(
    data: Annotated[Path | None, typer.Option(help="Folder with data.csv and images/. Default: the embedded demo.")] = None,
    checkpoint: Annotated[str, typer.Option(help="Keras checkpoint of any format. Needed with --data.")] = DEMO,
    resolution: Annotated[str, typer.Option(help="20x or 40x.")] = "20x",
    split: Annotated[str, typer.Option(help="published, random, or a CSV file with patient_id,split.")] = "published",
    splits: Annotated[str, typer.Option(help="Splits to compare, with commas.")] = "val,test",
    image_scale: Annotated[float | None, typer.Option(help="Network input as a fraction of 1200x1600. Default 0.25.")] = None,
    images: Annotated[int | None, typer.Option(min=1, help="First N images of each split, balanced over classes.")] = None,
    profile: Annotated[str, typer.Option(help="probe (seconds), quick, or full (for the sign-off).")] = "quick",
    arch: Annotated[
        str, typer.Option(help="resnet50v2, or torchvision_resnet50 to see what a drop-in would be.")
    ] = ARCHITECTURES[0],
    device: Annotated[str | None, typer.Option(help="cpu or cuda. Default: the GPU if there is one.")] = None,
    witness: Annotated[Path | None, typer.Option(help="predictions.csv of your own production code.")] = None,
    gates: Annotated[str | None, typer.Option(help="Only these gates, with commas.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of a new or an earlier run. Default: runs/<data>-<resolution>-<profile>."),
    ] = None,
) -> None:
    """Record both sides, compare them, and say whether the port is the same function.

    Ends with 0 PASS, 1 FAIL, 2 bad input, 3 INCONCLUSIVE, 4 NOT_RUN.
    """
    with show_progress() as listen:
        options = Options(
            data=data,
            checkpoint=checkpoint,
            resolution=choose_word("--resolution", resolution, RESOLUTIONS),
            split=split,
            splits=choose_words("--splits", splits, SPLITS),
            image_scale=image_scale,
            images=images,
            profile=choose_word("--profile", profile, tuple(PROFILES)),
            arch=choose_word("--arch", arch, ARCHITECTURES),
            device=choose_word("--device", device, ("cpu", "cuda")) if device else None,
            witness=witness,
            gates=choose_some("--gates", gates, tuple(gate for gate in GATES if has_comparison(gate))),
            out=out,
        )
        verdict, folder = run_pipeline(options, listen)
    print(render_console(read_report(folder / "report.json"), folder=folder))
    raise typer.Exit(verdict.exit_code)


@app.command()
def report(run_folder: Annotated[Path, typer.Argument(help="Folder of a run.")]) -> None:
    """Render the report of a finished run again."""
    folder = run_folder / "report"
    for path in render_report(folder):
        print(path)
    print(render_console(read_report(folder / "report.json"), folder=folder))


@app.command()
def diff(
    first: Annotated[Path, typer.Argument(help="Folder of a run.")],
    second: Annotated[Path, typer.Argument(help="Folder of another.")],
) -> None:
    """Say what changed between two runs: what was run, verdicts, checks, decisions; not how long it took.

    Ends with 0 if nothing did, else with 1; 2 for bad input.
    """
    found = render_diff(*(read_report(folder / "report" / "report.json") for folder in (first, second)))
    print(found or "no difference")
    raise typer.Exit(1 if found else 0)


@app.command()
def faults(
    only: Annotated[str | None, typer.Option(help="Only these faults, with commas.")] = None,
    stage: Annotated[str | None, typer.Option(help="Only the faults of these stages, with commas.")] = None,
    tier: Annotated[str | None, typer.Option(help="Only these tiers, with commas: 1, 2, 3, control, hazard.")] = None,
    faults_from: Annotated[
        Path | None, typer.Option(help="Python file with faults of your own instead of the project's.")
    ] = None,
    gates: Annotated[
        str | None, typer.Option(help="Record exactly these gates, with commas, and go on after one has failed.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with data.csv and images/. Default: the embedded demo.")] = None,
    checkpoint: Annotated[str, typer.Option(help="Keras checkpoint of any format. Needed with --data.")] = DEMO,
    image_scale: Annotated[float | None, typer.Option(help="Network input as a fraction of 1200x1600. Default 0.08.")] = None,
    limit: Annotated[float, typer.Option(min=1, help="Seconds that a gate may take with a fault in the port.")] = LIMIT_S,
    jobs: Annotated[int, typer.Option(min=0, help="Warm processes at a time. Default: one for each core.")] = 0,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Plant nothing: list the functions and branches that no gate runs.")
    ] = False,
    keep: Annotated[
        Path | None, typer.Option(help="Write what the README says of a whole suite, or which gate runs what, to this file.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder. Default: runs/faults, of a choice runs/faults-selection.")] = None,
) -> None:
    """Plant known mistakes in the port, one at a time, and say which of them the gates catch, and where.

    Without a choice of faults the suite also runs the correct port on other weights and images, and finds the smallest fault
    that each gate sees. Ends with 0 if everything is caught and nothing else is, else with 1; 2 for bad input.
    """
    choice = Choice(
        only=split_words("--only", only),
        stages=split_words("--stage", stage),
        tiers=split_words("--tier", tier),
        file=faults_from,
        gates=split_words("--gates", gates),
        data=data,
        checkpoint=checkpoint,
        image_scale=image_scale,
        limit_s=limit,
        jobs=jobs,
    )
    choice = replace(choice, out=(out or (FOLDER if choice.whole else SELECTION_FOLDER)).resolve())
    with show_progress() as listen:
        text, shortcomings = run_coverage(choice, listen, keep) if coverage else run_faults(choice, listen, keep)
    print(text)
    raise typer.Exit(1 if shortcomings else 0)


@app.command()
def guard(
    bundle: Annotated[Path, typer.Option(help="Golden bundle.")] = GuardOptions.bundle,
    data: Annotated[Path | None, typer.Option(help="The signed run's images: ask the port again for every answer.")] = None,
    weights: Annotated[Path, typer.Option(help="The accepted checkpoint, for --data.")] = GuardOptions.weights,
    device: Annotated[str, typer.Option(help="Where the port computes: cpu or cuda.")] = GuardOptions.device,
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = GuardOptions.out,
) -> None:
    """Hold the port against the golden bundle, without TensorFlow and without legacy_tf.

    Ends with 0 PASS, 1 FAIL, 2 bad input, 3 INCONCLUSIVE, 4 NOT_RUN.
    """
    with show_progress() as listen:
        chosen = choose_device(choose_word("--device", device, ("cpu", "cuda")))
        options = GuardOptions(bundle=bundle, data=data, weights=weights, out=out, device=chosen)
        verdict, folder = run_guard(options, listen)
    print(render_console(read_report(folder / "report.json"), folder=folder))
    raise typer.Exit(verdict.exit_code)


@app.command()
def retire(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would go, and change nothing.")] = False,
    signers: Signers = None,
    signers_sha256: SignersDigest = None,
) -> None:
    """Remove legacy_tf and what only it needs, as one commit on the new branch retire-legacy.

    Refused without a valid sign-off by an author and an approver. Ends with 0, or with 2 where it is refused.
    """
    files = retire_legacy(PROJECT, dry_run=dry_run, signers=signers, signers_sha256=signers_sha256)
    print("\n".join(files))
    print(f"{len(files)} files would go" if dry_run else f"{len(files)} files are gone on branch {BRANCH}: run nox -s guard")


def main() -> None:
    """Run the command line."""
    run_app(app, "parity", interrupted="the same command resumes")
