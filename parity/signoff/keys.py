"""Who may sign: ed25519 keys, and ``signers.toml``, which says whose they are and in which role.

References:
    ``securesystemslib.signer.CryptoSigner``; RFC 8032.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner, SSlibKey

from parity.errors import bad_input
from parity.files import made_folder

AUTHOR, APPROVER = ROLES = ("author", "approver")
SIGNERS_FILE = "signers.toml"
MOST_BYTES = 100_000


@dataclass(frozen=True, kw_only=True)
class Trusted:
    """An entry of ``signers.toml``."""

    name: str
    role: str
    key: SSlibKey


def make_key(path: Path) -> str:
    """Write a new private key, which only its owner can read, and return the public one, in hexadecimal.

    Raises:
        BadInputError: The file is there already, or cannot be written.
    """
    signer = CryptoSigner.generate_ed25519()
    try:
        with made_folder(path.parent):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(signer.private_bytes)
            except BaseException:
                path.unlink()
                raise
    except OSError as error:
        raise bad_input("--key", "be a new file", error.strerror, str(path), "choose another name") from error
    public: str = signer.public_key.keyval["public"]
    return public


def read_key(path: Path) -> CryptoSigner:
    """Read a private key.

    Raises:
        BadInputError: It cannot be read, or is no ed25519 key in PEM without a password.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES)
        private = load_pem_private_key(content, None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        found = getattr(error, "strerror", None) or "no such key"
        raise bad_input("--key", "be an ed25519 key in PEM", found, str(path), "make one: nox -s signoff -- keygen") from error
    if not isinstance(private, Ed25519PrivateKey):
        found = type(private).__name__
        raise bad_input("--key", "be an ed25519 key", found, str(path), "make one: nox -s signoff -- keygen")
    return CryptoSigner(private)


def read_signers(path: Path) -> tuple[Trusted, ...]:
    """Read ``signers.toml``: a table ``[[signer]]`` with name, role and public key (hexadecimal) for each.

    Raises:
        BadInputError: It is not there, is not TOML, or an entry is not of that form.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES} bytes")
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("signer", [])
        return tuple(map(_make, entries))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        must, remedy = (
            "list who may sign",
            "give every [[signer]] name, role (author or approver) and key (64 hexadecimal digits)",
        )
        raise bad_input(SIGNERS_FILE, must, str(error), str(path), remedy) from error


def _make(entry: dict[str, str]) -> Trusted:
    name, role, key = entry["name"], entry["role"], entry["key"]
    if not isinstance(name, str) or not name.strip() or role not in ROLES:
        raise ValueError(f"in {entry}")
    return Trusted(name=name, role=role, key=SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))))


def keys_of(signers: Iterable[Trusted], role: str) -> list[Trusted]:
    """Return who may sign in a role."""
    return [signer for signer in signers if signer.role == role]
