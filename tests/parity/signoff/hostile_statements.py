"""Statements that are none, in form or in what they say, some of them rightly signed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from . import sealing
from .project import APPROVER, AUTHOR, Project


def bad_statements(project: Project, rng: random.Random) -> Iterator[tuple[str, str, bytes | None]]:
    """Yield which statement of a project, in words, and what its file holds; None is a folder."""
    whole = {name: project.path(name).read_bytes() for name in (AUTHOR, APPROVER)}
    keys = [sealing.load_private(project.keys / f"{name}.pem") for name in ("Ada", "Grace", "Mallory")]
    while True:
        name = rng.choice((AUTHOR, APPROVER))
        envelope = json.loads(whole[name])
        statement = sealing.open_payload(envelope)
        damage = rng.choice((_damage_statement, _damage_statement, _damage_payload, _damage_envelope, _damage_file))
        if damage is _damage_statement:
            what = damage(statement, rng)
            content: bytes | None = sealing.render(sealing.seal(sealing.canonical(statement), rng.choice(keys)))
        elif damage is _damage_payload:
            what, payload = _damage_payload(sealing.canonical(statement), rng)
            content = sealing.render(sealing.seal(payload, rng.choice(keys)))
        elif damage is _damage_envelope:
            what = _damage_envelope(envelope, rng)
            content = sealing.render(envelope)
        else:
            what, content = _damage_file(whole[name], rng)
        yield name, what, content


LONG = "a" * 10_000
ODD = (None, True, 17, -1, 10**40, 1e300, "", "x", [], {}, [None], {"a": None}, "\x00", "\ud800", "../x", LONG)


def _damage_statement(statement: dict[str, Any], rng: random.Random) -> str:
    """Replace or remove something that a statement must have."""
    row = rng.choice(statement["subject"])
    predicate = statement["predicate"]
    places: list[tuple[Any, str]] = [
        (statement, "_type"), (statement, "predicateType"), (statement, "subject"), (statement, "predicate"),
        (row, "name"), (row, "digest"), (row["digest"], "sha256"), (predicate, "result"), (predicate, "parity"),
        (predicate["parity"], "signed"), (predicate["parity"], "headline"),
    ]  # fmt: skip
    table, key = rng.choice(places)
    action = rng.choice(("odd", "odd", "remove", "name", "digest", "twice"))
    if action == "name":
        row["name"] = rng.choice(("../", "/", "a/../../", "./", "a//", "\n")) + row["name"]
    elif action == "digest":
        row["digest"]["sha256"] = rng.choice((row["digest"]["sha256"][:-1], "g" * 64, "0x" + "0" * 62))
    elif action == "twice":
        statement["subject"].append(dict(row))
    elif action == "remove":
        del table[key]
    else:
        table[key] = rng.choice([odd for odd in ODD if not (key in ("signed", "headline", "name") and _is_fine(key, odd))])
    return f"{action} of {key}"


def _is_fine(key: str, value: object) -> bool:
    """A date and a headline may be any text, and a name any that is one of a file."""
    return isinstance(value, str) and (key != "name" or value in ("x", LONG))


def _damage_payload(payload: bytes, rng: random.Random) -> tuple[str, bytes]:
    depth = rng.randrange(500, 100_000)
    damages: dict[str, Callable[[], bytes]] = {
        "cut": lambda: payload[: rng.randrange(len(payload))],
        "bytes": lambda: rng.randbytes(rng.randrange(3000)),
        "deep lists": lambda: payload[:-1] + b',"x":' + b"[" * (depth + 1000) + b"]" * (depth + 1000) + b"}",
        "deep tables": lambda: payload[:-1] + b',"x":' + b'{"x":' * (depth + 1000) + b"1" + b"}" * (depth + 1001),
        "huge number": lambda: payload[:-1] + b',"x":' + b"9" * rng.randrange(5000, 9000) + b"}",
        "huge exponent": lambda: payload[:-1] + b',"x":1e' + b"9" * rng.randrange(3, 100) + b"}",
        "not a number": lambda: payload[:-1] + rng.choice((b',"x":NaN}', b',"x":Infinity}', b',"x":-Infinity}')),
        "a key twice": lambda: payload[:-1] + rng.choice((b',"_type":"x"}', b',"subject":[]}', b',"predicate":null}')),
        "a space": lambda: payload.replace(b",", b", ", 1),
        "a newline": lambda: payload + b"\n",
        "not UTF-8": lambda: payload.replace(b'"name":"', b'"name":"\xff', 1),
        "plain letters": lambda: payload[:-1] + ',"é":1}'.encode(),
        "a list": lambda: b"[" + payload + b"]",
        "a text": lambda: json.dumps(payload.decode()).encode(),
        "nothing": lambda: b"null",
    }
    what = rng.choice(sorted(damages))
    return f"payload: {what}", damages[what]()


def _damage_envelope(envelope: dict[str, Any], rng: random.Random) -> str:
    (row,) = envelope["signatures"]
    payload = envelope["payload"]
    place, letter = rng.randrange(len(payload)), rng.choice("!* \n\x00é")
    damages: dict[str, Callable[[], object]] = {
        "payload in other letters": lambda: envelope.update(payload=payload[:place] + letter + payload[place:]),
        "payload cut": lambda: envelope.update(payload=payload[: place // 4 * 4 + 1]),
        "payload is odd": lambda: envelope.update(payload=rng.choice(ODD)),
        "type is odd": lambda: envelope.update(payloadType=rng.choice(ODD)),
        "signatures are odd": lambda: envelope.update(signatures=rng.choice(ODD)),
        "signature is odd": lambda: envelope.update(signatures=[rng.choice([odd for odd in ODD if odd != ""])]),
        "no payload": lambda: envelope.pop("payload"),
        "no type": lambda: envelope.pop("payloadType"),
        "no signatures": lambda: envelope.pop("signatures"),
        "no signature": lambda: envelope.update(signatures=[]),
        "two signatures": lambda: envelope.update(signatures=[row, {**row, "keyid": "0" * 64}]),
        "a signature twice": lambda: envelope.update(signatures=[row, row]),
        "many signatures": lambda: envelope.update(signatures=[{**row, "keyid": str(number)} for number in range(1000)]),
        "no bytes of a signature": lambda: row.pop("sig"),
        "no name of a key": lambda: row.pop("keyid"),
        "bytes of a signature are odd": lambda: row.update(sig=rng.choice([odd for odd in ODD if odd not in ("", LONG)])),
        "more in a signature": lambda: row.update(note=rng.choice(ODD)),
        "more beside": lambda: envelope.update(note=rng.choice(ODD)),
    }  # fmt: skip
    what = rng.choice(sorted(damages))
    damages[what]()
    return f"envelope: {what}"


def _damage_file(whole: bytes, rng: random.Random) -> tuple[str, bytes | None]:
    depth = rng.randrange(2000, 100_000)
    damages: dict[str, Callable[[], bytes | None]] = {
        "cut": lambda: whole[: rng.randrange(len(whole))],
        "bytes": lambda: rng.randbytes(rng.randrange(3000)),
        "empty": lambda: b"",
        "folder": lambda: None,
        "deep": lambda: b"[" * depth + b"]" * depth,
        "deep and open": lambda: b'{"payload":' * depth,
        "a key twice": lambda: whole.replace(b'"payload"', b'"payload": "",\n "payload"', 1),
        "in one line": lambda: whole.replace(b"\n", b""),
        "carriage returns": lambda: whole.replace(b"\n", b"\r\n"),
        "UTF-16": lambda: whole.decode().encode("utf-16"),
        "zeros": lambda: bytes(rng.randrange(1, 5000)),
        "something before": lambda: rng.choice((b"\xef\xbb\xbf", b" ", b"\x00", b"#")) + whole,
        "something after": lambda: whole + rng.choice((b"\n", b" ", b"\x00", b"{}")),
    }
    what = rng.choice(sorted(damages))
    return f"file: {what}", damages[what]()
