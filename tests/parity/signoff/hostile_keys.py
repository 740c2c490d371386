"""Private keys that cannot be used, and lists of signers that are none."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

Damaged = tuple[str, bytes | None]  # in words, and what a file holds; None is a folder
ODD_TOML = ("1", "[]", "{}", "1e999", "nan", "2026-01-01", "true")
ED25519 = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))  # of nobody
KEY = ED25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
SIGNERS = f"""
[[signer]]
name = "Ada"
role = "author"
key = "{KEY}"

[[signer]]
name = "Grace"
role = "approver"
key = "{"ab" * 32}"
"""
# What stands there, and what stands there instead: the list is refused.
BAD_SIGNERS = (
    ('role = "author"\n', ""),
    ('name = "Ada"\n', ""),
    (f'key = "{KEY}"\n', ""),
    ('"author"', '"Author"'),
    ('"author"', "1"),
    ('"author"', '["author"]'),
    ('"Ada"', '" "'),
    ('"Ada"', '""'),
    ('"Ada"', "17"),
    (f'"{KEY}"', f'"{KEY[:-2]}"'),
    (f'"{KEY}"', f'"{KEY}00"'),
    (f'"{KEY}"', f'"{KEY[:-1]}g"'),
    (f'"{KEY}"', '""'),
    (f'"{KEY}"', "17"),
    (f'"{KEY}"', '"../key.pem"'),
    ("[[signer]]\nname", "[signer]\nname"),
    ("[[signer]]", "[[signer]"),
    (SIGNERS, "signer = 1"),
    (SIGNERS, 'signer = "Ada"'),
    (SIGNERS, "signer = [[]]"),
    (SIGNERS, "signer = [1]"),
    (SIGNERS, "signer = " + "[" * 5000 + "]" * 5000),
    (SIGNERS, "signer = " + "{a=" * 5000 + "1" + "}" * 5000),
    (SIGNERS, "a = " + "9" * 5000),
    (SIGNERS, "#" * 100_001),
    (SIGNERS, "\x00"),
    (SIGNERS, "name = 'Ada"),
)


def to_pem(private: Any, password: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    pem: bytes = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    return pem


BAD_KEYS: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "garbage": lambda: bytes(range(256)) * 10,
    "pem of garbage": lambda: b"-----BEGIN PRIVATE KEY-----\nZ2FyYmFnZQ==\n-----END PRIVATE KEY-----\n",
    "pem without end": lambda: to_pem(ED25519)[:60],
    "public key": lambda: ED25519.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    "rsa": lambda: to_pem(rsa.generate_private_key(65537, 2048)),
    "elliptic curve": lambda: to_pem(ec.generate_private_key(ec.SECP256R1())),
    "ed448": lambda: to_pem(ed448.Ed448PrivateKey.generate()),
    "encrypted": lambda: to_pem(ED25519, b"secret"),
    "hexadecimal": lambda: bytes(range(32)).hex().encode(),
    "32 bytes": lambda: bytes(range(32)),
    "NUL": lambda: bytes(1000),
    "far too long": lambda: b"A" * 1_000_000,
}


def bad_keys(rng: random.Random) -> Iterator[Damaged]:
    """Yield private keys that cannot be used."""
    pem = to_pem(ED25519)
    while True:
        damages: dict[str, Callable[[], bytes | None]] = {
            "known": lambda: BAD_KEYS[rng.choice(sorted(BAD_KEYS))](),
            "cut": lambda: pem[: rng.randrange(len(pem) - 30)],
            "bytes": lambda: rng.randbytes(rng.randrange(3000)),
            "damaged": lambda: pem.replace(pem[40:44], rng.randbytes(rng.randrange(8)), 1),
            "of nobody": lambda: pem,
            "folder": lambda: None,
        }
        what = rng.choice(sorted(damages))
        yield what, damages[what]()


def bad_signers(rng: random.Random) -> Iterator[Damaged]:
    """Yield lists of signers that are none."""
    start = SIGNERS.index(KEY)
    while True:
        old, new = rng.choice(BAD_SIGNERS)
        length = rng.choice([length for length in range(100) if length != 64])
        damages: dict[str, Callable[[], bytes | None]] = {
            "known": lambda old=old, new=new: SIGNERS.replace(old, new, 1).encode(),  # type: ignore[misc]
            "cut": lambda: SIGNERS[: rng.randrange(start, start + 64)].encode(),
            "bytes": lambda: b"\x00" + rng.randbytes(rng.randrange(3000)),
            "not UTF-8": lambda: SIGNERS.encode().replace(b"Ada", b"Ad\xff", 1),
            "key of another length": lambda length=length: SIGNERS.replace(KEY, "a" * length, 1).encode(),  # type: ignore[misc]
            "odd": lambda: SIGNERS.replace('"Grace"', rng.choice(ODD_TOML), 1).encode(),
            "twice": lambda: SIGNERS.replace('role = "author"', 'role = "author"\nrole = "approver"', 1).encode(),
            "folder": lambda: None,
        }
        what = rng.choice(sorted(damages))
        yield what, damages[what]()
