"""A whole run: check the input, record the legacy, record the port, compare, report."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from benchmarks.results import find_current
from parity.artefact import hash_file
from parity.assemble import assemble_report
from parity.clock import Clock
from parity.contract import GATES, PROFILES, RunSpec
from parity.dataset import DatasetFacts, read_dataset
from parity.demo import cache
from parity.devices import has_gpu
from parity.disk import check_disk
from parity.errors import bad_input
from parity.evaluation import EVALUATED_GATES, evaluated
from parity.files import write_whole
from parity.fixtures import write_fixtures
from parity.judge import compare_gate
from parity.ownership import refuse_folder, remove_previous_report, set_report_aside
from parity.predictions import read_predictions
from parity.processes import Listener, interpreter, run_side
from parity.report import render_report, write_report
from parity.reuse import PACKAGES
from parity.signoff.retired import legacy_is_gone
from parity.splits import check_split
from parity.tolerance import GatesFile, read_gates_file
from parity.verdict import Verdict
from parity.waivers import Waiver, apply_waivers, find_broken, read_waivers
from parity.workspace import PROJECT, Workspace

DEMO = "demo"
GATES_FILE, WAIVERS_FILE = PROJECT / "gates.toml", PROJECT / "waivers.toml"
SMALLEST_SCALE = 0.03  # 36 x 48 pixels: below it the last maps of the network have one cell


@dataclass(frozen=True, kw_only=True)
class Options:
    """The words of the command line. Paths may be relative; `data` None and `checkpoint` ``demo`` are the embedded demo."""

    data: Path | None = None
    checkpoint: str = DEMO
    resolution: str = "20x"
    split: str = "published"
    splits: tuple[str, ...] = ("val", "test")
    image_scale: float | None = None
    images: int | None = None
    profile: str = "quick"
    arch: str = "resnet50v2"
    device: str | None = None
    witness: Path | None = None
    gates: tuple[str, ...] = ()
    out: Path | None = None

    @property
    def folder(self) -> Path:
        """Folder of the run: the same options come back to the same one, so that a run resumes."""
        name = self.data.resolve().name if self.data else DEMO
        return (self.out or PROJECT / "runs" / f"{name}-{self.resolution}-{self.profile}").resolve()


def run(options: Options, listen: Listener) -> tuple[Verdict, Path]:
    """Do everything that `options` ask for; return the verdict and the folder of the report.

    Raises:
        BadInputError: An input cannot be used; what was recorded before stays.
    """
    if legacy_is_gone(PROJECT):
        remedy = "it is retired: nox -s guard holds the port against what it did"
        raise bad_input(PACKAGES["legacy"], "be there", "nothing of it", str(PROJECT), remedy)
    workspace, clock = Workspace(options.folder), Clock()
    gates_file = read_gates_file(GATES_FILE)
    waivers = read_waivers(WAIVERS_FILE)
    check_options(options)
    refuse_folder(workspace)
    with workspace.lock():
        data = options.data.resolve() if options.data else cache.make_dataset(cache.DEMO, listen)
        check_split(options.split, data / "data.csv", options.resolution)
        facts = read_dataset(data, options.resolution)
        check_witness(options.witness, data)
        checkpoint = (
            cache.make_checkpoint(cache.DEMO, listen) if options.checkpoint == DEMO else Path(options.checkpoint).resolve()
        )
        clock.lap("demo" if options.data is None else "check")
        spec = make_spec(options, data, facts, checkpoint, gates_file)
        disk_bytes = check_disk(spec, facts, workspace)
        # Everything has been checked: from here on what an earlier run has left is changed.
        set_report_aside(workspace)
        prepare(workspace, spec, options.witness)
        fix_limits(workspace, gates_file)
        record_side(workspace, "legacy", listen)
        clock.lap("legacy")
        # Much of either `evaluate` is one thread's start-up, for which what runs beside it leaves room.
        with evaluated(workspace, "legacy", listen):
            record_side(workspace, "port", listen)
        clock.lap("port")
        return conclude(workspace, gates_file, waivers, clock, listen, needed_mb=disk_bytes // 1_000_000)


def conclude(
    workspace: Workspace,
    gates_file: GatesFile,
    waivers: Sequence[Waiver],
    clock: Clock,
    listen: Listener,
    *,
    needed_mb: int = 0,
) -> tuple[Verdict, Path]:
    """Compare what both sides recorded, write the report, and return the verdict and the folder of the report."""
    listen({"side": "core", "step": "compare", "done": 0, "of": 1})
    compared = Workspace(workspace.folder)
    with evaluated(workspace, "port", listen):
        results = {gate: compare_gate(gate, compared, gates_file) for gate in GATES if gate not in EVALUATED_GATES}
    results |= {gate: compare_gate(gate, compared, gates_file) for gate in EVALUATED_GATES}
    listen({"side": "core", "step": "compare", "done": 1, "of": 1})
    clock.lap("evaluate and compare")
    found, today = [results[gate] for gate in GATES], date.today()
    report = assemble_report(
        compared,
        gates_file,
        apply_waivers(waivers, found, today),
        waivers=waivers,
        broken=[*find_moved_limits(workspace), *find_broken(waivers, found, today)],
        clock=clock,
        needed_mb=needed_mb,
    )
    write_report(report, workspace.report / "report.json")
    render_report(workspace.report)
    remove_previous_report(workspace)
    return Verdict(report["verdict"]), workspace.report


def record_side(workspace: Workspace, side: str, listen: Listener) -> None:
    """Run a side's recorder: record what is not current."""
    log = workspace.folder / "log" / f"{side}.txt"
    run_side(side, ["-m", "parity.recorder", side, str(workspace.folder)], log=log, listen=listen)


