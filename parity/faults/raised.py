"""Exceptions inside the port with a fault in it: what the fault is about, or a mistake in the fault itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.faults.fault import Fault
from parity.faults.reach import is_planted
from parity.workspace import PROJECT

# What a misspelt name, attribute, argument or import raises; others say what happened to the numbers.
OF_A_TYPING_MISTAKE = {"NameError", "AttributeError", "TypeError", "ImportError", "SyntaxError"}
REFUSAL = "InputError"  # what the port itself raises about its input: a check of the port, which has seen something
PARTS = PROJECT / "parity" / "faults"


def describe_misplanted(fault: Fault, raised: Mapping[str, Any] | None, file: Path | None = None) -> str:
    """Return why an exception at the first failing gate does not count as seeing the fault; empty where it counts.

    - One of `OF_A_TYPING_MISTAKE` whose innermost frame is text of the fault (a ``__getattr__`` that it calls aside), or which
      such a one has led to: the fault is mistyped, whatever it says of itself.
    - What the port refuses with its own `InputError` counts.
    - Everything else counts where the fault says ``raises=True``.

    Args:
        fault: The fault.
        raised: What `parity.errors.describe_raised` found; None: nothing was raised.
        file: File that defines the fault, where it is one's own.
    """
    if raised is None:
        return ""
    for link in raised["chain"]:
        if OF_A_TYPING_MISTAKE & set(link["types"]) and _is_of_a_fault(link["file"], file):
            return f"is mistyped: its own text raises {link['said']}"
    if fault.raises or REFUSAL in raised["chain"][0]["types"]:
        return ""
    return f"raises without saying so (raises=True): {raised['chain'][0]['said']}"


def _is_of_a_fault(place: str, own: Path | None) -> bool:
    return is_planted(place) or Path(place).is_relative_to(PARTS) or (own is not None and Path(place) == own.resolve())
