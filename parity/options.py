"""What the command lines share: words that they take, and how they end."""

from __future__ import annotations

import io
import sys

import typer

from parity.children import Interrupted, become_interruptible
from parity.errors import BadInputError, bad_input
from parity.files import cannot_write, is_of_a_place

BAD_INPUT_EXIT_CODE = 2
INTERRUPTED_EXIT_CODE = 130


def run_app(app: typer.Typer, name: str, *, interrupted: str) -> None:
    """Run a command line; bad input is one message and exit code 2, Ctrl-C, SIGTERM and SIGHUP are one and exit code 130.

    Args:
        app: The command line.
        name: What messages begin with.
        interrupted: What is left after an interruption.
    """
    become_interruptible()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal of another encoding lacks characters of tables and names
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except BadInputError as error:
        print(f"\n{name}: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT_EXIT_CODE)
    except OSError as error:  # of a log, for example, or of a folder
        if not is_of_a_place(error):
            raise
        print(f"\n{name}: {cannot_write(error, error.filename or 'a file')}", file=sys.stderr)
        sys.exit(BAD_INPUT_EXIT_CODE)
    except Interrupted:
        print(f"\n{name}: interrupted; {interrupted}", file=sys.stderr)
        sys.exit(INTERRUPTED_EXIT_CODE)


def choose_word(option: str, value: str, known: tuple[str, ...]) -> str:
    """Return an option's word.

    Raises:
        BadInputError: It is none of the known words.
    """
    if value not in known:
        raise bad_input(option, f"be one of {', '.join(known)}", value, "the command line", "see --help")
    return value


def choose_words(option: str, value: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words of an option that takes several, with commas; each once, in their order.

    Raises:
        BadInputError: There is none, or one of them is none of the known words.
    """
    found = split_words(option, value, f"name some of {', '.join(known)}")
    return tuple(choose_word(option, word, known) for word in found)


def split_words(option: str, value: str | None, must: str = "name something") -> tuple[str, ...]:
    """Return the words of an option, each once, in their order; none where the option is left out.

    Raises:
        BadInputError: The option is given, and names nothing.
    """
    found = tuple(dict.fromkeys(word.strip() for word in (value or "").split(",") if word.strip()))
    if value is not None and not found:
        raise bad_input(option, must, value, "the command line", "see --help")
    return found


def choose_some(option: str, value: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words of an option that may be left out, which chooses none; an empty text is not leaving it out.

    Raises:
        BadInputError: As `choose_words`.
    """
    return () if value is None else choose_words(option, value, known)
