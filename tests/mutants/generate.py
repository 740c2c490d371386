"""Mutants of a package: every small change that could be a mistake, with an id that lines above do not change."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.changes import WORDING_KEYWORDS, Change, changes_of
from tests.mutants.source import Place, Source

# Calls that only word a message, warn or log: what is in them is not mutated, nor are they left out.
WORDING_CALLS = {"print", "about", "refuse", "refuse_table", "cannot_write", "_refusal", "tqdm"}
WORDING_METHODS = {"tqdm.write", "warnings.warn", "logging.getLogger", "warnings.filterwarnings"}
NOT_CODE = {"__all__", "HINTS", "LOSSES", "__version__"}


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change.

    Attributes:
        id: ``module:qualified.name:kind:line:column:new text``; line and column within the definition, from 0.
        module: File below the package, without its ending.
        place: The definition that it is in.
        change: Bytes of the file, and what stands there instead.
        old: What stands there now.
    """

    id: str
    module: str
    place: Place
    change: Change
    old: str

    def apply(self, text: str) -> str:
        """Return the module's text with the mutant in it; all else stays as it is."""
        return _replaced(text.encode(), self.change, 0)


def make_mutants(text: str, module: str) -> list[Mutant]:
    """Return the mutants of a module's text, in order; each can be compiled and is another program than before."""
    source = Source(text)
    found: dict[str, Mutant] = {}
    for place, statement in source.places():
        start, end = place.span
        before = _parse(source.piece(start, end))
        for change in _walk(source, statement, None):
            made = _make(source, module, place, change)
            if made.id not in found and _parse(_replaced(source.data[:end], change, start)) not in (None, before):
                found[made.id] = made
    return list(found.values())


def _replaced(data: bytes, change: Change, start: int) -> str:
    return (data[start : change.start] + change.new.encode() + data[change.end :]).decode()


def read_mutants(package: Path) -> list[Mutant]:
    """Return the mutants of all modules of a package, by module."""
    paths = sorted(package.rglob("*.py"))
    return [
        mutant
        for path in paths
        for mutant in make_mutants(path.read_text(encoding="utf-8"), str(path.relative_to(package).with_suffix("")))
    ]


def _make(source: Source, module: str, place: Place, change: Change) -> Mutant:
    line, column = source.position(change.start, place)
    old = source.piece(change.start, change.end)
    new = " ".join(change.new.split())[:60]
    words = (module, place.name, change.kind, str(line), str(column), new)
    return Mutant(id=":".join(words), module=module, place=place, change=change, old=old)


def _parse(definition: str) -> str | None:
    """Return what a definition says to Python; None if it cannot be compiled."""
    try:
        return ast.dump(ast.parse(f"if True:\n{definition}" if definition[0] == " " else definition))
    except SyntaxError:
        return None


def _walk(source: Source, node: ast.AST, function: ast.AST | None) -> Iterator[Change]:
    """Yield the changes of a node and of all in it that is code and no wording."""
    if _is_wording(node):
        return
    function = node if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else function
    yield from changes_of(source, node, function)
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_comment"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _walk(source, child, function)


def _is_wording(node: ast.AST) -> bool:
    if isinstance(node, (ast.Raise, ast.JoinedStr, ast.Import, ast.ImportFrom, ast.Assert)):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):  # a docstring
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _is_wording(node.value):
        return True
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func)
        return name in WORDING_METHODS or name.rpartition(".")[2] in WORDING_CALLS
    if isinstance(node, ast.keyword):
        return node.arg in WORDING_KEYWORDS
    if isinstance(node, ast.If):
        return ast.unparse(node.test) in ("TYPE_CHECKING", "__name__ == '__main__'")
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        return isinstance(target, ast.Name) and target.id in NOT_CODE
    return False
