"""Bad input, as opposed to a parity mismatch (which is a result, never an exception)."""

import re
import traceback
from typing import Any

# What Python, C++, torch, TensorFlow, cuBLAS and cuDNN say of it, on a CPU and on a GPU.
OUT_OF_MEMORY = re.compile(
    r"MemoryError|std::bad_alloc|can't allocate memory|out of memory|OOM when allocating|STATUS_ALLOC_FAILED", re.IGNORECASE
)


class BadInputError(Exception):
    """The user's input cannot be used; the message says what was expected, found, where, and what to do."""


class LostSideError(BadInputError):
    """A side's process was ended from outside, or had no memory left: that says nothing about the port."""


class CommandFailed(Exception):
    """A side's own command refused what it was given, or wrote what cannot be read: of the port, a finding."""


def bad_input(subject: str, expectation: str, found: object, place: str, remedy: str) -> BadInputError:
    """Return the error in the one form that every message of the harness has.

    >>> print(bad_input("resolution", "be 20x or 40x", "10x", "--resolution", "choose one of the two"))
    `resolution` must be 20x or 40x, got '10x' in --resolution; choose one of the two
    """
    shown = found if isinstance(found, str) and found.startswith("<") else repr(found)
    return BadInputError(f"`{subject}` must {expectation}, got {shown} in {place}; {remedy}")


def is_out_of_memory(words: str) -> bool:
    """Return whether an error's words say that there was too little memory, which says nothing about the side."""
    return OUT_OF_MEMORY.search(words) is not None


def describe_raised(error: BaseException) -> dict[str, Any]:
    """Return an exception, and those that led to it: their words, their classes, and the file that raised them.

    That is the file of the innermost frame; a ``__getattr__`` there only speaks for who asked.
    """
    chain: list[dict[str, Any]] = []
    link: BaseException | None = error
    while link is not None and len(chain) < 10:
        frames = [frame for frame in traceback.extract_tb(link.__traceback__) if not frame.name.startswith("__getattr")]
        types = [found.__name__ for found in type(link).__mro__]
        said = f"{type(link).__name__}: {link}"[:1000]
        chain.append({"said": said, "types": types, "file": frames[-1].filename if frames else ""})
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return {"chain": chain}
