"""What is signed, and in which form: held against DSSE and in-toto by hand."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from parity.errors import BadInputError
from parity.signoff.envelope import Unsigned, find_signer, read_digests, read_envelope
from parity.signoff.keys import keys_of, read_signers
from parity.signoff.statement import APPROVAL, TEST_RESULT, find_anomalies, make_statement
from parity.signoff.verify import Status, verify
from tests.parity.report.fixture_report import LATER_GATES, RUN_GATES, make_report

from . import sealing
from .project import APPROVER, AUTHOR, CODE, EVIDENCE, KINDS, LIMITS, WEIGHTS, Project

Change = Callable[[dict[str, Any]], object]


def read(project: Project, name: str = AUTHOR) -> tuple[dict[str, Any], bytes, dict[str, Any]]:
    """Return an envelope, its payload and the statement, by json and base64 alone."""
    envelope = json.loads(project.path(name).read_bytes())
    payload = base64.b64decode(envelope["payload"], validate=True)
    return envelope, payload, json.loads(payload)


def write(project: Project, statement: Any, name: str = AUTHOR, key: str = "Ada") -> None:
    """Sign a statement by hand, with a key that is trusted."""
    envelope = sealing.seal(sealing.canonical(statement), sealing.load_private(project.keys / f"{key}.pem"))
    project.path(name).write_bytes(sealing.render(envelope))


def refused(project: Project, name: str = AUTHOR, predicate_type: str = TEST_RESULT) -> str:
    with pytest.raises(BadInputError, match=r"^`sign-off` must be a signed statement, got ") as error:
        read_envelope(project.path(name), predicate_type)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


@pytest.mark.parametrize(("name", "signer"), [(AUTHOR, "Ada"), (APPROVER, "Grace")])
def test_the_signature_is_ed25519_over_the_pre_authentication_encoding(signed: Project, name: str, signer: str):
    envelope, payload, _ = read(signed, name)
    (row,) = envelope["signatures"]
    private = sealing.load_private(signed.keys / f"{signer}.pem")
    signature, public = base64.b64decode(row["sig"]), private.public_key()
    assert isinstance(public, Ed25519PublicKey)
    public.verify(signature, sealing.authenticated(payload, envelope["payloadType"]))
    assert row["keyid"] == sealing.keyid_of(private)
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    for other in (payload, sealing.authenticated(payload, "text/plain"), sealing.authenticated(payload + b" ")):
        with pytest.raises(InvalidSignature):
            public.verify(signature, other)


@pytest.mark.parametrize("name", [AUTHOR, APPROVER])
def test_an_envelope_made_by_hand_is_the_same_bytes(signed: Project, name: str):
    envelope, payload, statement = read(signed, name)
    key = signed.keys / ("Ada.pem" if name == AUTHOR else "Grace.pem")
    assert payload == sealing.canonical(statement)
    assert sealing.render(sealing.seal(payload, sealing.load_private(key))) == signed.path(name).read_bytes()
    assert set(envelope) == {"payload", "payloadType", "signatures"}


def digest(project: Project, name: str) -> str:
    return hashlib.sha256(project.path(name).read_bytes()).hexdigest()


def test_the_author_signs_an_in_toto_test_result(signed: Project):
    _, _, statement = read(signed)
    assert set(statement) == {"_type", "subject", "predicateType", "predicate"}
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    predicate = statement["predicate"]
    assert set(predicate) == {"result", "configuration", "passedTests", "warnedTests", "failedTests", "parity"}
    assert predicate["result"] == "PASSED"
    assert set(predicate["passedTests"]) == {*RUN_GATES, "throughput"}
    assert (predicate["warnedTests"], predicate["failedTests"]) == ([], [])
    for row in [*statement["subject"], *predicate["configuration"]]:
        assert row.keys() & {"name", "uri", "digest"}, "what a ResourceDescriptor must have"
        assert row.keys() <= {"name", "uri", "digest", "annotations"}


def test_subjects_are_the_files_that_are_signed_for_and_their_hashes(signed: Project):
    _, _, statement = read(signed)
    subjects = {row["name"]: row["digest"] for row in statement["subject"]}
    code = {name for name, kind in KINDS.items() if kind in ("code", "limits") and not name.startswith("legacy_tf/")}
    assert set(subjects) == {*code, *EVIDENCE, WEIGHTS}
    assert code >= {*CODE, *LIMITS}
    assert subjects == {name: {"sha256": digest(signed, name)} for name in subjects}
    configuration = [row for row in statement["predicate"]["configuration"] if "name" in row]
    assert {row["name"]: row["digest"]["sha256"] for row in configuration} == {
        name: digest(signed, name) for name, kind in KINDS.items() if kind == "locks" or name.startswith("legacy_tf/")
    }
    files = {**subjects, **{row["name"]: row["digest"] for row in configuration}}
    assert read_digests(statement) == {name: row["sha256"] for name, row in files.items()}


def test_data_and_checkpoint_are_part_of_the_configuration(signed: Project):
    _, _, statement = read(signed)
    rows = {row["uri"]: row for row in statement["predicate"]["configuration"] if "uri" in row}
    run = make_report(images=6)["run"]
    assert set(rows) == {"urn:parity:data", "urn:parity:checkpoint"}
    assert rows["urn:parity:data"]["digest"] == {"sha256": run["data"]["sha256"]}
    assert rows["urn:parity:data"]["annotations"]["splits"] == ["val", "test"]
    assert "folder" not in rows["urn:parity:data"]["annotations"], "where it was is nobody's business"
    assert rows["urn:parity:checkpoint"]["annotations"]["sha256"] == run["checkpoint"]["sha256"]


def test_a_statement_says_who_when_and_of_what(signed: Project):
    _, _, statement = read(signed)
    said, report = statement["predicate"]["parity"], make_report(images=6)
    assert (said["name"], said["role"], said["headline"]) == ("Ada", "author", report["headline"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", said["signed"])
    for key in ("demo", "profile", "command", "host", "devices", "environments"):
        assert said[key] == report["run"][key]
    assert said["counts"]["required"] == len(RUN_GATES)
    assert said["counts"]["run"] == said["counts"]["passed"] == len(RUN_GATES) + 1
    assert said["counts"]["checks"] == {"expected": 240, "compared": 240, "waived": 0}
    assert said["planted_faults"] == report["faults"]


def test_a_waived_gate_is_a_warning_and_named():
    report = make_report(images=6)
    gate = next(row for row in report["gates"] if row["gate"] == "gradcam")
    gate["verdict"] = gate["checks"][0]["verdict"] = "WAIVED"
    predicate = make_statement(report, {"a": "0" * 64}, {}, name="Ada")["predicate"]
    assert (predicate["result"], predicate["warnedTests"]) == ("WARNED", ["gradcam"])
    assert "gradcam" not in predicate["passedTests"]
    assert f"{gate['checks'][0]['id']} is WAIVED" in predicate["parity"]["anomalies"]


def test_anomalies_are_what_a_reader_of_a_pass_must_know():
    report = make_report(images=6)
    report["faults"] = None
    for row in report["ledger"][:7]:
        row["tie"] = True
    found = list(find_anomalies(report))
    not_run = [sentence.split()[0] for sentence in found if sentence.endswith("was not run")]
    assert set(not_run) <= set(LATER_GATES)
    assert len(not_run) == sum(gate["verdict"] == "NOT_RUN" for gate in report["gates"]) > 0
    assert any(sentence.startswith("7 decisions are ties: ") for sentence in found)
    assert found[-1] == "no score of planted faults for this code: nox -s faults"
    assert len(found) == len(not_run) + 2


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_run_on_a_gpu_says_what_it_cannot_say(device: str):
    report = make_report(images=6)
    report["run"]["devices"] = {"legacy": device, "port": device}
    predicate = make_statement(report, {"a": "0" * 64}, {}, name="Ada")["predicate"]["parity"]
    said = "computed on cuda: the run says nothing about float32 on a CPU or on another GPU"
    assert (said in predicate["anomalies"]) == (device == "cuda")
    assert predicate["devices"] == {"legacy": device, "port": device}


def test_the_approver_signs_the_authors_envelope(signed: Project):
    _, _, statement = read(signed, APPROVER)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "urn:lung-histology-parity:approval:1"
    assert statement["subject"] == [{"name": AUTHOR, "digest": {"sha256": digest(signed, AUTHOR)}}]
    assert statement["predicate"]["result"] == "APPROVED"
    said = statement["predicate"]["parity"]
    assert (said["name"], said["role"], said["author"]) == ("Grace", "approver", "Ada")


def to_url_safe(envelope: dict[str, Any]) -> dict[str, Any]:
    """The signature in base64's other alphabet, which decodes to the same."""
    (row,) = envelope["signatures"]
    return {**envelope, "signatures": [{**row, "sig": row["sig"].replace("+", "-").replace("/", "_")}]}


