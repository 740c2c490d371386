"""VALID, UNAPPROVED, STALE and TAMPERED: each change is found, and called by its name."""

from __future__ import annotations

import hashlib
import os
import py_compile
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from parity.errors import BadInputError
from parity.signoff.covered import covered_files, evidence_files, kind_of
from parity.signoff.envelope import write_envelope
from parity.signoff.retired import is_legacy
from parity.signoff.verify import Status, require_valid, verify
from tests.parity.report.fixture_report import make_report

from .project import (
    APPROVER,
    AUTHOR,
    CODE,
    EVIDENCE,
    GOLDEN,
    KINDS,
    OUTSIDE,
    RETIRED_CODE,
    RETIRED_LOCKS,
    WEIGHTS,
    Project,
    make_project,
    names_in,
)

HEADLINE = make_report(images=6)["headline"]


def test_what_is_signed_by_both_is_valid(signed: Project):
    found = verify(signed.root)
    assert (found.status, found.status.exit_code) == (Status.VALID, 0)
    assert (found.author, found.approver, found.tampered, found.stale) == ("Ada", "Grace", [], {})
    assert require_valid(signed.root).status is Status.VALID


def test_the_author_alone_is_not_enough(project: Project):
    project.path(APPROVER).unlink()
    found = verify(project.root)
    assert (found.status, found.status.exit_code, found.approver) == (Status.UNAPPROVED, 4, "")
    assert "author: Ada" in found.render()
    assert "approver: nobody yet" in found.render()
    with pytest.raises(BadInputError, match=r"^`sign-off` must be valid and signed with two keys, got 'UNAPPROVED"):
        require_valid(project.root)


def test_without_a_statement_there_is_nothing_to_verify(project: Project):
    project.path(AUTHOR).unlink()
    with pytest.raises(BadInputError, match=r"`sign-off` must be there, got 'author\.dsse\.json'"):
        verify(project.root)


def test_what_is_covered_is_what_is_listed_here(signed: Project):
    kinds = covered_files(signed.root)
    assert {name: "code" if kind == "legacy" else kind for name, kind in kinds.items()} == KINDS
    assert {name for name, kind in kinds.items() if kind == "legacy"} == {
        name for name in RETIRED_CODE if name.startswith("legacy_tf/")
    }
    assert set(evidence_files(signed.root)) == {*EVIDENCE, WEIGHTS}
    assert all(kind_of(name) == kind for name, kind in kinds.items())


@pytest.mark.parametrize("name", KINDS)
def test_a_changed_file_is_stale_and_named(project: Project, name: str):
    project.change(name)
    found = verify(project.root)
    assert (found.status, found.status.exit_code, found.stale) == (Status.STALE, 3, {KINDS[name]: [name]})
    assert f"{KINDS[name]} changed: {name}" in found.render().splitlines()
    assert names_in(found.render()) == {name}


@pytest.mark.parametrize("name", KINDS)
def test_a_missing_file_is_stale_and_named(project: Project, name: str):
    project.path(name).unlink()
    assert verify(project.root).stale == {KINDS[name]: [f"{name} is missing"]}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("torch_port/better.py", "code"),
        ("torch_port/layers/__init__.py", "code"),
        ("torch_port/model.so", "code"),
        ("torch_port/model.pyc", "code"),
        ("parity/gates/blocks/more.txt", "code"),
        ("benchmarks/faster.py", "code"),
        ("legacy_tf/better.py", "code"),
        ("requirements-rocm.txt", "locks"),
        ("torch.py", "code"),
        ("numpy/__init__.py", "code"),
        ("sitecustomize.py", "code"),
        ("safetensors.so", "code"),
        ("docs/__init__.py", "code"),
    ],
)
def test_a_new_file_is_stale_and_named(project: Project, name: str, kind: str):
    project.write(name)
    assert f"{name} is new" in verify(project.root).stale[kind]


@pytest.mark.parametrize("name", [b"x\nVALID: all is well", b"\xff.py", "\u202eyp.x".encode(), b"\x1b[2J.py"])
def test_a_new_file_is_named_whatever_it_is_called(project: Project, name: bytes):
    relative = os.fsdecode(b"torch_port/" + name)
    project.write(relative)
    text = verify(project.root).render()
    assert f"code changed: {relative!a} is new" in text.splitlines()
    assert text.encode()


