"""What Markdown may show: names, texts and tables cut to the room there is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from parity.report.text import cut_middle, markdown_code, markdown_text

WHERE = "report.json (and, but for very large runs, report.html)"


@dataclass(frozen=True, kw_only=True)
class Room:
    """How much may be shown: rows of a table, characters of a text."""

    rows: int
    characters: int

    def code(self, text: Any) -> str:
        """Return a name as inline code."""
        return markdown_code(cut_middle(str(text), self.characters))

    def text(self, text: Any) -> str:
        """Return running text."""
        return markdown_text(cut_middle(str(text), 2 * self.characters))

    def table(self, headers: Sequence[str], items: Sequence[Any], cells: Callable[[Any], Iterable[str]]) -> list[str]:
        """Return a table cut to the room there is.

        Args:
            headers: A header that ends with a colon marks a column of numbers.
            items: What the rows are made of; only those that are shown are.
            cells: Makes the cells of a row.
        """
        if not items:
            return []
        marks = ["---:" if header.endswith(":") else "---" for header in headers]
        lines = [_row([header.rstrip(":") for header in headers]), _row(marks)]
        lines += [_row(cells(item)) for item in items[: self.rows]]
        if len(items) > self.rows:
            left_out = f"{len(items) - self.rows:,} more rows of {len(items):,}"
            lines += ["", f"… {left_out} are left out here; they are in {WHERE}."]
        return [*lines, ""]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
