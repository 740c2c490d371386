"""Golden bundles that are none, at random."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from .hostile_bundles import (
    BAD_ARRAYS,
    BAD_FILES,
    BAD_INDEX_TEXTS,
    BAD_INDEXES,
    BAD_NAMES,
    bomb,
    headed,
    header,
    patch_sizes,
    pickled,
    whole_bytes,
    whole_index,
    with_array,
    with_index,
    with_index_text,
    with_name,
)

ODD = (None, True, 17, -1, 10**40, 1e300, "", "x", [], {}, [None], {"a": None}, "\x00", "\ud800", "../x", "a" * 10_000)


def bad_bundles(rng: random.Random) -> Iterator[tuple[str, bytes | None]]:
    """Yield in words and in bytes what is no golden bundle; None is a folder."""
    whole = whole_bytes()
    while True:
        damages: dict[str, Callable[[], bytes | None]] = {
            "name": lambda: with_name(rng.choice(BAD_NAMES)),
            "far name": lambda: with_name("/".join(["..", "a"][: rng.randrange(1, 3)] * rng.randrange(1, 30)) + "/x"),
            "index": lambda: with_index(BAD_INDEXES[rng.choice(sorted(BAD_INDEXES))]),
            "index text": lambda: with_index_text(BAD_INDEX_TEXTS[rng.choice(sorted(BAD_INDEX_TEXTS))]),
            "odd in the index": lambda: with_index(_odd_index(rng)),
            "array": lambda: with_array(BAD_ARRAYS[rng.choice(sorted(BAD_ARRAYS))]),
            "shape": lambda: with_array(_lie(rng)),
            "file": lambda: BAD_FILES[rng.choice(sorted(BAD_FILES))](),
            "cut": lambda: whole[: rng.randrange(len(whole) - 1)],
            "bytes": lambda: rng.randbytes(rng.randrange(3000)),
            "sizes": lambda: patch_sizes(whole, rng.randrange(200_000_000, 2**32)),
            "bomb": lambda: patch_sizes(bomb(zeros=20_000_000), rng.randrange(1000)),
            "pickle": lambda: with_array(pickled("/nowhere/made")),
            "folder": lambda: None,
        }
        what = rng.choice(sorted(damages))
        yield what, damages[what]()


def _odd_index(rng: random.Random) -> object:
    index = whole_index()
    entry = index["files"]["array.npy"]
    table, key = rng.choice(((index, "schema"), (index, "facts"), (index, "files"), (entry, "member"), (entry, "sha256")))
    table[key] = rng.choice([odd for odd in ODD if not (key == "facts" and isinstance(odd, dict))])
    return index


def _lie(rng: random.Random) -> bytes:
    shape = tuple(rng.randrange(13, 10**12) for _ in range(rng.randrange(1, 6)))
    return headed(header(shape=repr(shape)), bytes(96))