def in_lines(text: str) -> str:
    return f"{text[:76]}\n{text[76:]}"


FORMS: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "one line": lambda envelope: json.dumps(envelope, sort_keys=True).encode() + b"\n",
    "other order": lambda envelope: json.dumps(dict(reversed(envelope.items())), indent=1).encode() + b"\n",
    "no newline": lambda envelope: sealing.render(envelope)[:-1],
    "two newlines": lambda envelope: sealing.render(envelope) + b"\n",
    "carriage returns": lambda envelope: sealing.render(envelope).replace(b"\n", b"\r\n"),
    "byte order mark": lambda envelope: b"\xef\xbb\xbf" + sealing.render(envelope),
    "UTF-16": lambda envelope: sealing.render(envelope).decode().encode("utf-16"),
    "a key twice": lambda envelope: sealing.render(envelope).replace(b'{\n "payload"', b'{\n "payload": "",\n "payload"'),
    "an escape": lambda envelope: sealing.render(envelope).replace(b"application", b"\\u0061pplication"),
    "more beside": lambda envelope: sealing.render({**envelope, "note": "x"}),
    "more in the signature": lambda envelope: sealing.render(
        {**envelope, "signatures": [{**envelope["signatures"][0], "note": "x"}]}
    ),
    "base64 in lines": lambda envelope: sealing.render({**envelope, "payload": in_lines(envelope["payload"])}),
    "base64 of URLs": lambda envelope: sealing.render(to_url_safe(envelope)),
    "base64 without padding": lambda envelope: sealing.render({**envelope, "payload": envelope["payload"].rstrip("=")}),
}


