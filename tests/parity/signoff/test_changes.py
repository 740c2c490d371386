"""The smallest changes there are, at random places: of what is covered each is found, of anything else none is."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from parity.errors import BadInputError
from parity.signoff.verify import Status, verify

from .project import APPROVER, AUTHOR, EVIDENCE, KINDS, OUTSIDE, WEIGHTS, Project, names_in

COVERED = (*KINDS, *EVIDENCE, WEIGHTS, AUTHOR, APPROVER)
KINDS_OF_CHANGE = ("bit", "byte", "delete", "insert", "append")
BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
SEED = 20261124


def change(content: bytes, rng: random.Random) -> bytes:
    """Return the content with one bit or one byte of it changed."""
    changed, place, kind = bytearray(content), rng.randrange(len(content)), rng.choice(KINDS_OF_CHANGE)
    if kind == "bit":
        changed[place] ^= 1 << rng.randrange(8)
    elif kind == "byte":
        changed[place] = (changed[place] + rng.randrange(1, 256)) % 256
    elif kind == "delete":
        del changed[place]
    elif kind == "insert":
        changed.insert(place, rng.randrange(256))
    else:
        changed.append(rng.randrange(256))
    return bytes(changed)


def look(project: Project) -> tuple[Status | None, str]:
    """Return what a verification ends with: a status and its text, or a message on bad input."""
    try:
        found = verify(project.root)
    except BadInputError as error:
        return None, str(error)
    return found.status, found.render()


def change_and_look(project: Project, name: str, rng: random.Random) -> tuple[Status | None, str]:
    path = project.path(name)
    before = path.read_bytes()
    path.write_bytes(change(before, rng))
    try:
        assert path.read_bytes() != before
        return look(project)
    finally:
        path.write_bytes(before)


def is_found(project: Project, name: str, status: Status | None, text: str) -> bool:
    """Return whether a change has the status that it should have, and the file is named, and no other."""
    if status is None:
        return name in (AUTHOR, APPROVER) and f" in {project.path(name)}; " in text
    wanted = Status.TAMPERED if name in (*EVIDENCE, AUTHOR, APPROVER) else Status.STALE
    return status is wanted and names_in(text) == {name}


@pytest.mark.parametrize("count", [50, pytest.param(1000, marks=pytest.mark.slow)])
def test_every_change_of_what_is_covered_is_found_and_named(project: Project, count: int):
    rng, seen = random.Random(SEED), Counter[str]()
    for number in range(count):
        # Every file in turn, and every other time an envelope or the evidence, which are more worth changing.
        name = COVERED[number // 2 % len(COVERED)] if number % 2 else rng.choice((*EVIDENCE, WEIGHTS, AUTHOR, APPROVER))
        status, text = change_and_look(project, name, rng)
        assert is_found(project, name, status, text), text
        seen[name] += 1
    assert sum(seen.values()) == count
    assert count < 2 * len(COVERED) or set(seen) == set(COVERED)
    assert look(project)[0] is Status.VALID


@pytest.mark.parametrize("count", [50, pytest.param(100, marks=pytest.mark.slow)])
def test_no_change_of_anything_else_is_reported(project: Project, count: int):
    rng = random.Random(SEED)
    for number in range(count):
        name = OUTSIDE[number % len(OUTSIDE)]
        status, text = change_and_look(project, name, rng)
        assert status is Status.VALID
        assert names_in(text) == set()


@pytest.mark.parametrize("seed", range(5))
def test_every_bit_of_a_signature_counts(project: Project, seed: int):
    """Not only those at random places of a file: the signature is a small part of an envelope."""
    rng, name = random.Random(seed), APPROVER if seed % 2 else AUTHOR
    before = project.path(name).read_bytes()
    start = before.index(b'"sig": "') + 8
    for place in rng.sample(range(start, start + 86), 10):  # the last two letters of base64 are padding
        other = rng.choice([letter for letter in BASE64 if letter != before[place]])
        project.path(name).write_bytes(before[:place] + bytes([other]) + before[place + 1 :])
        assert is_found(project, name, *look(project))
