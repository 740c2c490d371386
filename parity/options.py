"""Words that a command line takes."""

from __future__ import annotations

from parity.errors import bad_input


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
    found = tuple(dict.fromkeys(word.strip() for word in value.split(",") if word.strip()))
    if not found:
        raise bad_input(option, f"name some of {', '.join(known)}", value, "the command line", "see --help")
    return tuple(choose_word(option, word, known) for word in found)
