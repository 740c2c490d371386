"""Branches of a function that were not taken, by the steps that were made from line to line."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Set

Step = tuple[int, int]  # from a line to a line; to -1: the call has ended


def missed_branches(function: ast.AST, steps: Set[Step]) -> Iterator[tuple[int, str]]:
    """Yield the line and the words of each branch that was not taken, nested functions included.

    Conditions inside an expression are not looked into: a line that ran has run.

    Args:
        function: Its syntax tree.
        steps: What ran.
    """
    ran = {line for _, line in steps}
    for node in ast.walk(function):
        if isinstance(node, (ast.If, ast.While, ast.For)) and _ran(node, ran):
            head = _head(node)
            if not _ran(node.body[0], ran):
                yield node.lineno, f"never enters `{head}`"
            elif node.orelse and not _ran(node.orelse[0], ran):
                yield node.lineno, f"never enters the else of `{head}`"
            elif isinstance(node, ast.If) and not node.orelse and not _is_passed(node, steps):
                yield node.lineno, f"`{head}` is always so"
        elif isinstance(node, ast.Try):
            for handler in node.handlers:
                if _ran(node.body[0], ran) and not _ran(handler.body[0], ran):
                    yield handler.lineno, f"never enters `{_head(handler)}`"
        elif isinstance(node, ast.Match):
            for case in node.cases:
                if _ran(node, ran) and not _ran(case.body[0], ran):
                    yield case.body[0].lineno, f"never enters `case {ast.unparse(case.pattern)}`"


def _ran(node: ast.stmt, ran: Set[int]) -> bool:
    """Return whether the first line of a statement, or a line of its expression, ran."""
    body = getattr(node, "body", None)
    end = body[0].lineno - 1 if isinstance(body, list) and body and isinstance(body[0], ast.stmt) else node.end_lineno
    return not ran.isdisjoint(range(node.lineno, max(end or node.lineno, node.lineno) + 1))


def _is_passed(node: ast.If, steps: Set[Step]) -> bool:
    """Return whether the line after an ``if`` without an else was reached from its condition."""
    condition = range(node.lineno, (node.test.end_lineno or node.lineno) + 1)
    inside = range(node.lineno, (node.end_lineno or node.lineno) + 1)
    return any(first in condition and last not in inside for first, last in steps)


def _head(node: ast.AST) -> str:
    return ast.unparse(node).splitlines()[0].rstrip(":")[:70]
