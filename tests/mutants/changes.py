"""What can be changed in a piece of code: for each syntax node, the kinds of mutants and the text that stands there instead.

Changes that only make the code raise are left out where the syntax shows it, and so is what only words a message.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.mutants.source import Source


class Change(NamedTuple):
    """Another text for some bytes of a module."""

    kind: str
    start: int
    end: int
    new: str


ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"), ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"), ast.Pow: ("**", "*"), ast.LShift: ("<<", ">>"), ast.RShift: (">>", "<<"), ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"), ast.BitXor: ("^", "&"),
}  # fmt: skip
COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"), ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: (r"is\s+not", "is"), ast.In: ("in", "not in"),
    ast.NotIn: (r"not\s+in", "in"),
}  # fmt: skip
# Methods whose value is of the kind that they are called on, so that the call can be left out.
LEFT_OUT = {
    "detach", "eval", "train", "clone", "nan_to_num", "contiguous", "copy", "resolve", "strip", "cpu", "lower", "permute",
    "transpose", "absolute", "sort",
}  # fmt: skip
SWAPPED = {
    "min": "max", "max": "min", "any": "all", "all": "any", "argmax": "argmin", "mean": "sum", "sum": "mean", "ceil": "floor",
    "floor": "ceil", "zeros": "ones", "ones": "zeros", "nanargmin": "nanargmax", "minimum": "maximum", "maximum": "minimum",
}  # fmt: skip
WORDS = {"sum": "mean", "mean": "sum", "none": "mean", "train": "val", "val": "train", "test": "val", "balanced": "none"}
CONTEXTS = {"no_grad", "inference_mode", "autocast", "random_stream", "patch"}
# Keywords whose values are words for a reader.
WORDING_KEYWORDS = {
    "help", "description", "epilog", "metavar", "must", "got", "place", "remedy", "faults", "desc", "unit", "file", "flush",
    "prog", "formatter_class", "title", "dest", "encoding",
}  # fmt: skip
ONLY_RAISES = {
    "add",
    "command.add_argument",
    "command.add_parser",
    "super().__init__",
}  # where they are left out, the next line says so
RETURNED = {"Tensor": "-({})", "np.ndarray": "-({})", "int": "({}) + 1", "float": "({}) * 2", "bool": "not ({})"}
EMPTY = {"set": "set()", "list": "[]", "dict": "{{}}", "Arrays": "{{}}", "tuple": "({})[::-1]"}


def changes_of(source: Source, node: ast.AST, function: ast.AST | None) -> Iterator[Change]:
    """Yield the changes of one node, not of those in it.

    Args:
        source: The module.
        node: The node.
        function: The function that it is in.
    """
    if isinstance(node, ast.BinOp):
        yield from _binary(source, node)
    elif isinstance(node, ast.AugAssign):
        yield from _augmented(source, node)
    elif isinstance(node, ast.Compare):
        yield from _comparison(source, node)
    elif isinstance(node, ast.BoolOp):
        yield from _boolean(source, node)
    elif isinstance(node, ast.UnaryOp):
        yield from _unary(source, node)
    elif isinstance(node, (ast.If, ast.IfExp, ast.While)):
        yield from _condition(source, node)
    elif isinstance(node, ast.Constant):
        yield from _constant(source, node)
    elif isinstance(node, ast.Call):
        yield from _keywords(source, node)
        yield from _called(source, node)
    elif isinstance(node, ast.With):
        yield from _context(source, node)
    elif isinstance(node, ast.Slice):
        yield from _slice(source, node)
    elif isinstance(node, ast.Return):
        yield from _returned(source, node, function)
    if isinstance(node, ast.stmt):
        yield from _removed(source, node, function)


def _between(source: Source, left: ast.expr, right: ast.expr, pattern: str) -> tuple[int, int]:
    """Return where an operator stands between its operands: brackets and spaces may stand there, too."""
    start, end = source.span(left)[1], source.span(right)[0]
    words = pattern[0].isalpha()
    found = re.search(rf"\b{pattern}\b" if words else re.escape(pattern), source.piece(start, end))
    assert found is not None
    return start + found.start(), start + found.end()


def _binary(source: Source, node: ast.BinOp) -> Iterator[Change]:
    if any(isinstance(side, ast.JoinedStr) or _is_text(side) for side in (node.left, node.right)):
        return
    old, new = ARITHMETIC.get(type(node.op), ("", ""))
    if old and not _is_path(node):
        yield Change("arithmetic", *_between(source, node.left, node.right, old), new)


def _is_path(node: ast.BinOp) -> bool:
    """Return whether it joins a path: another operator would only raise."""
    if not isinstance(node.op, ast.Div):
        return False
    names = ast.unparse(node.left).lower()
    return any(word in names for word in ("folder", "path", "dir", "home", "out")) and "size" not in names


def _augmented(source: Source, node: ast.AugAssign) -> Iterator[Change]:
    old, new = ARITHMETIC.get(type(node.op), ("", ""))
    if old and not isinstance(node.value, (ast.List, ast.ListComp, ast.JoinedStr)):
        yield Change("arithmetic", *_between(source, node.target, node.value, f"{old}="), f"{new}=")


def _comparison(source: Source, node: ast.Compare) -> Iterator[Change]:
    left = node.left
    for operator, right in zip(node.ops, node.comparators, strict=True):
        old, new = COMPARISONS[type(operator)]
        yield Change("comparison", *_between(source, left, right, old), new)
        left = right


def _boolean(source: Source, node: ast.BoolOp) -> Iterator[Change]:
    old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
    for left, right in zip(node.values, node.values[1:], strict=False):
        yield Change("boolean", *_between(source, left, right, old), new)


def _unary(source: Source, node: ast.UnaryOp) -> Iterator[Change]:
    start, end = source.span(node)
    if isinstance(node.op, (ast.Not, ast.USub)):
        yield Change("boolean" if isinstance(node.op, ast.Not) else "arithmetic", start, end, f"({source.of(node.operand)})")


def _condition(source: Source, node: ast.If | ast.IfExp | ast.While) -> Iterator[Change]:
    start, end = source.span(node.test)
    if isinstance(node, ast.While):
        return  # most would never end
    if not (isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)):
        yield Change("condition", start, end, f"not ({source.of(node.test)})")


def _constant(source: Source, node: ast.Constant) -> Iterator[Change]:
    value, place = node.value, source.span(node)
    if isinstance(value, bool):
        yield Change("constant", *place, str(not value))
    elif isinstance(value, int):
        yield Change("constant", *place, str(value + 1))
        if value == 1:
            yield Change("constant", *place, "0")
    elif isinstance(value, float):
        yield Change("constant", *place, repr(value * 2 if value else 1.0))
    elif isinstance(value, str) and value in WORDS:
        yield Change("word", *place, f'"{WORDS[value]}"')


def _keywords(source: Source, node: ast.Call) -> Iterator[Change]:
    """Leave one keyword argument out, with the comma at one of its sides."""
    for keyword in node.keywords:
        if keyword.arg is None or keyword.arg in WORDING_KEYWORDS:
            continue
        start, end = source.span(keyword)
        after = re.match(r"\s*,[ \t]*", source.piece(end, source.span(node)[1]))
        before = re.search(r",\s*$", source.piece(source.span(node.func)[1], start))
        if after is not None:
            yield Change("keyword", start, end + after.end(), "")
        elif before is not None:
            yield Change("keyword", start - len(before.group()), end, "")
        else:
            yield Change("keyword", start, end, "")


def _called(source: Source, node: ast.Call) -> Iterator[Change]:
    """Call the opposite, or leave a method's call out."""
    end = source.span(node.func)[1]
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in SWAPPED:
        yield Change("function", end - len(name), end, SWAPPED[name])
    of_module = isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) in ("np", "torch", "F", "math")
    if isinstance(node.func, ast.Attribute) and name in LEFT_OUT and not of_module:
        yield Change("function", source.span(node.func.value)[1], source.span(node)[1], "")


