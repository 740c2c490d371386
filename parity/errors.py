"""Bad input, as opposed to a parity mismatch (which is a result, never an exception)."""


class BadInputError(Exception):
    """The user's input cannot be used; the message says what was expected, found, where, and what to do."""


class LostSideError(BadInputError):
    """A side's process was ended from outside, or had no memory left: that says nothing about the port."""


def bad_input(subject: str, expectation: str, found: object, place: str, remedy: str) -> BadInputError:
    """Return the error in the one form that every message of the harness has.

    >>> print(bad_input("resolution", "be 20x or 40x", "10x", "--resolution", "choose one of the two"))
    `resolution` must be 20x or 40x, got '10x' in --resolution; choose one of the two
    """
    shown = found if isinstance(found, str) and found.startswith("<") else repr(found)
    return BadInputError(f"`{subject}` must {expectation}, got {shown} in {place}; {remedy}")
