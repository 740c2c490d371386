"""Signing a run off: the author for what was measured, then the approver for the decision."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from securesystemslib.signer import CryptoSigner

from parity.artefact import hash_file
from parity.clock import Clock
from parity.contract import GATES
from parity.errors import bad_input
from parity.files import writing
from parity.golden.make import make_bundle
from parity.judge import compare_gate
from parity.pipeline import GATES_FILE, WAIVERS_FILE
from parity.processes import Listener
from parity.provenance import describe_run
from parity.report import Report, read_report, to_plain
from parity.reuse import CUDA_LOCK, LOCKS, hash_package
from parity.signoff import covered
from parity.signoff.envelope import read_digests, write_envelope
from parity.signoff.evidence import gathered, refuse_evidence, replace_evidence
from parity.signoff.git import find_uncommitted
from parity.signoff.keys import APPROVER, SIGNERS_FILE, keys_of, read_key, read_signers
from parity.signoff.statement import make_approval, make_statement
from parity.signoff.verify import Status, verify
from parity.tolerance import read_gates_file
from parity.verdict import Verdict
from parity.waivers import apply_waivers, read_waivers
from parity.workspace import PROJECT, Workspace

PROFILE = "full"
SPLITS = {"val", "test"}
OF_ITS_TIME = ("started", "elapsed_s", "host")  # what a report says of a run and its folder does not


def sign(run: Path, *, name: str, role: str, key: Path, demo: bool, signers: Path | None, listen: Listener) -> Path:
    """Sign a finished run in a role; return the envelope that was written.

    Args:
        run: Folder of the run.
        name: Of who signs, as in ``signers.toml``.
        role: ``author`` or ``approver``.
        key: Private key.
        demo: Whether it is known that the run is of the demo.
        signers: Who may sign; default ``signers.toml`` of the project.
        listen: Called with each progress line.

    Raises:
        BadInputError: The run, the project or the key cannot be signed with; nothing has been written.
    """
    signer = _find_key(name, role, key, signers or PROJECT / SIGNERS_FILE)
    report = read_report(run / "report" / "report.json")
    _refuse([*_uncommitted(), *find_obstacles(report, demo=demo), *_differences(report)])
    if role == APPROVER:
        return _approve(run, report, name, signer, signers)
    workspace = Workspace(run.resolve())
    _refuse(_moved_verdicts(workspace, report))
    root = PROJECT
    refuse_evidence(root)
    project = covered.covered_files(root)
    configuration = [file for file, kind in project.items() if kind in (covered.LOCKS, covered.LEGACY)]
    subjects = covered.digests(root, [file for file in project if file not in configuration])
    with gathered(root) as fresh:
        make_bundle(workspace, fresh / covered.GOLDEN, listen)
        with writing(root / covered.FOLDER):
            shutil.copytree(workspace.report, fresh / covered.REPORT)
            shutil.copyfile(workspace.port_weights, fresh / covered.WEIGHTS)
        subjects |= covered.digests(fresh, covered.evidence_files(fresh))
        statement = make_statement(report, subjects, covered.digests(root, configuration), name=name)
        write_envelope(fresh / covered.AUTHOR_FILE, statement, signer)
        replace_evidence(root, fresh)
    return root / covered.AUTHOR_FILE


def _approve(run: Path, report: Report, name: str, signer: CryptoSigner, signers: Path | None) -> Path:
    """Sign that what an author has signed is accepted."""
    found = verify(PROJECT, signers=signers)
    if found.status not in (Status.UNAPPROVED, Status.VALID):
        must = "be signed by an author, and unchanged since"
        raise bad_input("sign-off", must, found.render().replace("\n", "; "), covered.AUTHOR_FILE, "let the author sign again")
    signed = read_digests(found.statement)
    if hash_file(run / "report" / "report.json") != signed[f"{covered.REPORT}/report.json"]:
        raise bad_input("RUN", "be the run that its author signed", "another report.json", str(run), "give that run")
    if found.author_key == signer.public_key.keyid or found.author == name:
        raise bad_input(
            "approver", "not be the author", name, covered.AUTHOR_FILE, "let somebody else approve, with another key"
        )
    digests = covered.digests(PROJECT, [covered.AUTHOR_FILE])
    approval = make_approval(found.author, report["headline"], digests, name=name, demo=report["run"]["demo"])
    write_envelope(PROJECT / covered.APPROVER_FILE, approval, signer)
    return PROJECT / covered.APPROVER_FILE


def _find_key(name: str, role: str, key: Path, signers: Path) -> CryptoSigner:
    """Return the private key, whose public one is listed under that name and role."""
    signer = read_key(key)
    names = {row.name for row in keys_of(read_signers(signers), role) if row.key.keyid == signer.public_key.keyid}
    if name not in names:
        remedy = f'add a [[signer]] with name, role and key = "{signer.public_key.keyval["public"]}", and commit it'
        raise bad_input("--key", f"be listed for {name} as {role}", "no such entry", str(signers), remedy)
    return signer


def find_obstacles(report: Report, *, demo: bool) -> Iterator[str]:
    """Yield why a report must not be signed: it passes, of everything, or it is not signed."""
    run, data = report["run"], report["run"]["data"]
    for gate in report["gates"]:
        if gate["required"] and gate["verdict"] not in (Verdict.PASS.value, Verdict.WAIVED.value):
            yield f"{gate['gate']} is {gate['verdict']}"
    if report["verdict"] != Verdict.PASS.value:
        yield f"the run is {report['verdict']}"
    if run["profile"] != PROFILE:
        yield f"its profile is {run['profile']}, not {PROFILE}"
    if "--images" in run["command"]:
        yield f"it used {data['images']} images (--images), not every one"
    if not set(data["splits"]) >= SPLITS:
        yield f"it used the splits {', '.join(data['splits'])}, not val and test"
    if run["demo"] and not demo:
        yield "it is of the demo: sign that it is one with --demo"
    if demo and not run["demo"]:
        yield "it is not of the demo: leave --demo out"
    if not run["demo"] and run["witness"] is None:
        yield "the legacy is unwitnessed: run with --witness predictions.csv"


def _differences(report: Report) -> Iterator[str]:
    """Yield what has changed since the run."""
    run = report["run"]
    for package, digest in run["code"].items():
        if hash_package(package) != digest:
            yield f"{package} is not the code that ran"
    for side, lock in LOCKS.items():
        known = [lock, CUDA_LOCK] if side == "legacy" else [lock]
        if run["environments"].get(side, {}).get("lock") not in [hash_file(PROJECT / name) for name in known]:
            yield f"{' or '.join(known)} is not the lock that the {side} environment had"
    if run["gates_toml"] != hash_file(GATES_FILE):
        yield "gates.toml is not the one of the run"


def _moved_verdicts(workspace: Workspace, report: Report) -> Iterator[str]:
    """Compare what was recorded once more, and yield what does not come out as the report says."""
    gates_file = read_gates_file(GATES_FILE)
    run = to_plain(describe_run(workspace, gates_file, Clock()))
    wrong = [key for key, value in run.items() if key not in OF_ITS_TIME and value != report["run"][key]]
    if wrong:
        yield f"{', '.join(wrong)} of the run are not what its report says"
    found = [compare_gate(gate, workspace, gates_file) for gate in GATES]
    results = {result.gate: result for result in apply_waivers(read_waivers(WAIVERS_FILE), found, date.today())}
    for gate in report["gates"]:
        if to_plain([check.to_dict() for check in results[gate["gate"]].checks]) != gate["checks"]:
            yield f"{gate['gate']} does not come out as its report says"


def _uncommitted() -> Iterator[str]:
    files = find_uncommitted(PROJECT, beside=(covered.FOLDER,))
    if files:
        yield f"{len(files)} files are not committed: {', '.join(files[:5])}"


def _refuse(obstacles: Iterator[str] | Sequence[str]) -> None:
    found = list(obstacles)
    if found:
        must = "be what can be signed"
        raise bad_input("run", must, "; ".join(found), "this project", "mend that, run nox -s parity -- --profile full again")