def test_a_new_link_to_a_folder_is_new_code(project: Project, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "__init__.py").write_text("x = 1")
    project.path("torch_port/model").symlink_to(tmp_path / "elsewhere")
    assert verify(project.root).stale == {"code": ["torch_port/model is new"]}


def test_a_link_to_the_same_bytes_is_the_same_file(project: Project, tmp_path: Path):
    path = project.path("torch_port/model.py")
    path.rename(tmp_path / "model.py")
    path.symlink_to(tmp_path / "model.py")
    assert verify(project.root).status is Status.VALID
    (tmp_path / "model.py").write_text("x = 1")
    assert verify(project.root).stale == {"code": ["torch_port/model.py"]}


def test_a_folder_in_the_place_of_a_file_is_missing(project: Project):
    project.path("gates.toml").unlink()
    project.path("gates.toml").mkdir()
    assert verify(project.root).stale == {"limits": ["gates.toml is missing"]}


def test_everything_that_changed_is_named_legacy_and_port(project: Project):
    for name in ("torch_port/model.py", "legacy_tf/models.py", "gates.toml", "requirements-core.txt", WEIGHTS):
        project.change(name)
    project.write("parity/new.py")
    found = verify(project.root)
    assert {kind: set(names) for kind, names in found.stale.items()} == {
        "code": {"torch_port/model.py", "legacy_tf/models.py", "parity/new.py is new"},
        "limits": {"gates.toml"},
        "locks": {"requirements-core.txt"},
        "weights": {WEIGHTS},
    }


def test_two_files_that_changed_places_are_both_named(project: Project):
    first, second = (project.path(name) for name in ("torch_port/model.py", "parity/judge.py"))
    swapped = second.read_bytes(), first.read_bytes()
    for path, content in zip((first, second), swapped, strict=True):
        path.write_bytes(content)
    assert set(verify(project.root).stale["code"]) == {"torch_port/model.py", "parity/judge.py"}


def test_many_changes_are_counted(project: Project):
    for name in CODE:
        project.change(name)
    assert f"and {len(CODE) - 8} more" in verify(project.root).render()


@pytest.mark.parametrize("name", EVIDENCE)
@pytest.mark.parametrize("damage", ["changed", "missing", "empty"])
def test_evidence_is_never_stale_but_tampered(project: Project, name: str, damage: str):
    if damage == "missing":
        project.path(name).unlink()
    else:
        project.path(name).write_bytes(b"" if damage == "empty" else project.path(name).read_bytes() + b" ")
    found = verify(project.root)
    said = f"{name} is missing" if damage == "missing" else f"{name} is not the file that was signed"
    assert (found.status, found.status.exit_code, found.tampered) == (Status.TAMPERED, 1, [said])
    assert said in found.render()


def test_tampering_outweighs_what_is_stale(project: Project):
    project.change("torch_port/model.py")
    project.change(GOLDEN)
    found = verify(project.root)
    assert found.status is Status.TAMPERED
    assert names_in(found.render()) == {"torch_port/model.py", GOLDEN}


def test_weights_that_are_not_here_are_a_note(project: Project):
    project.path(WEIGHTS).unlink()
    found = verify(project.root)
    assert found.status is Status.VALID
    assert f"{WEIGHTS} is not here: it was not looked at" in found.render().splitlines()


def test_other_weights_are_stale(project: Project):
    project.change(WEIGHTS)
    found = verify(project.root)
    assert (found.status, found.stale) == (Status.STALE, {"weights": [WEIGHTS]})


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_is_not_covered_does_not_count(project: Project, name: str):
    project.change(name)
    assert verify(project.root).status is Status.VALID
    project.path(name).unlink()
    project.write(f"{name}.new")
    found = verify(project.root)
    assert found.status is Status.VALID
    assert names_in(found.render()) == set()


def test_a_project_below_a_folder_of_any_name_is_covered(signed: Project, tmp_path: Path):
    project = signed.copy(tmp_path / "__pycache__" / "project")
    project.write("torch_port/better.py")
    assert verify(project.root).stale == {"code": ["torch_port/better.py is new"]}


def write_data(folder: Path) -> str:
    """Return the hash of a data set of one image: of its table, and of the name and the hash of every image."""
    image = "images/nor/nor_20x_1.jpg"
    for name in ("aca", "nor", "scc"):
        (folder / "images" / name).mkdir(parents=True)
    table = b"superclass,subclass,resolution,image_id,patient_id\nnor,,20x,1,1\n"
    (folder / "data.csv").write_bytes(table)
    Image.new("RGB", (1600, 1200), (200, 150, 180)).save(folder / image)
    digest = hashlib.sha256((folder / image).read_bytes()).hexdigest()
    return hashlib.sha256(f"{hashlib.sha256(table).hexdigest()}{image}\0{digest}\0".encode()).hexdigest()


