"""Where an exception comes from: real ones, raised by text that is compiled as that of a fault is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from parity.errors import describe_raised
from parity.faults.fault import Fault
from parity.faults.raised import describe_misplanted
from parity.faults.reach import compile_text

FAULT = Fault(id="f", stage="own", sentence="One.", gates=("loss",), plants=(), raises=True)


class Layer:
    """Names of layers that are not there are looked up by a function, as torch's are."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"no layer {name}")


def add(a: int, b: int) -> int:
    return a + b


def explain(call: Callable[[], Any]) -> Any:
    """Say it in other words, as the port does."""
    try:
        return call()
    except Exception as error:
        raise ValueError("not so") from error


def hide(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception:
        raise ValueError("not so") from None


def planted(expression: str) -> Callable[[], Any]:
    names: dict[str, Any] = {"layer": Layer(), "add": add}
    exec(compile_text(f"def call():\n    return {expression}", "torch_port.losses:image_losses"), names)
    found: Callable[[], Any] = names["call"]
    return found


def raised_by(call: Callable[[], Any]) -> dict[str, Any]:
    with pytest.raises(Exception) as error:
        call()
    return describe_raised(error.value)


CASES: dict[str, tuple[Callable[[], Any], str]] = {
    "a name": (planted("nowhere"), "its own text raises NameError: name 'nowhere' is not defined"),
    "a layer": (planted("layer.conv9"), "its own text raises AttributeError: no layer conv9"),
    "an argument": (planted("add(1, c=2)"), "its own text raises TypeError: "),
    "an import": (planted("__import__('no_such_module')"), "its own text raises ModuleNotFoundError: "),
    "a name, explained": (lambda: explain(planted("nowhere")), "its own text raises NameError: "),
    "a number": (planted("1 // 0"), ""),
    "what another function does with it": (planted("add(1, None)"), ""),
    "the port's own": (lambda: add(1, None), ""),  # type: ignore[arg-type]
    "a name, hidden": (lambda: hide(planted("nowhere")), ""),
}


@pytest.mark.parametrize("case", CASES)
def test_a_misspelt_fault_is_known_by_where_it_raises(case: str):
    call, said = CASES[case]
    found = describe_misplanted(FAULT, raised_by(call))
    assert said in found if said else found == ""


def test_the_chain_begins_with_what_was_raised_last():
    found = raised_by(lambda: explain(planted("nowhere")))
    assert [link["said"] for link in found["chain"]] == ["ValueError: not so", "NameError: name 'nowhere' is not defined"]
    assert found["chain"][0]["types"][:2] == ["ValueError", "Exception"]
    assert [link["file"] for link in found["chain"]] == [__file__, "<fault in torch_port.losses:image_losses>"]