def _context(source: Source, node: ast.With) -> Iterator[Change]:
    """Run a block as it is, without what would surround it."""
    call = node.items[0].context_expr
    name = ast.unparse(call.func).rpartition(".")[2] if isinstance(call, ast.Call) else ""
    if name in CONTEXTS and len(node.items) == 1 and node.items[0].optional_vars is None:
        yield Change("context", source.span(node)[0], source.span(call)[1], "if True")


def _slice(source: Source, node: ast.Slice) -> Iterator[Change]:
    for part in (node.lower, node.upper):
        if part is not None:
            yield Change("slice", *source.span(part), "")
    if node.step is not None:
        yield Change("slice", *source.span(node.step), "1")


def _returned(source: Source, node: ast.Return, function: ast.AST | None) -> Iterator[Change]:
    annotation = getattr(function, "returns", None)
    if node.value is None or annotation is None or isinstance(node.value, ast.Constant):
        return
    said, text = ast.unparse(annotation), source.of(node.value)
    new = RETURNED.get(said) or EMPTY.get(said.split("[")[0])
    if isinstance(node.value, ast.Tuple) and len(node.value.elts) == 2:
        first, second = map(source.of, node.value.elts)
        yield Change("returned", *source.span(node.value), f"({second}, {first})")
    elif new is not None:
        yield Change("returned", *source.span(node.value), new.format(text))
    elif said.endswith("| None"):
        yield Change("returned", *source.span(node.value), "None")


def _removed(source: Source, node: ast.stmt, function: ast.AST | None) -> Iterator[Change]:
    """Leave a statement out that has an effect of its own; names and attributes that others need to be there stay."""
    is_call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and ast.unparse(node.value.func) in ONLY_RAISES:
        return
    kept = (ast.Subscript,) if getattr(function, "name", "") == "__init__" else (ast.Attribute, ast.Subscript)
    is_kept = isinstance(node, ast.Assign) and all(isinstance(target, kept) for target in node.targets)
    if is_call or is_kept or isinstance(node, (ast.AugAssign, ast.Delete, ast.Continue, ast.Break)):
        yield Change("removed", *source.span(node), "pass")
    elif isinstance(node, ast.If) and not isinstance(node.body[0], (ast.Raise, ast.Return)) and len(node.body) > 1:
        yield Change("removed", source.span(node.body[0])[0], source.span(node.body[-1])[1], "pass")


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))
