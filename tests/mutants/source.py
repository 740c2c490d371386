"""A module's source as mutants see it: pieces of text by syntax node, and the definition that a node is in."""

from __future__ import annotations

import ast
import hashlib
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

WHOLE_MODULE = "<module>"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A definition: a function with all that is in it, or one statement of a module or of a class.

    Attributes:
        name: Qualified name; of a statement, the name that it assigns.
        start: First line, from 1, decorators included.
        source: Its text, without its indentation.
        span: Its first byte, that of the line, and its end.
        is_function: Whether it is a function: a trace can say who runs it.
    """

    name: str
    start: int
    source: str
    span: tuple[int, int]
    is_function: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.source.encode()).hexdigest()[:16]


class Source:
    """The text of a module, in bytes as the syntax tree counts them.

    Args:
        text: The module.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.data = text.encode()
        self.tree = ast.parse(text)
        self._starts = [0]
        for line in self.data.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return first byte and end of a node."""
        assert isinstance(node, (ast.expr, ast.stmt, ast.keyword, ast.arg))
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._starts[node.lineno - 1] + node.col_offset, self._starts[node.end_lineno - 1] + node.end_col_offset

    def piece(self, start: int, end: int) -> str:
        return self.data[start:end].decode()

    def of(self, node: ast.AST) -> str:
        """Return a node's text."""
        return self.piece(*self.span(node))

    def position(self, start: int, place: Place) -> tuple[int, int]:
        """Return line and column of a byte, counted within its definition."""
        line = next(number for number in range(len(self._starts) - 1, -1, -1) if self._starts[number] <= start)
        return line + 1 - place.start, start - self._starts[line]

    def places(self) -> Iterator[tuple[Place, ast.stmt]]:
        """Yield every definition with its node, in order; a function in a function belongs to the outer one."""
        yield from self._places(self.tree.body, "")

    def _places(self, body: list[ast.stmt], prefix: str) -> Iterator[tuple[Place, ast.stmt]]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from self._places(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield self._place(node, prefix + node.name, is_function=True), node
            else:
                yield self._place(node, prefix + _assigned(node), is_function=False), node

    def _place(self, node: ast.stmt, name: str, *, is_function: bool) -> Place:
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
        end = self.span(node)[1]
        span = self._starts[first - 1], end
        source = textwrap.dedent(self.piece(*span))
        return Place(name=name, start=first, source=source, span=span, is_function=is_function)


def _assigned(node: ast.stmt) -> str:
    """Return the name that a statement assigns, if it assigns one."""
    target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
    if isinstance(target, ast.Tuple):
        target = target.elts[0]
    return target.id if isinstance(target, ast.Name) else WHOLE_MODULE
