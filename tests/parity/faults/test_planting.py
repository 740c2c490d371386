"""Faults planted in a small module of their own, and taken out again."""

from __future__ import annotations

import importlib
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from parity.faults.fault import Fault
from parity.faults.planting import Edit, Planter, Swap, Within, find
from parity.faults.reach import PlantingError
from parity.workspace import Workspace

SOURCE = """
import functools
from contextlib import contextmanager

conditions = []


def scale(value, factor=2, *, shift=0):
    return value * factor + shift


def call_scale(value):
    return scale(value)


def repeat(function):
    @functools.wraps(function)
    def call(*values):
        return function(*values) + function(*values)

    return call


@repeat
def lengthen(word):
    return word + "a"


class Base:
    name = "base"

    def measure(self):
        return 10


class Special(Base):
    def measure(self):
        return super().measure() + 1

    @property
    def size(self):
        return 3

    @classmethod
    def make(cls):
        return cls.__name__

    @staticmethod
    def add(a, b):
        return a + b


def replacement(*_):
    return "replaced"


@contextmanager
def condition(*given, **words):
    conditions.append((given, words))
    try:
        yield
    finally:
        conditions.pop()
"""
_NUMBERS = itertools.count()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module that no other test has imported."""
    name = f"planted_in_{next(_NUMBERS)}"
    (tmp_path / f"{name}.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module(name)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "run")


def edit(module: ModuleType, where: str, *changes: tuple[str, str]) -> Edit:
    return Edit(f"{module.__name__}:{where}", changes)


def test_an_edit_holds_inside_the_block_only(module: ModuleType, workspace: Workspace):
    assert module.scale(3) == 6
    with edit(module, "scale", ("value * factor", "value ** factor"))(workspace):
        assert module.scale(3) == 9
        assert module.scale(3, 3, shift=1) == 28
    assert module.scale(3) == 6


def test_several_changes_of_one_function_are_made_together(module: ModuleType, workspace: Workspace):
    with edit(module, "scale", ("value * factor", "value ** factor"), ("+ shift", "- shift"))(workspace):
        assert module.scale(3, shift=1) == 8
    assert module.scale(3, shift=1) == 7


def test_a_default_argument_can_be_edited(module: ModuleType, workspace: Workspace):
    with edit(module, "scale", ("factor=2", "factor=5"), ("shift=0", "shift=1"))(workspace):
        assert module.scale(3) == 16
        assert module.scale(3, 2, shift=0) == 6
    assert module.scale(3) == 6


def test_a_method_that_calls_super_can_be_edited(module: ModuleType, workspace: Workspace):
    made_before = module.Special()
    with edit(module, "Special.measure", ("+ 1", "+ 5"))(workspace):
        assert made_before.measure() == module.Special().measure() == 15
    assert made_before.measure() == 11


def test_a_decorated_function_is_edited_inside_its_decorator(module: ModuleType, workspace: Workspace):
    assert module.lengthen("x") == "xaxa"
    with edit(module, "lengthen", ('"a"', '"b"'))(workspace):
        assert module.lengthen("x") == "xbxb"
    assert module.lengthen("x") == "xaxa"


@pytest.mark.parametrize(
    ("where", "change", "call", "edited", "before"),
    [
        ("Special.size", ("return 3", "return 4"), lambda module: module.Special().size, 4, 3),
        ("Special.make", ("cls.__name__", "cls.name"), lambda module: module.Special.make(), "base", "Special"),
        ("Special.add", ("a + b", "a - b"), lambda module: module.Special.add(5, 2), 3, 7),
    ],
    ids=["property", "class method", "static method"],
)
def test_what_a_class_wraps_can_be_edited(
    module: ModuleType,
    workspace: Workspace,
    where: str,
    change: tuple[str, str],
    call: Callable[[ModuleType], object],
    edited: object,
    before: object,
):
    with edit(module, where, change)(workspace):
        assert call(module) == edited
    assert call(module) == before


def test_references_taken_before_see_the_edit(module: ModuleType, workspace: Workspace):
    taken, bound = module.scale, module.Special().measure
    planters = edit(module, "scale", ("value *", "-value *")), edit(module, "Special.measure", ("+ 1", "+ 2"))
    with planters[0](workspace), planters[1](workspace):
        assert (taken(3), module.call_scale(3), bound()) == (-6, -6, 12)
        assert taken is module.scale
    assert (taken(3), module.call_scale(3), bound()) == (6, 6, 11)


def test_an_edit_is_taken_out_after_an_exception(module: ModuleType, workspace: Workspace):
    parts = ("__code__", "__defaults__", "__kwdefaults__")
    before = [getattr(module.scale, part) for part in parts]
    plant = edit(module, "scale", ("value * factor", "value / 0"), ("factor=2", "factor=5"), ("shift=0", "shift=1"))
    with pytest.raises(ZeroDivisionError), plant(workspace):
        module.scale(3)
    assert [getattr(module.scale, part) for part in parts] == before
    assert module.scale(3) == 6


@pytest.mark.parametrize(
    ("text", "found"), [("value + factor", 0), ("value", 2), ("def scale(value, factor=3", 0)], ids=["missing", "twice", "near"]
)
def test_text_that_does_not_stand_there_once_is_named(module: ModuleType, workspace: Workspace, text: str, found: int):
    message = f"{module.__name__}:scale must contain {text!r} once, found {found} times"
    with pytest.raises(PlantingError, match=re.escape(message)), edit(module, "scale", (text, "1"))(workspace):
        pytest.fail("nothing may run with half a fault")
    assert module.scale(3) == 6


@pytest.mark.parametrize(
    ("where", "change", "reason"),
    [
        ("scale", ("value * factor + shift", "value *"), "cannot be compiled after the edit: invalid syntax"),
        ("scale", ("factor=2", "factor=nowhere"), "cannot be compiled after the edit: name 'nowhere' is not defined"),
        ("Special.measure", ("super().measure() + 1", "11"), "must use the same enclosing names"),
    ],
    ids=["syntax", "unknown default", "no longer super"],
)
def test_an_edit_that_cannot_be_compiled_is_a_planting_error(
    module: ModuleType, workspace: Workspace, where: str, change: tuple[str, str], reason: str
):
    message = re.escape(f"{module.__name__}:{where} ") + reason
    with pytest.raises(PlantingError, match=message), edit(module, where, change)(workspace):
        pytest.fail("nothing may run with half a fault")
    assert (module.scale(3), module.Special().measure()) == (6, 11)


@pytest.mark.parametrize("place", ["scale.nothing", "Nothing.measure", "nothing"])
def test_a_place_that_is_not_there_is_named(module: ModuleType, place: str):
    with pytest.raises(PlantingError, match=re.escape(f"{module.__name__}:{place} must name something")):
        find(f"{module.__name__}:{place}")


def test_a_module_that_is_not_there_is_named():
    with pytest.raises(PlantingError, match=r"no_such_module:scale must name something .* No module named"):
        find("no_such_module:scale")


def test_a_swap_holds_inside_the_block_only(module: ModuleType, workspace: Workspace):
    before = module.scale
    with Swap(f"{module.__name__}:scale", f"{module.__name__}:replacement")(workspace):
        assert module.scale(3) == module.call_scale(3) == "replaced"
    assert module.scale is before


def test_a_swap_is_taken_out_after_an_exception(module: ModuleType, workspace: Workspace):
    before = vars(module.Special)["make"]
    plant = Swap(f"{module.__name__}:Special.make", f"{module.__name__}:replacement")
    with plant(workspace):
        assert module.Special.make() == "replaced"
    with pytest.raises(ZeroDivisionError), plant(workspace):
        raise ZeroDivisionError
    assert vars(module.Special)["make"] is before


def test_a_swap_of_an_attribute_that_was_absent_removes_it_again(module: ModuleType, workspace: Workspace):
    with Swap(f"{module.__name__}:Special.name", f"{module.__name__}:replacement")(workspace):
        assert module.Special().name() == "replaced"
        assert module.Base.name == "base"
    assert "name" not in vars(module.Special)
    assert module.Special.name == "base"


def test_a_replacement_that_is_not_there_leaves_everything_as_it_was(module: ModuleType, workspace: Workspace):
    plant = Swap(f"{module.__name__}:Special.name", f"{module.__name__}:nothing")
    with pytest.raises(PlantingError, match=":nothing must name something"), plant(workspace):
        pytest.fail("nothing may run with half a fault")
    assert "name" not in vars(module.Special)


@pytest.mark.parametrize("takes_workspace", [False, True])
def test_a_condition_holds_inside_the_block_only(module: ModuleType, workspace: Workspace, takes_workspace: bool):
    plant = Within(f"{module.__name__}:condition", (1, "two"), {"three": 3}, workspace=takes_workspace)
    given = (workspace, 1, "two") if takes_workspace else (1, "two")
    with plant(workspace):
        assert module.conditions == [(given, {"three": 3})]
    assert module.conditions == []
    with pytest.raises(ZeroDivisionError), plant(workspace):
        raise ZeroDivisionError
    assert module.conditions == []


def fault(*plants: Planter) -> Fault:
    return Fault(id="planted", stage="test", sentence="All at once.", gates=("blocks",), plants=plants)


def test_a_fault_plants_everything_together(module: ModuleType, workspace: Workspace):
    name = module.__name__
    made = fault(
        edit(module, "scale", ("value *", "-value *")),
        Swap(f"{name}:Special.name", f"{name}:replacement"),
        Within(f"{name}:condition", ("on",)),
    )
    with made.planted(workspace):
        assert (module.scale(3), module.Special().name(), module.conditions) == (-6, "replaced", [(("on",), {})])
    assert (module.scale(3), module.Special.name, module.conditions) == (6, "base", [])
    with pytest.raises(ZeroDivisionError), made.planted(workspace):
        raise ZeroDivisionError
    assert (module.scale(3), module.Special.name, module.conditions) == (6, "base", [])


def test_all_is_taken_out_when_a_later_plant_does_not_fit(module: ModuleType, workspace: Workspace):
    name = module.__name__
    made = fault(
        edit(module, "scale", ("value *", "-value *")),
        Swap(f"{name}:Special.name", f"{name}:replacement"),
        Within(f"{name}:condition", ("on",)),
        edit(module, "call_scale", ("no such text", "")),
    )
    with pytest.raises(PlantingError, match="call_scale must contain 'no such text' once"), made.planted(workspace):
        pytest.fail("nothing may run with half a fault")
    assert (module.scale(3), module.Special.name, module.conditions) == (6, "base", [])


EDITS = (Edit("a:f", (("x", "y"),)), Edit("a:C.g", (("x", "y"),)))


def test_a_fault_touches_what_any_of_its_plants_touches():
    swap = Swap("a:h", "b:h", frozenset({"a:h", "a:f"}))
    within = Within("b:condition", touches=frozenset({"a:k"}))
    assert fault(*EDITS, swap, within).touches == {"a:f", "a:C.g", "a:h", "a:k"}
    assert fault(Within("b:condition", touches=frozenset())).touches == frozenset()


@pytest.mark.parametrize("unknown", [Swap("a:h", "b:h"), Within("b:condition"), lambda workspace: None])
def test_a_fault_may_touch_anything_when_one_plant_is_unknown(unknown: Planter):
    assert fault(*EDITS, unknown).touches is None
    assert fault(unknown, *EDITS).touches is None