def test_other_data_are_stale(project: Project, tmp_path: Path):
    run = make_report(images=6)["run"]
    run["data"]["sha256"] = write_data(tmp_path / "data")
    project.sign(run=run)
    project.approve()
    assert verify(project.root, data=tmp_path / "data").status is Status.VALID
    Image.new("RGB", (1600, 1200), (100, 150, 180)).save(tmp_path / "data" / "images" / "nor" / "nor_20x_1.jpg")
    found = verify(project.root, data=tmp_path / "data")
    assert (found.status, found.stale) == (Status.STALE, {"data": [str(tmp_path / "data")]})
    assert "data: not looked at (--data DIR)" in verify(project.root).render()


def test_data_that_cannot_be_read_are_bad_input(signed: Project, tmp_path: Path):
    with pytest.raises(BadInputError, match="--data"):
        verify(signed.root, data=tmp_path / "nowhere")


@pytest.mark.parametrize("role", ["author", "approver"])
def test_a_signature_of_a_stranger_is_tampering(project: Project, role: str):
    if role == "author":
        project.sign("Mallory")
        project.approve()
    else:
        project.approve("Mallory")
    found = verify(project.root)
    assert found.status is Status.TAMPERED
    (said,) = found.tampered
    assert said == f"signoff/{role}.dsse.json is not signed by an {role} in signers.toml"
    assert found.author == ("" if role == "author" else "Ada")


def test_a_stranger_vouches_for_nothing(project: Project):
    project.sign("Mallory")
    text = verify(project.root).render()
    assert text.splitlines()[0] == "TAMPERED: no statement that can be trusted"
    assert HEADLINE not in text


def test_roles_are_not_exchanged(project: Project):
    project.sign("Grace")
    assert verify(project.root).tampered == [f"{AUTHOR} is not signed by an author in signers.toml"]
    project.sign("Ada")
    project.approve("Ada")
    assert verify(project.root).tampered == [f"{APPROVER} is not signed by an approver in signers.toml"]


def test_one_key_in_two_roles_is_one_signature(project: Project):
    project.list_signers(("Ada", "author", "Ada"), ("Another", "approver", "Ada"))
    project.approve("Ada")
    assert verify(project.root).tampered == [f"{APPROVER} is signed by the author, Ada"]


def test_one_name_with_two_keys_is_one_signer(project: Project):
    project.list_signers(("Ada", "author", "Ada"), ("Ada", "approver", "Grace"))
    assert verify(project.root).tampered == [f"{APPROVER} is signed by the author, Ada"]


def test_a_statement_that_leaves_evidence_out_is_tampering(project: Project):
    statement = project.statement()
    statement["subject"] = [row for row in statement["subject"] if row["name"] != GOLDEN]
    write_envelope(project.path(AUTHOR), statement, project.signer("Ada"))
    assert verify(project.root).tampered[0] == f"{AUTHOR} does not cover {GOLDEN}"


@pytest.mark.parametrize(("mode", "stale"), [("UNCHECKED_HASH", True), ("CHECKED_HASH", False), ("TIMESTAMP", False)])
def test_compiled_code_that_python_would_not_check_is_code(project: Project, mode: str, stale: bool):
    source = project.path("torch_port/model.py")
    compiled = py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode[mode], doraise=True)
    found = verify(project.root)
    name = Path(compiled).relative_to(project.root).as_posix()
    assert found.stale == ({"code": [f"{name} is new"]} if stale else {})


def test_a_signer_who_is_no_longer_listed_has_not_signed(project: Project):
    project.list_signers(("Ada", "author", "Ada"))
    assert verify(project.root).status is Status.TAMPERED
    project.list_signers(("Grace", "approver", "Grace"))
    assert verify(project.root).tampered == [f"{AUTHOR} is not signed by an author in signers.toml"]


def test_an_approval_is_of_one_envelope(project: Project):
    older = project.path(APPROVER).read_bytes()
    project.change("torch_port/model.py")
    project.sign()
    assert verify(project.root).tampered == [f"{AUTHOR} is not the statement that Grace approved"]
    project.approve()
    assert verify(project.root).status is Status.VALID
    project.path(APPROVER).write_bytes(older)
    assert verify(project.root).status is Status.TAMPERED


