"""A side's own command line, called inside its warm process as a user would give it. Standard library only."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stderr, redirect_stdout

from parity.errors import BadInputError, CommandFailed, is_out_of_memory

INTERRUPTED = 130
CANNOT_WRITE = "that can be written"  # what the commands say of a full disk: no finding about a side
Main = Callable[[list[str]], int]


def run_command(main: Main, words: Iterable[object], *, allowed: tuple[int, ...] = (0,)) -> int:
    """Run a command and return its exit code; what it prints goes to the error output.

    Args:
        main: The side's own ``main``.
        words: The command and its options.
        allowed: Exit codes that are an answer.

    Raises:
        BadInputError: The disk is full.
        RuntimeError: There was too little memory.
        CommandFailed: It ended with another exit code.
        KeyboardInterrupt: It was interrupted.
    """
    said = io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            code = main([str(word) for word in words])
    except SystemExit as error:  # of an option that its parser does not know
        code = int(error.code or 0)
    finally:
        print(said.getvalue(), file=sys.stderr, flush=True)
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code not in allowed:
        text = said.getvalue()
        last = (text.strip().splitlines() or ["nothing"])[-1]
        if is_out_of_memory(text):
            raise RuntimeError(last)
        if CANNOT_WRITE in text:
            raise BadInputError(last)
        raise CommandFailed(f"exit code {code}: {last}")
    return code


def flatten(options: Mapping[str, object]) -> list[object]:
    """Return the words of a table of options.

    >>> flatten({"--samples": 3, "--seed": 5})
    ['--samples', 3, '--seed', 5]
    """
    return [word for option in options.items() for word in option]