@pytest.mark.parametrize("form", FORMS)
def test_there_is_one_form_of_an_envelope(project: Project, form: str):
    private = sealing.load_private(project.keys / "Ada.pem")
    _, payload, statement = read(project)
    statement["predicate"]["parity"]["name"] += "x" * (-(len(payload) + 1) % 3)  # a length that needs padding
    envelope = sealing.seal(sealing.canonical(statement), private)
    while not set("+/") & set(envelope["signatures"][0]["sig"]):
        statement["predicate"]["parity"]["name"] += "xxx"
        envelope = sealing.seal(sealing.canonical(statement), private)
    project.path(AUTHOR).write_bytes(sealing.render(envelope))
    read_envelope(project.path(AUTHOR), TEST_RESULT)
    changed = FORMS[form](envelope)
    assert changed != sealing.render(envelope)
    project.path(AUTHOR).write_bytes(changed)
    refused(project)


@pytest.mark.parametrize(
    "form",
    [
        lambda statement: json.dumps(statement, sort_keys=True).encode(),
        lambda statement: json.dumps(dict(reversed(statement.items())), separators=(",", ":")).encode(),
        lambda statement: sealing.canonical(statement) + b"\n",
        lambda statement: sealing.canonical(statement).replace(b'"_type"', b'"_type":"x","_type"'),
        lambda statement: sealing.canonical(statement).replace(b"Ada", b"\\u0041da"),
        lambda statement: sealing.canonical({**statement, "x": 1}).replace(b'"x":1', b'"x":1.0e0'),
        lambda statement: sealing.canonical({**statement, "x": 1}).replace(b'"x":1', b'"x":NaN'),
        lambda statement: sealing.canonical({**statement, "x": 1}).replace(b'"x":1', b'"x":1e999'),
        lambda statement: sealing.canonical({**statement, "x": "é"}).replace(b"\\u00e9", "é".encode()),
    ],
    ids=["spaces", "other order", "newline", "a key twice", "an escape", "a float", "NaN", "infinity", "plain letters"],
)
def test_there_is_one_form_of_a_statement_even_if_it_is_signed(project: Project, form: Callable[[Any], bytes]):
    _, _, statement = read(project)
    envelope = sealing.seal(form(statement), sealing.load_private(project.keys / "Ada.pem"))
    project.path(AUTHOR).write_bytes(sealing.render(envelope))
    refused(project)


