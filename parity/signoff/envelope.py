"""A statement in a signed envelope: in-toto Statement v1 in DSSE, one ed25519 signature.

References:
    https://github.com/in-toto/attestation (Statement v1); https://github.com/secure-systems-lab/dsse.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import FormatError, UnverifiedSignatureError, VerificationError
from securesystemslib.signer import CryptoSigner

from parity.errors import bad_input
from parity.files import write_whole
from parity.signoff.keys import Trusted

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
RESULTS = ("PASSED", "WARNED", "APPROVED")
MOST_BYTES = 5_000_000
_SHA256 = re.compile(r"[0-9a-f]{64}")

Statement = dict[str, Any]


class Unsigned(Exception):
    """No trusted key has signed this envelope."""


def write_envelope(path: Path, statement: Statement, signer: CryptoSigner) -> None:
    """Sign a statement and write it."""
    envelope = Envelope(_canonical(statement).encode(), PAYLOAD_TYPE, {})
    envelope.sign(signer)
    write_whole(path, _render(envelope))


def read_envelope(path: Path, predicate_type: str) -> tuple[Envelope, Statement]:
    """Return an envelope and the statement in it, both checked for form; who signed it is for `find_signer`.

    Raises:
        BadInputError: There is none, or it is none.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES:,} bytes")
        text = path.read_bytes().decode("utf-8")
        envelope = Envelope.from_dict(json.loads(text))
        statement = json.loads(envelope.payload)
        # Base64 and JSON can say one thing in many ways: there is one that counts.
        if _render(envelope) != text or _canonical(statement).encode() != envelope.payload:
            raise ValueError("not in the form in which it was written")
        _check(envelope, statement, predicate_type)
    except FileNotFoundError as error:
        raise bad_input("sign-off", "be there", path.name, str(path.parent), "sign first: nox -s signoff -- sign") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, FormatError) as error:
        must, found = "be a signed statement", f"{type(error).__name__}: {error}"[:300]
        raise bad_input("sign-off", must, found, str(path), "take the file that was signed, or sign again") from error
    return envelope, statement


def find_signer(envelope: Envelope, trusted: list[Trusted]) -> Trusted:
    """Return whose key has signed an envelope.

    Raises:
        Unsigned: None of them.
    """
    for signer in trusted:
        try:
            envelope.verify([signer.key], 1)
        except (VerificationError, UnverifiedSignatureError):
            continue
        return signer
    raise Unsigned


def read_digests(statement: Statement) -> dict[str, str]:
    """Return the SHA-256 of every file that a statement names, as subject or as part of its configuration."""
    return {row["name"]: row["digest"]["sha256"] for row in _file_rows(statement)}


def _file_rows(statement: Statement) -> list[dict[str, Any]]:
    """Return what names files: all subjects, and what of the configuration has a name and no URI."""
    configuration = [row for row in statement["predicate"].get("configuration", []) if "uri" not in row]
    return [*statement["subject"], *configuration]


def _check(envelope: Envelope, statement: Statement, predicate_type: str) -> None:
    if envelope.payload_type != PAYLOAD_TYPE or len(envelope.signatures) != 1:
        raise ValueError("another type of payload, or not one signature")
    if any(signature.unrecognized_fields for signature in envelope.signatures.values()):
        raise ValueError("a signature with something beside it, which nobody has signed")
    if statement["_type"] != STATEMENT or statement["predicateType"] != predicate_type:
        raise ValueError(f"{statement['_type']!r} with {statement['predicateType']!r}")
    predicate = statement["predicate"]
    said = predicate["parity"]
    if predicate["result"] not in RESULTS or not all(isinstance(said[word], str) for word in ("signed", "headline")):
        raise ValueError("another result, or no date and headline")
    if not all(isinstance(row, dict) for row in predicate.get("configuration", [])):
        raise ValueError("a configuration that is no list of tables")
    rows = _file_rows(statement)
    names = [row["name"] for row in rows]
    if not statement["subject"] or len(set(names)) != len(names):
        raise ValueError("no subject, or one twice")
    for row in rows:
        if not _is_inside(row["name"]) or not _SHA256.fullmatch(row["digest"]["sha256"]):
            raise ValueError(f"a subject of {row}")


def _is_inside(name: str) -> bool:
    path = Path(name)
    return bool(name) and name.isprintable() and not path.is_absolute() and ".." not in path.parts and path.as_posix() == name


def _canonical(statement: Statement) -> str:
    return json.dumps(statement, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _render(envelope: Envelope) -> str:
    return json.dumps(envelope.to_dict(), indent=1, sort_keys=True) + "\n"
