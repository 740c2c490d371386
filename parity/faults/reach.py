"""What a change of a name reaches: who imported it by value, what took its value at import, what is cached.

A function's code is changed in place, and whoever holds the function runs the new one. A value is another matter: constants,
defaults and classes are made once, when a module is imported. What was made from the name is made again, in order, or the
change is refused. Everything is undone when the stack that holds it is closed.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import is_dataclass
from functools import cache, partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

ABSENT = object()
ANNOTATIONS = __import__("__future__").annotations.compiler_flag
PORT, RECORDERS = "torch_port", "parity"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
MAKERS = ("__init__", "__new__", "__post_init__")  # methods that run when an object is made
PARTS = ("__code__", "__defaults__", "__kwdefaults__")
MADE_BY_TYPE = {"__dict__", "__weakref__", "__module__", "__doc__", "__qualname__", "__abstractmethods__", "_abc_impl"}


class PlantingError(Exception):
    """A fault no longer fits the code that it is to be planted in, or would change nothing that runs."""


def is_planted(file: str) -> bool:
    """Return whether code comes from the text of a fault, by the name of its file."""
    return file.startswith("<fault in ")


def compile_text(text: str, where: str) -> Any:
    """Return code of a fault's text, as if it stood in the project: annotations are not evaluated."""
    return compile(text, f"<fault in {where}>", "exec", flags=ANNOTATIONS, dont_inherit=True)


def set_value(stack: ExitStack, owner: Any, name: str, value: Any) -> None:
    """Set an attribute of a module or a class until the stack is closed."""
    before = vars(owner).get(name, ABSENT)
    try:
        setattr(owner, name, value)
    except (AttributeError, TypeError) as error:
        raise PlantingError(f"{owner.__name__}.{name} cannot be set: {error}") from error
    stack.callback(partial(delattr, owner, name) if before is ABSENT else partial(setattr, owner, name, before))


def set_parts(stack: ExitStack, function: FunctionType, **parts: Any) -> None:
    """Change code and defaults of a function in place until the stack is closed."""
    for name, value in parts.items():
        stack.callback(setattr, function, name, getattr(function, name))
        setattr(function, name, value)


def innermost(found: Any, where: str) -> FunctionType:
    """Return the function itself: what a decorator, a property or a class method wraps."""
    found = getattr(found, "fget", None) or getattr(found, "__func__", None) or found
    found = inspect.unwrap(found)
    if not isinstance(found, FunctionType):
        raise PlantingError(f"{where} must be a function, got {type(found).__name__}")
    return found


def load_port() -> None:
    """Import every module of the port: one that is imported later, with a fault in place, would keep what it took by value."""
    package = importlib.import_module(PORT)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{PORT}.{module.name}")


def loaded_modules(root: str) -> list[ModuleType]:
    """Return the modules that a change in a package may reach: its own, the port's and those that record."""
    roots = {root, PORT, RECORDERS}
    found = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] in roots]
    return [module for module in found if str(getattr(module, "__file__", None)).endswith(".py")]


def clear_caches(root: str) -> None:
    """Forget what functions of the port, and of a package, have cached: it was computed by other code."""
    for module in loaded_modules(root):
        if module.__name__.partition(".")[0] != RECORDERS:
            classes = [item for item in vars(module).values() if inspect.isclass(item)]
            for owner in (module, *classes):
                for item in list(vars(owner).values()):
                    if hasattr(item, "__wrapped__") and callable(getattr(item, "cache_clear", None)):
                        item.cache_clear()


@cache
def parse_file(path: str) -> ast.Module:
    """Return the syntax tree of a module's file."""
    return ast.parse(Path(path).read_bytes())


def parse_module(module: ModuleType) -> ast.Module:
    """Return the syntax tree of a module; an empty one where it has no source."""
    path = str(getattr(module, "__file__", None))
    return parse_file(path) if path.endswith(".py") else ast.Module(body=[], type_ignores=[])


def evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is evaluated when a module is imported: not what a function does when it is called, and no annotations."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns") and not (name == "body" and isinstance(node, FUNCTIONS)):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from evaluated(child)


