"""Bad input: an exception with one message that says what was expected, found, where, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

WORKER_TRACEBACK = "Original Traceback"


class InputError(Exception):
    """The input cannot be used; command lines print the message and end with exit code 2."""

    @classmethod
    def about(cls, subject: str, *, must: str, got: str, place: object, remedy: str, faults: Sequence[str] = ()) -> Self:
        """Return the error in the form that all messages have.

        Args:
            subject: What is wrong.
            must: What was expected of it, as a verb phrase.
            got: What was found.
            place: Where.
            remedy: What to do.
            faults: Everything that is wrong, one line each, if it is more than one thing.
        """
        headline = f"`{subject}` must {must}, got {got} in {place}; {remedy}"
        return cls("\n  - ".join([f"{headline}:", *faults]) if faults else headline)

    def text(self) -> str:
        """Return the message alone, also when a worker of a data loader has wrapped it in its traceback."""
        text = str(self)
        if WORKER_TRACEBACK not in text:
            return text
        return text.rpartition(f"{type(self).__name__}: ")[2].strip()


class PlaceError(InputError, OSError):
    """A place that cannot be written: a full disk, a folder without permission. What was there before is there still."""


class DataError(InputError):
    """The data set, its metadata, its split or one of its images cannot be used."""


class WeightsError(InputError):
    """A file of weights cannot be used; the message lists everything that is wrong with it."""


def count_of(number: int, thing: str) -> str:
    """Return ``1 fault``, ``2 faults``."""
    return f"{number} {thing}" + ("" if number == 1 else "s")
