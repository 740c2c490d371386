"""The text of a definition, before and after an edit: where it stands, whether the edit changes what runs, and its code."""

from __future__ import annotations

import ast
import builtins
import dis
import textwrap
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

from parity.faults.reach import (
    MAKERS,
    PlantingError,
    compile_text,
    evaluated,
    imports_by_value,
    innermost,
    parse_file,
    parse_module,
)
from parity.workspace import PROJECT


def is_function(where: str) -> bool:
    """Return whether a place is a function, by its file alone; what is not the project's is taken for one."""
    module, _, path = where.partition(":")
    file = PROJECT.joinpath(*module.split(".")).with_suffix(".py")
    if not file.is_file():
        return True
    body: list[ast.stmt] = parse_file(str(file)).body
    for name in path.split("."):
        node = next((node for node in body if getattr(node, "name", None) == name), None)
        if node is None or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return node is not None
        body = getattr(node, "body", [])
    return False


def called_names(node: ast.AST) -> set[str]:
    """Return the names that a statement calls, or calls an attribute of, when it runs; decorators are called."""
    found = set()
    for part in evaluated(node):
        calls = [part.func] if isinstance(part, ast.Call) else list(getattr(part, "decorator_list", ()))
        names = [item.value if isinstance(item, ast.Attribute) else item for item in calls]
        found |= {name.id for name in names if isinstance(name, ast.Name)}
    return found


def has_run_at_import(where: str) -> bool:
    """Return whether a function, or the class that it belongs to, was called when the modules of its package were imported."""
    module, _, path = where.partition(":")
    return f"{module}:{path.partition('.')[0]}" in _called_at_import(module.partition(".")[0])


@cache
def _called_at_import(package: str) -> frozenset[str]:
    """Return the functions and classes of a package of the project that its import calls, also through one another."""
    calls: dict[str, set[str]] = {}
    left: set[str] = set()
    for file in sorted((PROJECT / package).glob("*.py")):
        module, body = f"{package}.{file.stem}", parse_file(str(file)).body
        known = {alias: f"{source}:{name}" for source, name, alias in imports_by_value(str(file), package)}
        known |= {name: f"{module}:{name}" for node in body if (name := getattr(node, "name", ""))}
        for node in body:
            left |= {known[name] for name in called_names(node) & {*known}}
            calls[f"{module}:{getattr(node, 'name', '')}"] = {
                known[name] for item in _run_by_a_call(node) for name in called_names(item) & {*known}
            }
    found: set[str] = set()
    while left:
        found |= left
        left = set().union(*(calls.get(name, set()) for name in left)) - found
    return frozenset(found)


def _run_by_a_call(node: ast.AST) -> list[ast.stmt]:
    """Return the statements that run when a function is called, or an object of a class is made."""
    if isinstance(node, ast.ClassDef):
        return [item for part in node.body if getattr(part, "name", "") in MAKERS for item in _run_by_a_call(part)]
    return list(node.body) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else []


def find_assignments(body: list[ast.stmt], name: str) -> list[ast.stmt]:
    """Return the statements that set a name; one that sets more, or not always, comes twice: it is none to edit."""
    found: list[ast.stmt] = []
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        stored = [part.id for part in ast.walk(statement) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)]
        if name in stored:
            found += [statement] * (1 if isinstance(statement, (ast.Assign, ast.AnnAssign)) and stored == [name] else 2)
    return found


def imported_from(module: ModuleType, name: str) -> str:
    """Return what to do about a name that a module does not set itself."""
    for node in parse_module(module).body:
        if isinstance(node, ast.ImportFrom) and name in [alias.asname or alias.name for alias in node.names]:
            return f"it is imported from {node.module}: edit it there"
    return "plant the fault where it is used"


def refuse_what_does_not_run(where: str, source: str, edited: str) -> None:
    """Refuse an edit of comments, of annotations or of decorators, which have run.

    Raises:
        PlantingError: The edit changes nothing else, or the edited text is no Python.
    """
    try:
        before, after = (ast.parse(text).body for text in (source, edited))
    except SyntaxError as error:
        raise PlantingError(f"{where} cannot be compiled after the edit: {error}") from error
    decorators = [[ast.dump(item) for node in body for item in getattr(node, "decorator_list", ())] for body in (before, after)]
    is_class = isinstance(before[0], ast.ClassDef)
    if not is_class and decorators[0] != decorators[1]:
        raise PlantingError(f"{where} must keep its decorators: they ran when the module was imported")
    if [_dump(node, is_class) for node in before] == [_dump(node, is_class) for node in after]:
        raise PlantingError(f"{where} runs as before after the edit: it changes comments or annotations")


def _dump(node: ast.AST, is_class: bool) -> str:
    if not is_class:
        for part in ast.walk(node):
            for name in ("annotation", "returns"):
                if getattr(part, name, None) is not None and not isinstance(part, ast.AnnAssign):
                    setattr(part, name, None)
    return ast.dump(node)


def execute(text: str, names: dict[str, Any], where: str) -> None:
    """Run an edited definition.

    Raises:
        PlantingError: It cannot be run, or reads a name that is nowhere.
    """
    try:
        code = compile_text(text, where)
        exec(code, names)
    except Exception as error:
        raise PlantingError(f"{where} cannot be compiled after the edit: {error}") from error
    known = {*names, *vars(builtins)}
    if unknown := sorted(_global_names(code) - known):
        raise PlantingError(f"{where} cannot be compiled after the edit: name {unknown[0]!r} is not defined")


def _global_names(code: CodeType) -> set[str]:
    """Return the names that code, and the functions inside it, look up in the module."""
    found = {item.argval for item in dis.get_instructions(code) if item.opname == "LOAD_GLOBAL"}
    return found.union(*(_global_names(item) for item in code.co_consts if isinstance(item, CodeType)))


def compile_function(function: FunctionType, source: str, where: str) -> FunctionType:
    """Return a new function of an edited source, in the names and the closure of the old one."""
    cells = function.__code__.co_freevars  # of a method that calls `super()`
    names = dict(function.__globals__)
    text = source
    if cells:
        body = textwrap.indent(source, "    ")
        text = f"def _enclose({', '.join(cells)}):\n{body}\n    return {function.__name__}\n"
    execute(text, names, where)
    changed = innermost(names["_enclose"](*(None for _ in cells)) if cells else names[function.__name__], where)
    if changed.__code__.co_freevars != cells:
        raise PlantingError(f"{where} must use the same enclosing names {cells} after the edit")
    return changed