def first(statement: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = statement["subject"][0]
    return row


def set_in_predicate(**words: Any) -> Change:
    return lambda statement: statement["predicate"].update(words)


def set_in_said(**words: Any) -> Change:
    return lambda statement: statement["predicate"]["parity"].update(words)


def set_in_subject(**words: Any) -> Change:
    return lambda statement: first(statement).update(words)


BAD_NAMES = ("../x", "a/../../x", "/etc/passwd", "", "..", "a/..", "a//b", "./a", "a/", "a\n", "a\x00b", "\ud800", "\u202ea")
BAD_DIGESTS = ("", "0" * 63, "0" * 65, "A" * 64, "g" * 64, "0" * 64 + "\n", "\u0660" * 64, 10**63, None, ["0" * 64])
WRONG: dict[str, Change] = {
    "type of another version": lambda statement: statement.update(_type="https://in-toto.io/Statement/v0.1"),
    "no type": lambda statement: statement.pop("_type"),
    "predicate of another type": lambda statement: statement.update(predicateType="https://slsa.dev/provenance/v1"),
    "approval": lambda statement: statement.update(predicateType=APPROVAL),
    "no predicate": lambda statement: statement.pop("predicate"),
    "predicate that is nothing": lambda statement: statement.update(predicate=None),
    "predicate that is a list": lambda statement: statement.update(predicate=[]),
    "no subjects": lambda statement: statement.update(subject=[]),
    "subjects that are nothing": lambda statement: statement.update(subject=None),
    "subjects that are a table": lambda statement: statement.update(subject={"a": 1}),
    "subject that is a text": lambda statement: statement["subject"].append("README.md"),
    "subject without name": lambda statement: first(statement).pop("name"),
    "subject twice": lambda statement: statement["subject"].append(dict(first(statement))),
    "subject and configuration": lambda statement: statement["predicate"]["configuration"].append(dict(first(statement))),
    "name that is a number": lambda statement: first(statement).update(name=17),
    "name that is a list": lambda statement: first(statement).update(name=["README.md"]),
    **{f"name {name!a}": set_in_subject(name=name) for name in BAD_NAMES},
    "no digest": lambda statement: first(statement).pop("digest"),
    "digest that is nothing": lambda statement: first(statement).update(digest=None),
    "digest of another kind": lambda statement: first(statement).update(digest={"md5": "0" * 32}),
    **{f"digest {value!a}": set_in_subject(digest={"sha256": value}) for value in BAD_DIGESTS},
    "configuration that is nothing": set_in_predicate(configuration=None),
    "configuration of numbers": set_in_predicate(configuration=[1]),
    "configuration of lists": set_in_predicate(configuration=[["uri"]]),
    "configuration of texts": set_in_predicate(configuration=["uri"]),
    "result that failed": set_in_predicate(result="FAILED"),
    "result that is nothing": set_in_predicate(result=None),
    "nothing said": set_in_predicate(parity=None),
    "no date": set_in_said(signed=None),
    "no headline": set_in_said(headline=["PASS"]),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_statement_is_refused_even_if_it_is_signed_with(project: Project, what: str):
    _, _, statement = read(project)
    write(project, statement)
    read_envelope(project.path(AUTHOR), TEST_RESULT)
    before = json.dumps(statement)
    WRONG[what](statement)
    assert json.dumps(statement) != before
    write(project, statement)
    refused(project)


@pytest.mark.parametrize(
    "change",
    [set_in_predicate(result="REJECTED"), set_in_predicate(result=None), lambda statement: statement.update(subject=[])],
    ids=["rejected", "no result", "no subject"],
)
def test_an_approval_is_refused_that_approves_nothing(project: Project, change: Change):
    _, _, statement = read(project, APPROVER)
    change(statement)
    write(project, statement, APPROVER, "Grace")
    refused(project, APPROVER, APPROVAL)
    with pytest.raises(BadInputError):
        verify(project.root)


@pytest.mark.parametrize("statement", [None, [], "statement", 17, {}, {"_type": None}])
def test_what_is_no_statement_is_refused_even_if_it_is_signed(project: Project, statement: object):
    write(project, statement)
    refused(project)


@pytest.mark.parametrize("payload", [b"", b"\xff", b"{", b"[" * 100_000, b"9" * 5000, b"\x00"])
def test_a_payload_that_is_no_json_is_refused_even_if_it_is_signed(project: Project, payload: bytes):
    envelope = sealing.seal(payload, sealing.load_private(project.keys / "Ada.pem"))
    project.path(AUTHOR).write_bytes(sealing.render(envelope))
    refused(project)


def test_a_payload_of_another_type_is_refused_even_if_it_is_signed(project: Project):
    _, payload, _ = read(project)
    envelope = sealing.seal(payload, sealing.load_private(project.keys / "Ada.pem"), "text/plain")
    project.path(AUTHOR).write_bytes(sealing.render(envelope))
    assert "another type of payload" in refused(project)


def test_there_is_one_signature(project: Project):
    envelope, payload, _ = read(project)
    project.path(AUTHOR).write_bytes(sealing.render({**envelope, "signatures": []}))
    assert "not one signature" in refused(project)
    second = sealing.sign_row(payload, sealing.load_private(project.keys / "Grace.pem"))
    project.path(AUTHOR).write_bytes(sealing.render({**envelope, "signatures": [*envelope["signatures"], second]}))
    assert "not one signature" in refused(project)
    project.path(AUTHOR).write_bytes(sealing.render({**envelope, "signatures": envelope["signatures"] * 2}))
    refused(project)


def test_the_signer_is_who_has_signed(signed: Project):
    authors = keys_of(read_signers(signed.path("signers.toml")), "author")
    approvers = keys_of(read_signers(signed.path("signers.toml")), "approver")
    envelope, _ = read_envelope(signed.path(AUTHOR), TEST_RESULT)
    assert find_signer(envelope, [*approvers, *authors]).name == "Ada"
    for others in (approvers, []):
        with pytest.raises(Unsigned):
            find_signer(envelope, others)


def test_a_signature_of_another_key_under_a_trusted_name_is_none(project: Project):
    _, payload, _ = read(project)
    envelope = sealing.seal(payload, sealing.load_private(project.keys / "Mallory.pem"))
    envelope["signatures"][0]["keyid"] = sealing.keyid_of(sealing.load_private(project.keys / "Ada.pem"))
    project.path(AUTHOR).write_bytes(sealing.render(envelope))
    found = verify(project.root)
    assert (found.status, found.author) == (Status.TAMPERED, "")


@pytest.mark.parametrize("length", [0, 1, 63, 65, 1000])
def test_a_signature_of_another_length_is_none(project: Project, length: int):
    envelope, _, _ = read(project)
    envelope["signatures"][0]["sig"] = base64.b64encode(bytes(length)).decode()
    project.path(AUTHOR).write_bytes(sealing.render(envelope))
    assert verify(project.root).status is Status.TAMPERED


def test_a_signature_is_not_the_same_with_the_order_of_the_group_added(project: Project):
    """RFC 8032, 5.1.7: S is below L; else anybody could make a second signature of a first."""
    order = 2**252 + 27742317777372353535851937790883648493
    envelope, _, _ = read(project)
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    larger = (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    envelope["signatures"][0]["sig"] = base64.b64encode(signature[:32] + larger).decode()
    project.path(AUTHOR).write_bytes(sealing.render(envelope))
    assert verify(project.root).status is Status.TAMPERED


def test_a_signature_of_one_word_is_not_of_another(project: Project):
    envelope, payload, _ = read(project)
    changed = payload.replace(b'"PASSED"', b'"WARNED"')
    assert changed != payload
    project.path(AUTHOR).write_bytes(sealing.render({**envelope, "payload": base64.b64encode(changed).decode()}))
    found = verify(project.root)
    assert found.tampered == [f"{AUTHOR} is not signed by an author in signers.toml"]


def test_a_file_of_any_size_is_not_read(project: Project):
    with project.path(AUTHOR).open("r+b") as file:
        file.truncate(5_000_001)  # sparse: nothing is written
    assert "more than 5,000,000 bytes" in refused(project)


@pytest.mark.parametrize(("name", "status"), [("signoff", Status.TAMPERED), (".", Status.STALE), ("gates", Status.STALE)])
def test_a_signed_name_that_is_no_file_is_missing(project: Project, name: str, status: Status):
    _, _, statement = read(project)
    statement["subject"].append({"name": name, "digest": {"sha256": "0" * 64}})
    write(project, statement)
    project.approve()
    found = verify(project.root)
    assert found.status is status
    assert f"{name} is missing" in found.render()


def test_a_signed_name_that_no_file_can_have_is_one_message(project: Project):
    _, _, statement = read(project)
    statement["subject"].append({"name": "x" * 300, "digest": {"sha256": "0" * 64}})
    write(project, statement)
    with pytest.raises(BadInputError, match=r"^`project` must hold files that can be read, got 'File name too long"):
        verify(project.root)
