"""What a planted change reaches in a small package of its own: importers, what was made at import, what is cached."""

from __future__ import annotations

import importlib
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parity.faults.planting import Edit, Swap, swap
from parity.faults.reach import PlantingError
from parity.workspace import Workspace

NUMBERS = """
import functools
from dataclasses import dataclass
from typing import NamedTuple

SIZE = 4
HALF, REST = 2, 3
AREA = SIZE * SIZE


def once(function):
    kept = function() if function else None
    return lambda: kept


def twice(value):
    return 2 * value


DOUBLE = twice(5)
PARTS = {"twice": twice}


@functools.cache
def table(length):
    return [length] * length


@functools.cache
def rows():
    return len(table(3))


def grow(value, by=SIZE, *, times=SIZE + 1):
    return value + by * times


@dataclass(frozen=True)
class Rules:
    strict: bool = True
    limit: int = SIZE


DEFAULT = Rules()


class Point(NamedTuple):
    x: int = 1


class Base:
    unit = "mm"

    def __init__(self):
        self.value = 1

    def measure(self):
        return self.value


class Special(Base):
    def __init__(self):
        super().__init__()
        self.value += 1

    @property
    def doubled(self):
        return 2 * self.value


@once
def made():
    return SIZE


for _step in range(SIZE):
    pass

if __name__ == "__main__":
    print(twice(1), SIZE, AREA)
"""
USER = """
from {package}.numbers import DEFAULT, SIZE, Rules, twice as two
from {package} import numbers


def area():
    return SIZE * SIZE


def rule(rules=DEFAULT):
    return rules.strict


class Holder:
    def take(self, rules: Rules = DEFAULT):
        return rules.limit


def call(value):
    return two(value)
"""
_NUMBERS = itertools.count()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A package that no other test has imported: ``numbers``, and ``user`` that imports from it by value."""
    name = f"reached_in_{next(_NUMBERS)}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "numbers.py").write_text(NUMBERS, encoding="utf-8")
    (folder / "user.py").write_text(USER.format(package=name), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    modules = {part: importlib.import_module(f"{name}.{part}") for part in ("numbers", "user")}
    yield SimpleNamespace(name=name, **modules)
    for module in [key for key in sys.modules if key.partition(".")[0] == name]:
        del sys.modules[module]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def edit(package: Any, where: str, *changes: tuple[str, str]) -> Edit:
    return Edit(f"{package.name}.{where}", changes)


def state(package: Any) -> dict[str, Any]:
    """Return everything that a change could reach."""
    numbers, user = package.numbers, package.user
    return {
        "constants": (numbers.SIZE, user.SIZE, numbers.AREA, numbers.DOUBLE, numbers.DEFAULT, user.DEFAULT),
        "functions": (user.area(), user.rule(), user.Holder().take(), user.call(3), numbers.grow(1), numbers.PARTS["twice"](1)),
        "classes": (numbers.Rules(), numbers.Point(), numbers.Special().value, numbers.Special().doubled, numbers.Base.unit),
        "cached": (numbers.table(2), numbers.rows()),
    }


CHANGES = {
    "a constant": (
        "numbers:SIZE",
        ("4", "10"),
        lambda n, u: (n.SIZE, u.SIZE, u.area(), n.AREA, n.grow(1), n.DEFAULT.limit, u.Holder().take(), n.Rules().limit),
        (10, 10, 100, 100, 111, 10, 10, 10),
    ),
    "a default of a dataclass": (
        "numbers:Rules",
        ("strict: bool = True", "strict: bool = False"),
        lambda n, u: (n.Rules().strict, n.DEFAULT.strict, u.DEFAULT.strict, u.rule(), u.DEFAULT is n.DEFAULT),
        (False, False, False, False, True),
    ),
    "a default of a named tuple": ("numbers:Point", ("= 1", "= 7"), lambda n, u: n.Point().x, 7),
    "an attribute of a class": ("numbers:Base", ('"mm"', '"cm"'), lambda n, u: n.Special().unit, "cm"),
    "a method, as part of its class": (
        "numbers:Special",
        ("self.value += 1", "self.value += 8"),
        lambda n, u: (n.Special().value, isinstance(n.Special(), n.Base)),
        (9, True),
    ),
    "a property, as part of its class": ("numbers:Special", ("2 * self", "3 * self"), lambda n, u: n.Special().doubled, 6),
    "what a function made at import": (
        "numbers:twice",
        ("2 * value", "3 * value"),
        lambda n, u: (n.DOUBLE, n.PARTS["twice"](1), u.call(3)),
        (15, 3, 9),
    ),
    "what is made of a constant": ("numbers:AREA", ("SIZE * SIZE", "SIZE"), lambda n, u: n.AREA, 4),
    "an object that exists": ("numbers:DEFAULT", ("Rules()", "Rules(limit=0)"), lambda n, u: u.Holder().take(), 0),
}


@pytest.mark.parametrize("case", [case for case in CHANGES if case != "a constant"])
def test_a_change_reaches_all_that_was_made_of_it_and_is_taken_back(package: Any, workspace: Workspace, case: str):
    where, change, look, expected = CHANGES[case]
    before = state(package)
    with edit(package, where, change)(workspace):
        assert look(package.numbers, package.user) == expected
        assert state(package) != before
    assert state(package) == before


def test_a_constant_reaches_importers_defaults_classes_and_other_constants(package: Any, workspace: Workspace, tmp_path: Path):
    """Without the loop and the decorator that have used it at import."""
    where, change, look, expected = CHANGES["a constant"]
    file = Path(package.numbers.__file__)
    text = file.read_text(encoding="utf-8")
    file.write_text(text[: text.index("@once")], encoding="utf-8")
    before = state(package)
    with edit(package, where, change)(workspace):
        assert look(package.numbers, package.user) == expected
    assert state(package) == before


def test_references_to_methods_taken_before_see_an_edit_of_their_class(package: Any, workspace: Workspace):
    bound = package.numbers.Base().measure
    with edit(package, "numbers:Base", ("return self.value", "return -self.value"))(workspace):
        assert bound() == -1
    assert bound() == 1


def test_a_cached_function_and_what_it_is_cached_in_are_computed_again(package: Any, workspace: Workspace):
    numbers = package.numbers
    assert (numbers.table(3), numbers.rows()) == ([3, 3, 3], 3)
    with edit(package, "numbers:table", ("[length] * length", "[0] * (length + 1)"))(workspace):
        assert (numbers.table(3), numbers.rows()) == ([0, 0, 0, 0], 4)
    assert (numbers.table(3), numbers.rows()) == ([3, 3, 3], 3)


def test_a_swap_reaches_who_imported_the_name_and_what_holds_it(package: Any, workspace: Workspace):
    before = package.numbers.twice
    with Swap(f"{package.name}.numbers:twice", lambda value: "swapped")(workspace):
        assert (package.user.call(3), package.numbers.PARTS["twice"](3), package.numbers.DOUBLE) == ("swapped",) * 3
    assert package.user.two is package.numbers.twice is package.numbers.PARTS["twice"] is before
    assert package.numbers.DOUBLE == 10


def replace_twice(value: int) -> str:
    return f"own {value}"


def test_a_swap_takes_an_object_or_a_name_of_the_calling_file():
    assert swap("losses:image_losses", replace_twice)._replacement() is replace_twice
    assert swap("losses:image_losses", "replace_twice")._replacement() is replace_twice
    with pytest.raises((PlantingError, ModuleNotFoundError), match=r"port_parts|torch|albumentations"):
        swap("losses:image_losses", "no_such_name")._replacement()


REFUSED = {
    "a decorator": ("numbers:table", ("@functools.cache\n", ""), "must keep its decorators: they ran when"),
    "a comment": ("numbers:twice", ("return 2 * value", "return 2 * value  # so"), "runs as before after the edit"),
    "an annotation": ("user:Holder.take", ("rules: Rules", "rules: object"), "runs as before after the edit"),
    "what a decorator has run": ("numbers:once", ("kept = function()", "kept = not function()"), "has been used at import by"),
    "a function that a decorator has run": ("numbers:SIZE", ("4", "5"), "line 7., which does not run again"),
    "two at once": ("numbers:HALF", ("2", "3"), "set by one assignment at the module's own level, found 2"),
    "an imported name": ("user:SIZE", ("SIZE", "9"), r"it is imported from \w+\.numbers: edit it there"),
    "an imported function": ("user:two", ("2 * value", "3 * value"), r"must be called what it is, \w+\.numbers:twice"),
    "an inherited method": ("numbers:Special.measure", ("self.value", "0"), r"must be called what it is, \w+\.numbers:Base"),
    "an attribute alone": ("numbers:Base.unit", ('"mm"', '"cm"'), "must be edited as part of its class"),
    "a base": ("numbers:Special", ("(Base)", "(object)"), "must keep its bases and slots"),
    "a module": ("numbers:", ("SIZE = 4", "SIZE = 5"), "what else a module does, it has done at import"),
    "an unknown name": ("numbers:twice", ("2 * value", "two * value"), "name 'two' is not defined"),
    "an unknown name inside": ("numbers:twice", ("2 * value", "[two for _ in (1,)]"), "name 'two' is not defined"),
    "no longer set": ("numbers:AREA", ("AREA", "OTHER"), "must still be set after the edit"),
    "a class that cannot be made": ("numbers:Base", ('"mm"', "1 / 0"), "cannot be compiled after the edit: division by zero"),
    "what then raises at import": ("numbers:twice", ("2 * value", "value.no"), "is used at import by .* AttributeError"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_do_nothing_or_cannot_be_is_refused_and_leaves_nothing(package: Any, workspace: Workspace, case: str):
    where, change, reason = REFUSED[case]
    before = state(package)
    with pytest.raises(PlantingError, match=reason), edit(package, where, change)(workspace):
        pytest.fail("nothing may run with half a fault")
    assert state(package) == before


@pytest.mark.parametrize(("first", "second"), [("Base", "Base.measure"), ("Base.measure", "Base")])
def test_a_class_and_its_method_are_not_edited_apart(package: Any, workspace: Workspace, first: str, second: str):
    change = ("return self.value", "return -self.value")
    with (
        edit(package, f"numbers:{first}", change)(workspace),
        pytest.raises(PlantingError, match=re.escape(f"is edited already, by {package.name}.numbers:{first}")),
        edit(package, f"numbers:{second}", change)(workspace),
    ):
        pytest.fail("one of the two would be lost")
    with edit(package, f"numbers:{second}", change)(workspace):
        assert package.numbers.Base().measure() == -1
    assert package.numbers.Base().measure() == 1


def test_what_an_edit_touches_is_known_of_functions_alone():
    known = Edit("torch_port.device_transforms:_resize_taps", (("a", "b"),))
    assert known.touches == {"torch_port.device_transforms:_resize_taps"}
    assert Edit("torch_port.order:LegacyBatchSampler._item", (("a", "b"),)).touches is not None
    for where in ("torch_port.quirks:Quirks", "torch_port.quirks:DEFAULT", "torch_port.nothing_of_it:LEARNING_RATE"):
        assert (Edit(where, (("a", "b"),)).touches is None) == ("nothing" not in where)


@pytest.mark.parametrize(
    ("where", "known"),
    [
        ("weight_table:_layers", False),  # LAYERS is made by it
        ("quirks:Quirks.__init__", False),  # DEFAULT is one
        ("__main__:main", True),  # not by an import
        ("losses:image_losses", True),
        ("order:LegacyBatchSampler._item", True),
        ("device_transforms:_channel_depths", True),  # cached, and called by nothing at import
    ],
)
def test_what_has_run_at_import_may_touch_anything(where: str, known: bool):
    assert (Edit(f"torch_port.{where}", (("a", "b"),)).touches is not None) is known
