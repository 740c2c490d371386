"""Ways to plant a fault in code that is already imported, and to take it out again, whatever happens.

Every way is a small value that names what it changes as ``module:name``; the module is imported when the fault is planted,
so that a catalogue of faults can be read where neither framework is installed. No file is changed.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from types import FunctionType
from typing import Any

from parity.workspace import Workspace

ABSENT = object()
Planter = Callable[[Workspace], AbstractContextManager[Any]]


class PlantingError(Exception):
    """A fault no longer fits the code that it is to be planted in."""


@dataclass(frozen=True)
class Edit:
    """Replace pieces of one function's source, as an editor would.

    Attributes:
        where: ``module:function`` or ``module:Class.method``.
        changes: Text that stands in the function exactly once, without the function's own indentation, and what stands there
            instead; names are looked up in the function's module.
    """

    where: str
    changes: tuple[tuple[str, str], ...]

    @property
    def touches(self) -> frozenset[str]:
        """The only function whose behaviour changes."""
        return frozenset({self.where})

    @contextmanager
    def __call__(self, workspace: Workspace) -> Iterator[None]:
        function = _innermost(find(self.where), self.where)
        changed = _compile(function, self._edited_source(function), self.where)
        names = ("__code__", "__defaults__", "__kwdefaults__")
        before = {name: getattr(function, name) for name in names}
        try:
            for name in names:
                setattr(function, name, getattr(changed, name))
            yield
        finally:
            for name, value in before.items():
                setattr(function, name, value)

    def _edited_source(self, function: FunctionType) -> str:
        try:
            source = textwrap.dedent(inspect.getsource(function))
        except OSError as error:
            raise PlantingError(f"{self.where} has no source: is it edited already? one edit holds all changes") from error
        for old, new in self.changes:
            if (found := source.count(old)) != 1:
                raise PlantingError(f"{self.where} must contain {old!r} once, found {found} times: adapt the fault to the code")
            source = source.replace(old, new)
        return source


@dataclass(frozen=True)
class Swap:
    """Put another object in a name's place.

    Attributes:
        where: ``module:name``, in which a class may be followed by an attribute that it need not have.
        replacement: ``module:name`` of what stands there instead.
        touches: Functions whose behaviour changes; None: unknown.
    """

    where: str
    replacement: str
    touches: frozenset[str] | None = None

    @contextmanager
    def __call__(self, workspace: Workspace) -> Iterator[None]:
        module, _, path = self.where.partition(":")
        parents, _, name = path.rpartition(".")
        owner = find(f"{module}:{parents}")
        before = vars(owner).get(name, ABSENT)
        setattr(owner, name, find(self.replacement))
        try:
            yield
        finally:
            if before is ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, before)


@dataclass(frozen=True)
class Within:
    """Run inside a context manager: a condition of the port's environment.

    Attributes:
        manager: ``module:name`` of what returns it.
        arguments: Given to it; with `workspace`, after the workspace of the run.
        words: Given to it by name.
        workspace: Whether it takes the workspace.
        touches: Functions whose behaviour changes; None: unknown.
    """

    manager: str
    arguments: tuple[Any, ...] = ()
    words: Mapping[str, Any] = field(default_factory=dict)
    workspace: bool = False
    touches: frozenset[str] | None = None

    def __call__(self, workspace: Workspace) -> AbstractContextManager[Any]:
        given = ((workspace,) if self.workspace else ()) + self.arguments
        found: AbstractContextManager[Any] = find(self.manager)(*given, **self.words)
        return found


def find(place: str) -> Any:
    """Return the object that ``module:name.of.attribute`` names.

    Raises:
        PlantingError: There is none.
    """
    module, _, path = place.partition(":")
    try:
        found: Any = import_module(module)
        for name in filter(None, path.split(".")):
            found = vars(found)[name] if inspect.isclass(found) and name in vars(found) else getattr(found, name)
    except (ImportError, AttributeError) as error:
        raise PlantingError(f"{place} must name something to plant a fault in: {error}") from error
    return found


def _innermost(found: Any, where: str) -> FunctionType:
    """Return the function itself: what a decorator, a property or a class method wraps."""
    found = getattr(found, "fget", None) or getattr(found, "__func__", None) or found
    found = inspect.unwrap(found)
    if not isinstance(found, FunctionType):
        raise PlantingError(f"{where} must be a function, got {type(found).__name__}")
    return found


def _compile(function: FunctionType, source: str, where: str) -> FunctionType:
    """Return a new function of an edited source, in the names and the closure of the old one."""
    cells = function.__code__.co_freevars  # of a method that calls `super()`
    names = dict(function.__globals__)
    text = "from __future__ import annotations\n" + source
    if cells:
        body = textwrap.indent(source, "    ")
        text = (
            f"from __future__ import annotations\ndef _enclose({', '.join(cells)}):\n{body}\n    return {function.__name__}\n"
        )
    try:
        exec(compile(text, f"<fault in {where}>", "exec"), names)
        changed = _innermost(names["_enclose"](*(None for _ in cells)) if cells else names[function.__name__], where)
    except (SyntaxError, NameError, TypeError) as error:
        raise PlantingError(f"{where} cannot be compiled after the edit: {error}") from error
    if changed.__code__.co_freevars != cells:
        raise PlantingError(f"{where} must use the same enclosing names {cells} after the edit")
    return changed


def edit(where: str, *changes: tuple[str, str], package: str = "torch_port") -> Edit:
    """Return an edit of the port: ``edit("losses:image_losses", ("old", "new"))``; of another package, by its name."""
    return Edit(f"{package}.{where}", changes)


def swap(where: str, replacement: str, *touches: str) -> Swap:
    """Return a swap in the port for one of `parity.faults.port_parts`; `touches` are functions of the port, none: unknown."""
    touched = frozenset(f"torch_port.{name}" for name in touches) if touches else None
    return Swap(f"torch_port.{where}", f"parity.faults.port_parts:{replacement}", touched)
