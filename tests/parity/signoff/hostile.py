"""Malformed and hostile statements, bundles, keys and lists of signers: none of them can be used, whoever has signed it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from tests.parity.golden.random_bundles import bad_bundles

from .hostile_keys import bad_keys, bad_signers
from .hostile_statements import bad_statements
from .project import Project


@dataclass(frozen=True, kw_only=True)
class Case:
    """Something hostile, and the place where it is put.

    Attributes:
        kind: ``statement``, ``bundle``, ``key`` or ``signers``.
        what: In words.
        content: Of a file; None is a folder.
        name: Which statement it stands for.
    """

    kind: str
    what: str
    content: bytes | None
    name: str = ""


def make_cases(project: Project, count: int, seed: int) -> list[Case]:
    """Return `count` cases, of every kind; the same seed gives the same ones, but for new keys."""
    return list(islice(_cases(project, random.Random(seed)), count))


def _cases(project: Project, rng: random.Random) -> Iterator[Case]:
    statements = (
        Case(kind="statement", what=what, content=content, name=name) for name, what, content in bad_statements(project, rng)
    )
    archives = (Case(kind="bundle", what=what, content=content) for what, content in bad_bundles(rng))
    keys = (Case(kind="key", what=what, content=content) for what, content in bad_keys(rng))
    signers = (Case(kind="signers", what=what, content=content) for what, content in bad_signers(rng))
    while True:
        for kind in (statements, statements, archives, statements, signers, archives, statements, keys):
            yield next(kind)