def fix_limits(workspace: Workspace, gates_file: GatesFile) -> None:
    """Write down which limits a run has, before anything of it is recorded; a run that goes on keeps those it began with."""
    if not (workspace.limits.is_file() and workspace.inputs_folder.is_dir()):
        write_whole(workspace.limits, gates_file.sha256)


def find_moved_limits(workspace: Workspace) -> list[str]:
    """Return a sentence where the limits are no longer those that the run began with: nobody must fit them to what was seen."""
    if workspace.limits.read_text(encoding="utf-8") == hash_file(GATES_FILE):
        return []
    if workspace.bundle.is_file():
        return ["gates.toml is not the one that the golden bundle was made with: sign the migration off again"]
    return ["gates.toml changed after this run had begun: start again with another --out"]


def check_options(options: Options) -> None:
    """Refuse what can be refused before anything is drawn, trained or written.

    Raises:
        BadInputError: An option cannot be used, or not with the others, or a side has no environment.
    """
    if options.data is not None and options.checkpoint == DEMO:
        must = "be given with --data: the demo's checkpoint knows the demo's images alone"
        raise bad_input("--checkpoint", must, DEMO, "the command line", "give the checkpoint that was trained on your images")
    check_scale(PROFILES[options.profile].image_scale if options.image_scale is None else options.image_scale)
    find_split(options.split)
    choose_device(options.device)
    if options.checkpoint != DEMO:
        _hash_checkpoint(Path(options.checkpoint).resolve())
    given = {"--witness": options.witness, "--data": options.data, "--checkpoint": options.checkpoint, "--split": options.split}
    for option, path in given.items():
        if path not in (None, DEMO, "published", "random") and Path(path).resolve().is_relative_to(options.folder):
            raise bad_input(option, "be outside of the run's folder", str(path), str(options.folder), "choose another --out")
    if options.witness:
        read_predictions(options.witness)
    find_current()
    for side in PACKAGES:
        interpreter(side)


def check_scale(scale: float) -> float:
    """Return the image scale.

    Raises:
        BadInputError: The network cannot take such images.
    """
    if not (SMALLEST_SCALE <= scale <= 1.0):
        raise bad_input("--image-scale", f"be from {SMALLEST_SCALE} to 1", scale, "the command line", "leave it out for 0.25")
    return scale


def find_split(split: str) -> str:
    """Return the split: a word, or the absolute path of a file.

    Raises:
        BadInputError: There is no such file.
    """
    if split in ("published", "random"):
        return split
    path = Path(split).resolve()
    if not path.is_file():
        raise bad_input("--split", "be published, random or a CSV file", split, "the command line", "check the path")
    return str(path)


def make_spec(options: Options, data: Path, facts: DatasetFacts, checkpoint: Path, gates_file: GatesFile) -> RunSpec:
    """Return the run specification with every default filled in."""
    profile = PROFILES[options.profile]
    gates = options.gates or (*gates_file.required[options.profile], "throughput")
    split = find_split(options.split)
    return RunSpec(
        data=str(data),
        data_sha256=facts.sha256,
        checkpoint=str(checkpoint),
        checkpoint_sha256=_hash_checkpoint(checkpoint),
        resolution=options.resolution,
        split=split,
        split_sha256=hash_file(Path(split)) if Path(split).is_absolute() else "",
        splits=options.splits,
        image_scale=check_scale(profile.image_scale if options.image_scale is None else options.image_scale),
        images=options.images or profile.images,
        profile=options.profile,
        arch=options.arch,
        device=choose_device(options.device),
        gates=tuple(gates),
    )


def choose_device(asked: str | None) -> str:
    """Return ``cuda`` where an NVIDIA GPU is present, else ``cpu``, unless one of them was asked for.

    Raises:
        BadInputError: A GPU was asked for where there is none.
    """
    present = has_gpu()
    if asked == "cuda" and not present:
        raise bad_input("--device", "be present on this machine", "cuda", "the command line", "use --device cpu")
    return asked or ("cuda" if present else "cpu")


def _hash_checkpoint(path: Path) -> str:
    """Return one hash over the files of a checkpoint: a file, a folder, or the prefix of a TensorFlow checkpoint."""
    if path.suffix == ".index" or ".data-" in path.suffix:  # one of the files of a TensorFlow checkpoint
        path = path.with_suffix("")
    elif path.is_file():
        return hash_file(path)
    found = path.rglob("*") if path.is_dir() else path.parent.glob(f"{glob.escape(path.name)}.*")
    files = sorted(item for item in found if item.is_file())
    if not files:
        raise bad_input(
            "--checkpoint",
            "be a Keras checkpoint",
            str(path),
            "the command line",
            "check the path, or leave it out for the demo",
        )
    return "+".join(hash_file(item)[:16] for item in files)


def check_witness(witness: Path | None, data: Path) -> None:
    """Hold the users' own predictions against the images.

    Raises:
        BadInputError: They cannot be read, or are of other images.
    """
    if witness is None:
        return
    known = {path.name for path in Path(data, "images").rglob("*.jpg")}
    unknown = sorted(set(read_predictions(witness)) - known)
    if unknown:
        raise bad_input(
            "--witness", "name images of the data set", ", ".join(unknown[:3]), str(witness),
            "write the file names of images/ in its first column",
        )  # fmt: skip


def prepare(workspace: Workspace, spec: RunSpec, witness: Path | None = None) -> None:
    """Write the specification of a run, by which its folder is known, and what is given to both sides."""
    spec.write_json(workspace.spec_path)
    write_fixtures(workspace.fixtures)
    for source, target in ((find_current(), workspace.benchmark), (witness, workspace.witness)):
        if source is None:
            target.unlink(missing_ok=True)
        else:
            write_whole(target, source.read_bytes())