def uses(node: ast.AST, name: str, *, called: bool) -> bool:
    """Return whether a statement, when it runs, reads a name, or calls it or an attribute of it."""
    for part in evaluated(node):
        if called and isinstance(part, ast.Call):
            part = part.func.value if isinstance(part.func, ast.Attribute) else part.func
        elif called:
            continue
        if isinstance(part, ast.Name) and part.id == name and isinstance(part.ctx, ast.Load):
            return True
    return called and any(isinstance(item, ast.Name) and item.id == name for item in getattr(node, "decorator_list", ()))


class Reach:
    """Carries changes to all that they reach, until the stack is closed.

    Args:
        stack: Holds the changes.
        where: What is changed, for messages.
    """

    def __init__(self, stack: ExitStack, where: str) -> None:
        self._stack = stack
        self._where = where
        self._modules = loaded_modules(where.partition(":")[0].partition(".")[0])

    def set(self, module: ModuleType, name: str, value: Any) -> None:
        """Give a name of a module another value: there, wherever it was imported, and in all that was made from it."""
        holders = self._holders(module, name)
        for holder, alias in holders:
            set_value(self._stack, holder, alias, value)
        for holder, alias in holders:
            for statement in parse_module(holder).body:
                self._make_again(holder, statement, alias, called=False)

    def follow_calls(self, module: ModuleType, name: str) -> None:
        """Make again what a function or a class, which has changed in place, has made when the modules were imported."""
        left, known = [(module, name)], {(module.__name__, name)}
        while left:
            for holder, alias in self._holders(*left.pop()):
                for statement in parse_module(holder).body:
                    self._make_again(holder, statement, alias, called=True)
                    caller = getattr(statement, "name", "")
                    if (holder.__name__, caller) not in known and self._runs(statement, alias):
                        known.add((holder.__name__, caller))
                        left.append((holder, caller))

    def take_over(self, found: type, source: str, namespace: dict[str, Any]) -> None:
        """Give a class, in place, what its source would now define."""
        made: dict[str, Any] = {}
        where = f"{found.__module__}:{found.__qualname__}"
        try:
            exec(compile_text(source, where), namespace, made)
        except Exception as error:
            raise PlantingError(f"{where} cannot be compiled after the edit: {error}") from error
        new = made[found.__name__]
        if (new.__bases__, type(new), vars(new).get("__slots__")) != (
            found.__bases__, type(found), vars(found).get("__slots__"),
        ):  # fmt: skip
            raise PlantingError(f"{where} must keep its bases and slots: objects of it have been laid out")
        for name, value in vars(new).items():
            before = vars(found).get(name, ABSENT)
            if name not in MADE_BY_TYPE and before is not value:
                self._take_member(found, name, before, value)
        for name in set(vars(found)) - set(vars(new)) - MADE_BY_TYPE:
            self._stack.callback(setattr, found, name, vars(found)[name])
            delattr(found, name)

    def _take_member(self, found: type, name: str, before: Any, value: Any) -> None:
        function = inspect.unwrap(getattr(value, "fget", None) or getattr(value, "__func__", None) or value)
        closure = (getattr(function, "__closure__", None) or ()) if isinstance(function, FunctionType) else ()
        for cell, free in zip(closure, function.__code__.co_freevars if closure else (), strict=True):
            if free == "__class__":  # what `super()` looks at
                cell.cell_contents = found
        plain = isinstance(before, FunctionType) and isinstance(value, FunctionType) and not hasattr(before, "__wrapped__")
        if plain and not (closure or before.__closure__):  # in place: bound methods that are held somewhere see it
            set_parts(self._stack, before, **{part: getattr(value, part) for part in PARTS})
        else:
            set_value(self._stack, found, name, value)

    def _holders(self, module: ModuleType, name: str) -> list[tuple[ModuleType, str]]:
        """Return the module and all that have imported the same object by value, with their names for it."""
        value = vars(module).get(name, ABSENT)
        found = [(module, name)]
        for holder in self._modules:
            for source, original, alias in imports_by_value(str(holder.__file__), holder.__package__ or ""):
                if (source, original) == (module.__name__, name) and vars(holder).get(alias) is value:
                    found.append((holder, alias))
        return found

    def _runs(self, statement: ast.stmt, name: str) -> bool:
        """Return whether a function, when it is called, or a class, when an object of it is made, calls a name itself."""
        if isinstance(statement, ast.ClassDef):
            return any(self._runs(item, name) for item in statement.body if getattr(item, "name", "") in MAKERS)
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return False
        return any(uses(item, name, called=True) for item in statement.body)

    def _make_again(self, holder: ModuleType, statement: ast.stmt, name: str, *, called: bool) -> None:
        """Run a statement of a module again, if it used the name when the module was imported."""
        if getattr(statement, "name", None) == name or not uses(statement, name, called=called):
            return
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and isinstance(target, ast.Name) and statement.value:
            self.set(holder, target.id, self._evaluate(holder, statement.value))
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self._refuse_decorators(holder, statement, name)
            self._default_again(holder, statement, vars(holder)[statement.name], name)
        elif isinstance(statement, ast.ClassDef):
            self._class_again(holder, statement, name, called=called)
        else:
            raise self._refusal(holder, statement)

    def _class_again(self, holder: ModuleType, statement: ast.ClassDef, name: str, *, called: bool) -> None:
        self._refuse_decorators(holder, statement, name)
        found = vars(holder)[statement.name]
        rest = []
        for item in statement.body:
            if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)) and uses(item, name, called=called):
                self._refuse_decorators(holder, item, name)
                self._default_again(holder, item, vars(found)[item.name], name)
            elif uses(item, name, called=called):
                rest.append(item)
        if any(isinstance(base, ast.Name) and base.id == name for base in statement.bases) and not called:
            raise self._refusal(holder, statement)
        if rest:
            self.take_over(found, textwrap.dedent(inspect.getsource(found)), vars(holder))
            self.follow_calls(holder, statement.name)

    def _default_again(self, holder: ModuleType, node: Any, found: Any, name: str) -> None:
        """Evaluate the defaults of a function that were made from a name again."""
        function = innermost(found, f"{holder.__name__}:{node.name}")
        defaults = list(function.__defaults__ or ())
        for place, default in enumerate(node.args.defaults):
            if uses(default, name, called=False):
                defaults[place] = self._evaluate(holder, default)
        words = dict(function.__kwdefaults__ or {})
        for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
            if default is not None and uses(default, name, called=False):
                words[argument.arg] = self._evaluate(holder, default)
        set_parts(self._stack, function, __defaults__=tuple(defaults) or None, __kwdefaults__=words or None)

    def _evaluate(self, holder: ModuleType, expression: ast.expr) -> Any:
        try:
            return eval(compile(ast.Expression(expression), f"<fault in {self._where}>", "eval"), vars(holder))
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            place = f"{holder.__name__}, line {expression.lineno}"
            raise PlantingError(f"{self._where} is used at import by {place}, which then raises {said}") from error

    def _refuse_decorators(self, holder: ModuleType, statement: Any, name: str) -> None:
        if any(uses(ast.Expr(item), name, called=False) for item in statement.decorator_list):
            raise self._refusal(holder, statement)

    def _refusal(self, holder: ModuleType, statement: ast.stmt) -> PlantingError:
        place = f"{holder.__name__}, line {statement.lineno}"
        return PlantingError(
            f"{self._where} has been used at import by {place}, which does not run again: plant the fault there"
        )


@cache
def imports_by_value(path: str, package: str) -> tuple[tuple[str, str, str], ...]:
    """Return what a module imports by value at its own level: module, name, and the name that it gives to it."""
    found = []
    for node in parse_file(path).body:
        if isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            found += [(source, alias.name, alias.asname or alias.name) for alias in node.names]
    return tuple(found)


def is_made_once(found: Any) -> bool:
    """Return whether objects of a class keep what its body said when they were made."""
    return is_dataclass(found) or (isinstance(found, type) and issubclass(found, tuple))
