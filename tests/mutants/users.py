"""Which functions run a mutant: its own, or those that mention the name that it changes."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.mutants.generate import Mutant
from tests.mutants.source import WHOLE_MODULE, Source

Mentions = dict[str, frozenset[str]]  # function -> names that it mentions


def read_mentions(package: Path) -> Mentions:
    """Return the names that each function of a package mentions, its class's included."""
    found: Mentions = {}
    for path in sorted(package.rglob("*.py")):
        module = str(path.relative_to(package).with_suffix(""))
        for place, node in Source(path.read_text(encoding="utf-8")).places():
            if place.is_function:
                names = {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}
                names |= {child.attr for child in ast.walk(node) if isinstance(child, ast.Attribute)}
                names |= {child.arg for child in ast.walk(node) if isinstance(child, ast.keyword) and child.arg}
                found[f"{module}:{place.name}"] = frozenset(names | set(place.name.split(".")[:-1]))
    return found


def users_of(mutant: Mutant, mentions: Mentions) -> frozenset[str]:
    """Return the functions that run a mutant; of a statement outside of functions, those that mention what it assigns."""
    if mutant.place.is_function:
        return frozenset({f"{mutant.module}:{mutant.place.name}"})
    owner, _, name = mutant.place.name.rpartition(".")
    if name == WHOLE_MODULE:
        return frozenset(function for function in mentions if function.startswith(f"{mutant.module}:"))
    wanted = {name, *([owner] if owner else [])}
    found = frozenset(function for function, names in mentions.items() if wanted & names)
    return found or frozenset(function for function in mentions if function.startswith(f"{mutant.module}:"))
