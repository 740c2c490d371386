"""Envelopes made by hand, with nothing but `cryptography`: DSSE as its specification has it, of anything.

References:
    https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def load_private(path: Path) -> Ed25519PrivateKey:
    private = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(private, Ed25519PrivateKey)
    return private


def authenticated(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """What is signed: PAE(type, body) = "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body."""
    kind = payload_type.encode()
    return b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload])


def keyid_of(private: Ed25519PrivateKey) -> str:
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    return hashlib.sha256(f'{{"keytype":"ed25519","keyval":{{"public":"{public}"}},"scheme":"ed25519"}}'.encode()).hexdigest()


def canonical(statement: Any) -> bytes:
    """The one form of a statement that counts."""
    return json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()


def sign_row(payload: bytes, private: Ed25519PrivateKey, payload_type: str = PAYLOAD_TYPE) -> dict[str, Any]:
    signature = private.sign(authenticated(payload, payload_type))
    return {"keyid": keyid_of(private), "sig": base64.b64encode(signature).decode()}


def seal(payload: bytes, private: Ed25519PrivateKey, payload_type: str = PAYLOAD_TYPE) -> dict[str, Any]:
    """Return an envelope of any bytes, rightly signed."""
    encoded = base64.b64encode(payload).decode()
    return {"payload": encoded, "payloadType": payload_type, "signatures": [sign_row(payload, private, payload_type)]}


def render(envelope: Any) -> bytes:
    """The one form of an envelope that counts."""
    return json.dumps(envelope, indent=1, sort_keys=True).encode() + b"\n"


def open_payload(envelope: dict[str, Any]) -> Any:
    """Return the statement in an envelope."""
    return json.loads(base64.b64decode(envelope["payload"], validate=True))
