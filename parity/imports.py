"""Which modules of the project a module imports, transitively and inside functions too, found without importing anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path


def imported_files(project: Path, *names: str) -> set[Path]:
    """Return the files of modules and of all that they import, as far as these are the project's own.

    Args:
        project: Folder that is on the search path.
        names: Modules, with points; one that does not exist has no files.
    """
    found: set[Path] = set()
    asked: set[str] = set()
    left = [name for name in names if _find(project, name)]
    while left:
        name = left.pop()
        if name in asked:
            continue
        asked.add(name)
        parent = name.rpartition(".")[0]
        left += [parent] if parent else []  # a package runs before its modules
        if (path := _find(project, name)) is not None:
            found.add(path)
            package = name if path.name == "__init__.py" else parent
            left += _imported_names(path, package)
    return found


def files_of_a_script(script: Path, project: Path) -> set[Path]:
    """Return a file that is run by its path and all that it imports, beside it or in the project."""
    own, names = {script}, set(_imported_names(script, ""))
    for path in imported_files(script.parent, *names):
        own.add(path)
        names.update(_imported_names(path, ""))
    return own | imported_files(project, *names)


def _find(project: Path, name: str) -> Path | None:
    """Return the file of a module of the project; None for modules of others, functions and classes."""
    path = project.joinpath(*name.split("."))
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


@cache
def _imported_names(path: Path, package: str) -> tuple[str, ...]:
    """Return every name that a file imports; what cannot be parsed imports nothing, for it cannot be imported either."""
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:
        return ()
    return tuple(name for node in ast.walk(tree) for name in _names(node, package))


def _names(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
        base = ".".join([*above, *([node.module] if node.module else [])])
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names)
