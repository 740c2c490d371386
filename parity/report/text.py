"""Text from a data set, made safe to show: file names and class names may hold anything."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

ELLIPSIS = "…"
# ASCII punctuation but for round brackets and the slash, which mean nothing by themselves.
_PUNCTUATION = re.compile(r"[!-'*-.:-@\[-`{-~]")
_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
# Cc control, Cs lone surrogate, Cf format (writing direction, zero width), Zl and Zp line ends: none of them can be seen.
_UNSEEN = frozenset({"Cc", "Cs", "Cf", "Zl", "Zp"})


def make_printable(value: Any) -> Any:
    """Return a copy of a JSON value in which every character of every text (keys too) can be seen and encoded.

    >>> make_printable({"name": "a\\n\\u202eb"})
    {'name': 'a\\\\n\\\\u202eb'}
    """
    if isinstance(value, str):
        return value if value.isascii() and value.isprintable() else "".join(map(_make_visible, value))
    if isinstance(value, dict):
        return {make_printable(key): make_printable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [make_printable(item) for item in value]
    return value


def _make_visible(character: str) -> str:
    code = ord(character)
    if unicodedata.category(character) not in _UNSEEN and not _is_noncharacter(code):
        return character
    if character in _ESCAPES:
        return _ESCAPES[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _is_noncharacter(code: int) -> bool:
    """Unicode keeps these for nobody; XML forbids some of them."""
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def cut_middle(text: str, length: int) -> str:
    """Return `text` with its middle left out where it is longer than `length`: names differ at both ends.

    >>> cut_middle("float64/conv4/block2/out/max_rel", 15)
    'float64…max_rel'
    """
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return f"{text[: length - 1 - tail]}{ELLIPSIS}{text[len(text) - tail :]}"


def markdown_code(text: str) -> str:
    """Return `text` as inline code that is inert anywhere in Markdown, in a table cell too.

    In code no Markdown renderer reads HTML, links, mentions or issue numbers. A pipe ends a table cell and a backtick ends the
    code, so a text with one of them is written as HTML with its punctuation as character references.
    """
    if not text:
        return ""
    if not set(text) & set("`|") and text == text.strip():
        return f"`{text}`"
    return f"<code>{_PUNCTUATION.sub(lambda found: f'&#{ord(found[0])};', text)}</code>"


def markdown_text(text: str) -> str:
    """Return running text in which nothing is read as Markdown, HTML, a mention or a link."""
    text = re.sub(r"[&<>|`*\[\]\\$~]", lambda found: f"&#{ord(found[0])};", text)
    text = re.sub(r"(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])", "&#95;", text)
    text = re.sub(r"(?i)(://|\bwww\.)", lambda found: found[0].replace(":", "&#58;").replace(".", "&#46;"), text)
    # A mention survives a character reference, a space of no width ends it; the same for issue numbers.
    return re.sub(r"([@#])(?=\w)(?<!&#)", "\\1\u200b", text)
