"""Ways to plant a fault in code that is already imported, and to take it out again, whatever happens.

Every way is a small value that names what it changes as ``module:name``; the module is imported when the fault is planted,
so that a catalogue of faults can be read where neither framework is installed. No file is changed.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

from parity.faults.reach import (
    MAKERS,
    PARTS,
    PORT,
    PlantingError,
    Reach,
    clear_caches,
    innermost,
    is_made_once,
    load_port,
    parse_module,
    set_parts,
    set_value,
)
from parity.faults.sources import (
    compile_function,
    execute,
    find_assignments,
    has_run_at_import,
    imported_from,
    is_function,
    refuse_what_does_not_run,
)
from parity.workspace import Workspace

Planter = Callable[[Workspace], AbstractContextManager[Any]]
_held: list[str] = []  # what is edited now


@dataclass(frozen=True)
class Edit:
    """Replace pieces of the source of a function, a class or a constant, as an editor would.

    Attributes:
        where: ``module:function``, ``module:Class``, ``module:Class.method`` or ``module:CONSTANT``.
        changes: Text that stands in it exactly once, without its own indentation, and what stands there instead; names are
            looked up in its module.
    """

    where: str
    changes: tuple[tuple[str, str], ...]

    @property
    def touches(self) -> frozenset[str] | None:
        """The only function whose behaviour changes; of a class, a constant or what has run at import: unknown."""
        known = is_function(self.where) and not has_run_at_import(self.where)
        return frozenset({self.where}) if known else None

    @contextmanager
    def __call__(self, workspace: Workspace) -> Iterator[None]:
        with _changing(self.where) as stack:
            if other := next((other for other in _held if _overlap(other, self.where)), None):
                raise PlantingError(f"{self.where} is edited already, by {other}: one edit holds all changes")
            found, reach = find(self.where), Reach(stack, self.where)
            if inspect.isclass(found):
                self._edit_class(found, reach)
            elif isinstance(_unwrapped(found), FunctionType):
                self._edit_function(found, stack, reach)
            else:
                self._edit_constant(found, reach)
            clear_caches(_root(self.where))
            stack.callback(_held.remove, self.where)
            _held.append(self.where)
            yield

    def _edit_function(self, found: Any, stack: ExitStack, reach: Reach) -> None:
        function = innermost(found, self.where)
        self._refuse_another(f"{function.__module__}:{function.__qualname__}")
        source = self._source(function)
        edited = self._edited(source)
        refuse_what_does_not_run(self.where, source, edited)
        changed = compile_function(function, edited, self.where)
        set_parts(stack, function, **{part: getattr(changed, part) for part in PARTS})
        owner, _, name = self.where.partition(":")[2].rpartition(".")
        if not owner or name in MAKERS:
            reach.follow_calls(import_module(function.__module__), owner.partition(".")[0] or name)

    def _edit_class(self, found: type, reach: Reach) -> None:
        self._refuse_another(f"{found.__module__}:{found.__qualname__}")
        source = self._source(found)
        edited = self._edited(source)
        refuse_what_does_not_run(self.where, source, edited)
        module = import_module(found.__module__)
        reach.take_over(found, edited, vars(module))
        if is_made_once(found) or any(name in edited for name in MAKERS):
            reach.follow_calls(module, found.__qualname__.partition(".")[0])

    def _edit_constant(self, found: Any, reach: Reach) -> None:
        module_name, _, path = self.where.partition(":")
        module, owner = import_module(module_name), find(f"{module_name}:{path.rpartition('.')[0]}")
        if not path or inspect.ismodule(found):
            raise PlantingError(f"{self.where} must name what is to be edited: what else a module does, it has done at import")
        if inspect.isclass(owner):
            raise PlantingError(f"{self.where} must be edited as part of its class, {self.where.rpartition('.')[0]}")
        statements = find_assignments(parse_module(module).body, path)
        if owner is not module or len(statements) != 1 or module.__file__ is None:
            must = "be a function, a class, or set by one assignment at the module's own level"
            raise PlantingError(f"{self.where} must {must}, found {len(statements)}; {imported_from(module, path)}")
        source = ast.get_source_segment(Path(module.__file__).read_text(encoding="utf-8"), statements[0]) or ""
        edited = self._edited(source)
        refuse_what_does_not_run(self.where, source, edited)
        names = {name: value for name, value in vars(module).items() if name != path}
        execute(edited, names, self.where)
        if path not in names:
            raise PlantingError(f"{self.where} must still be set after the edit")
        reach.set(module, path, names[path])

    def _source(self, found: Any) -> str:
        try:
            return textwrap.dedent(inspect.getsource(found))
        except (OSError, TypeError) as error:
            raise PlantingError(f"{self.where} has no source: is it edited already? one edit holds all changes") from error

    def _edited(self, source: str) -> str:
        for old, new in self.changes:
            if (found := source.count(old)) != 1:
                raise PlantingError(f"{self.where} must contain {old!r} once, found {found} times: adapt the fault to the code")
            source = source.replace(old, new)
        return source

    def _refuse_another(self, place: str) -> None:
        """Refuse a name under which something was imported or inherited: by it, nobody finds out which gates run it."""
        if place != self.where:
            raise PlantingError(f"{self.where} must be called what it is, {place}")


@dataclass(frozen=True)
class Swap:
    """Put another object in a name's place, wherever modules have imported it.

    Attributes:
        where: ``module:name``, in which a class may be followed by an attribute that it need not have.
        replacement: What stands there instead, or ``module:name`` of it.
        touches: Functions whose behaviour changes; None: unknown.
        names: In which a replacement without a module is looked up first: those of the file that defines the fault.
    """

    where: str
    replacement: Any
    touches: frozenset[str] | None = None
    names: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @contextmanager
    def __call__(self, workspace: Workspace) -> Iterator[None]:
        module, _, path = self.where.partition(":")
        parents, _, name = path.rpartition(".")
        with _changing(self.where) as stack:
            owner, replacement = find(f"{module}:{parents}"), self._replacement()
            if inspect.ismodule(owner):
                Reach(stack, self.where).set(owner, name, replacement)
            else:
                set_value(stack, owner, name, replacement)
            clear_caches(_root(self.where))
            yield

    def _replacement(self) -> Any:
        if not isinstance(self.replacement, str):
            return self.replacement
        if ":" in self.replacement:
            return find(self.replacement)
        return self.names[self.replacement] if self.replacement in self.names else find(f"{PARTS_MODULE}:{self.replacement}")


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
        found: AbstractContextManager[Any] = find(self.manager)(*self._given(workspace), **self.words)
        return found

    def fit(self, workspace: Workspace) -> None:
        """Refuse what does not take what it is given; the condition itself may need a run, and is not made.

        Raises:
            PlantingError: It is so.
        """
        try:
            inspect.signature(find(self.manager)).bind(*self._given(workspace), **self.words)
        except TypeError as error:
            raise PlantingError(f"{self.manager} cannot be called: {error}") from error

    def _given(self, workspace: Workspace) -> tuple[Any, ...]:
        return ((workspace,) if self.workspace else ()) + self.arguments


PARTS_MODULE = "parity.faults.port_parts"


@contextmanager
def _changing(where: str) -> Iterator[ExitStack]:
    """Yield a stack of changes: they hold inside the block, and nothing that was cached crosses its ends."""
    if _root(where) == PORT:
        load_port()
    try:
        with ExitStack() as stack:
            yield stack
    finally:
        clear_caches(_root(where))


def _root(where: str) -> str:
    return where.partition(":")[0].partition(".")[0]


def _overlap(first: str, second: str) -> bool:
    return first == second or first.startswith(f"{second}.") or second.startswith(f"{first}.")


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


def _unwrapped(found: Any) -> Any:
    return inspect.unwrap(getattr(found, "fget", None) or getattr(found, "__func__", None) or found)


def edit(where: str, *changes: tuple[str, str], package: str = PORT) -> Edit:
    """Return an edit of the port: ``edit("losses:image_losses", ("old", "new"))``; of another package, by its name."""
    return Edit(f"{package}.{where}", changes)


def swap(where: str, replacement: Any, *touches: str) -> Swap:
    """Return a swap in the port.

    Args:
        where: ``module:name`` in the port.
        replacement: An object, ``module:name`` of one, or a name in the calling file or in `parity.faults.port_parts`.
        touches: Functions of the port; none: unknown.
    """
    touched = frozenset(f"{PORT}.{name}" for name in touches) if touches else None
    return Swap(f"{PORT}.{where}", replacement, touched, sys._getframe(1).f_globals)