def test_an_approval_of_another_run_of_the_same_code_is_not_of_this_one(project: Project):
    project.sign(headline="PASS (of another run)")
    assert verify(project.root).tampered == [f"{AUTHOR} is not the statement that Grace approved"]


def test_the_approval_is_no_statement_and_the_statement_no_approval(project: Project):
    shutil.copyfile(project.path(APPROVER), project.path(AUTHOR))
    with pytest.raises(BadInputError, match="approval:1"):
        verify(project.root)
    project.sign()
    shutil.copyfile(project.path(AUTHOR), project.path(APPROVER))
    with pytest.raises(BadInputError, match="test-result"):
        verify(project.root)


def test_the_list_of_signers_is_held_against_a_hash_from_outside(project: Project):
    digest = hashlib.sha256(project.path("signers.toml").read_bytes()).hexdigest()
    assert verify(project.root, signers_sha256=digest).status is Status.VALID
    project.list_signers(("Mallory", "author", "Mallory"), ("Grace", "approver", "Grace"))
    project.sign("Mallory")
    project.approve()
    assert verify(project.root).status is Status.VALID, "who can change the list can add a signer"
    found = verify(project.root, signers_sha256=digest)
    assert (found.status, found.tampered) == (Status.TAMPERED, [f"signers.toml is not the file of SHA-256 {digest}"])


def test_another_list_of_signers_can_be_given(project: Project, tmp_path: Path):
    path = tmp_path / "trusted.toml"
    path.write_bytes(project.path("signers.toml").read_bytes())
    project.list_signers(("Mallory", "author", "Mallory"), ("Grace", "approver", "Grace"))
    assert verify(project.root, signers=path).status is Status.VALID
    project.sign("Mallory")
    assert verify(project.root, signers=path).tampered == [f"{AUTHOR} is not signed by an author in trusted.toml"]


def remove_legacy(project: Project) -> list[str]:
    gone = [name for name in project.listing() if is_legacy(name) and project.path(name).is_file()]
    for name in gone:
        project.path(name).unlink()
    return gone


def test_the_sign_off_outlives_the_legacy(project: Project):
    assert set(remove_legacy(project)) >= {*RETIRED_CODE, *RETIRED_LOCKS}
    found = verify(project.root)
    assert (found.status, found.notes.count("legacy_tf is retired")) == (Status.VALID, 1)
    shutil.rmtree(project.path("legacy_tf"))
    found = verify(project.root)
    assert (found.status, found.notes.count("legacy_tf is retired")) == (Status.VALID, 1)


def test_without_the_legacy_the_port_is_held_as_before(project: Project):
    remove_legacy(project)
    project.change("torch_port/model.py")
    project.path("parity/judge.py").unlink()
    project.write("parity/gates/blocks/legacy.py", b"something else\n")
    assert set(verify(project.root).stale["code"]) == {
        "torch_port/model.py", "parity/judge.py is missing", "parity/gates/blocks/legacy.py",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["parity/gates/blocks/legacy.py", "requirements-tf.txt", "legacy_tf/models.py"])
def test_with_the_legacy_there_none_of_its_files_may_be_missing(project: Project, name: str):
    project.path(name).unlink()
    found = verify(project.root)
    assert found.stale == {KINDS[name]: [f"{name} is missing"]}
    assert "legacy_tf is retired" not in found.notes


def test_a_sign_off_is_shown_in_lines(signed: Project):
    lines = verify(signed.root).render().splitlines()
    assert lines[0] == f"VALID: {HEADLINE}"
    assert re.fullmatch(r"author: Ada, \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ; approver: Grace", lines[1])
    assert lines[2:] == ["data: not looked at (--data DIR)"]


def test_a_sign_off_of_the_demo_says_so(project: Project):
    run = {**make_report(images=6)["run"], "demo": True}
    project.sign(run=run)
    project.approve()
    text = verify(project.root).render()
    assert text.startswith("VALID")
    assert "DEMO: of synthetic tissue." in text


def test_the_same_project_somewhere_else_is_as_valid(tmp_path: Path):
    first = make_project(tmp_path / "first")
    second = first.copy(tmp_path / "second" / "elsewhere")
    shutil.rmtree(first.root)
    assert verify(second.root).status is Status.VALID
