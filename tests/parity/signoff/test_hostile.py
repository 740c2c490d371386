"""Whatever a statement, a bundle, a key or a list of signers holds: one message, exit code 2, and nothing is written."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from parity.errors import BadInputError
from parity.signoff.verify import Status, verify
from parity.workspace import PROJECT

from . import sealing
from .hostile import Case, make_cases
from .project import APPROVER, AUTHOR, Project, make_project

SEED = 20261124
ENVIRONMENT = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass
class CommandLine:
    """The command line of a project with a harness of its own.

    Attributes:
        project: Where it is.
        place: Folder for what is not part of the project.
        process: What runs a command for each line that it is given.
    """

    project: Project
    place: Path
    process: subprocess.Popen[str]

    def run(self, words: list[str]) -> tuple[int, str, str]:
        """Return exit code, standard output and standard error of a command."""
        files = {name: str(self.place / name) for name in ("stdout", "stderr")}
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"words": words, **files}) + "\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        stdout, stderr = (Path(path).read_text(encoding="utf-8") for path in files.values())
        return code, stdout, stderr

    def words(self, case: Case) -> list[str]:
        """Return the command that reads what a case put there."""
        path = str(self.path(case))
        return {
            "statement": ["signoff", "verify"],
            "bundle": ["guard", "--bundle", path, "--out", str(self.place / "out")],
            "key": ["signoff", "sign", "runs/quick", "--name", "Ada", "--role", "author", "--key", path],
            "signers": ["signoff", "verify", "--signers", path],
        }[case.kind]

    def path(self, case: Case) -> Path:
        return self.project.path(case.name) if case.kind == "statement" else self.place / f"hostile-{case.kind}"


@pytest.fixture(scope="module")
def command_line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    folder = tmp_path_factory.mktemp("real")
    project = make_project(folder, code=PROJECT)
    (folder / "place").mkdir()
    command = [sys.executable, str(Path(__file__).with_name("warm.py")), str(project.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield CommandLine(project, folder / "place", process)
        assert process.stdin
        process.stdin.close()


def put(path: Path, content: bytes | None) -> None:
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)


def check_refusal(code: int, stdout: str, stderr: str, why: str) -> None:
    assert code == 2, f"{why}: {stdout}{stderr}"
    assert stdout == "", why
    lines = [line for line in stderr.splitlines() if line]
    assert len(lines) == 1, f"{why}: {stderr}"
    assert lines[0].startswith("parity: `"), why
    assert "Traceback" not in stderr, why


def test_the_warm_command_line_is_the_real_one(command_line: CommandLine):
    code, stdout, stderr = command_line.run(["signoff", "verify"])
    assert (code, stderr) == (0, "")
    assert stdout.startswith("VALID: ")
    assert command_line.run(["signoff", "verify", "--signers-sha256", "0"])[0] == 1
    assert command_line.run(["signoff", "nonsense"])[0] == 2
    command_line.project.change("torch_port/model.py")
    assert command_line.run(["signoff", "verify"])[0] == 3
    path = command_line.project.path("torch_port/model.py")
    path.write_bytes(path.read_bytes()[:-1])
    approval = command_line.project.path(APPROVER).read_bytes()
    command_line.project.path(APPROVER).unlink()
    assert command_line.run(["signoff", "verify"])[0] == 4
    command_line.project.path(APPROVER).write_bytes(approval)
    assert command_line.run(["signoff", "verify"])[0] == 0


@pytest.mark.parametrize("count", [50, pytest.param(500, marks=pytest.mark.slow)])
def test_what_is_hostile_is_one_message_and_leaves_no_trace(command_line: CommandLine, count: int):
    project, seen = command_line.project, Counter[str]()
    whole = {name: project.path(name).read_bytes() for name in (AUTHOR, APPROVER)}
    for case in make_cases(project, count, SEED):
        path, why = command_line.path(case), f"{case.kind}: {case.what}"
        put(path, case.content)
        shutil.rmtree(command_line.place / "out", ignore_errors=True)
        before = project.listing()
        code, stdout, stderr = command_line.run(command_line.words(case))
        check_refusal(code, stdout, stderr, why)
        assert project.listing() == before, why
        found = sorted(item.name for item in command_line.place.rglob("out/**/*"))
        assert found in ([], [".lock"]), why
        if case.kind == "statement":
            put(path, whole[case.name])
        seen[case.kind] += 1
    assert set(seen) == {"statement", "bundle", "key", "signers"}
    assert sum(seen.values()) == count
    assert command_line.run(["signoff", "verify"])[0] == 0, "all is as it was"


FEW = {"statement": 1, "bundle": 1}
MORE = {"statement": 5, "bundle": 5, "key": 3, "signers": 3}


def pick(cases: list[Case], counts: Mapping[str, int]) -> list[Case]:
    """Return the first cases of each kind."""
    return [case for kind, count in counts.items() for case in [case for case in cases if case.kind == kind][:count]]


@pytest.mark.parametrize("counts", [FEW, pytest.param(MORE, marks=pytest.mark.slow)], ids=["few", "more"])
def test_the_module_refuses_it_as_a_process_of_its_own(command_line: CommandLine, counts: dict[str, int]):
    project = command_line.project
    whole = {name: project.path(name).read_bytes() for name in (AUTHOR, APPROVER)}
    for case in pick(make_cases(project, 100, SEED + 1), counts):
        put(command_line.path(case), case.content)
        before = project.listing()
        command = [sys.executable, "-m", "parity", *command_line.words(case)]
        done = subprocess.run(command, cwd=project.root, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        check_refusal(done.returncode, done.stdout, done.stderr, f"{case.kind}: {case.what}")
        assert project.listing() == before
        if case.kind == "statement":
            put(command_line.path(case), whole[case.name])


def change_something(value: Any, rng: random.Random) -> Any:
    """Return a statement with one text, number or truth in it changed; its form stays."""
    if isinstance(value, dict):
        key = rng.choice(sorted(value))
        return {**value, key: change_something(value[key], rng)}
    if isinstance(value, list) and value:
        place = rng.randrange(len(value))
        return [*value[:place], change_something(value[place], rng), *value[place + 1 :]]
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        digits = "0123456789abcdef"
        return value[:-1] + rng.choice([digit for digit in digits if not value.endswith(digit)])
    return 17.5


@pytest.mark.parametrize("count", [50, pytest.param(500, marks=pytest.mark.slow)])
def test_a_whole_statement_that_nobody_trusted_has_signed_is_tampering(project: Project, count: int):
    rng = random.Random(SEED)
    stranger = sealing.load_private(project.keys / "Mallory.pem")
    whole = {name: project.path(name).read_bytes() for name in (AUTHOR, APPROVER)}
    tampered, messages = 0, []
    while tampered < count:
        name = rng.choice((AUTHOR, APPROVER))
        envelope = json.loads(whole[name])
        statement = change_something(sealing.open_payload(envelope), rng)
        sealed = sealing.seal(sealing.canonical(statement), stranger)
        if rng.random() < 0.7:  # the signature of another statement, or of another key under a trusted name
            (old,), (new,) = envelope["signatures"], sealed["signatures"]
            sealed["signatures"] = [rng.choice((old, {**new, "keyid": old["keyid"]}))]
        project.path(name).write_bytes(sealing.render(sealed))
        try:
            found = verify(project.root)
            assert found.status is Status.TAMPERED
            assert found.tampered[0].startswith(f"{name} is not signed by an ")
            tampered += 1
        except BadInputError as error:  # a type, a result or a name that is none
            messages.append(str(error))
        project.path(name).write_bytes(whole[name])
    assert all(len(message.splitlines()) == 1 for message in messages)
    assert verify(project.root).status is Status.VALID


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every table and list in a statement with each key or number of it."""
    if isinstance(value, dict | list):
        for key in sorted(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


def empty_something(statement: Any, rng: random.Random) -> Any:
    """Return a statement with something in it made odd, or taken out, at any depth."""
    table, key = rng.choice(list(places(statement)))
    if rng.random() < 0.3:
        del table[key]
    else:
        table[key] = rng.choice((None, 17, "x", [], {}))
    return statement


@pytest.mark.parametrize("count", [50, pytest.param(500, marks=pytest.mark.slow)])
def test_whatever_a_trusted_key_has_signed_is_never_a_crash(project: Project, tmp_path: Path, count: int):
    rng = random.Random(SEED)
    ends, messages = Counter[str](), []
    whole, private = project.path(AUTHOR).read_bytes(), sealing.load_private(project.keys / "Ada.pem")
    for _ in range(count):
        statement = empty_something(sealing.open_payload(json.loads(whole)), rng)
        project.path(AUTHOR).write_bytes(sealing.render(sealing.seal(sealing.canonical(statement), private)))
        project.approve()
        for data in (None, tmp_path / "nowhere"):
            try:
                found = verify(project.root, data=data)
                assert found.render()
                ends[found.status.value] += 1
            except BadInputError as error:
                messages.append(str(error))
    assert all(len(message.splitlines()) == 1 for message in messages)
    assert min(len(messages), ends["STALE"], ends["VALID"]) > 0, "each end was seen"
    assert sum(ends.values()) + len(messages) == 2 * count
