"""Mutants of small sources, written out by hand."""

from __future__ import annotations

import ast
import textwrap

import pytest

from parity.workspace import PROJECT
from tests.mutants.generate import Mutant, make_mutants, read_mutants


def mutants_of(source: str) -> list[Mutant]:
    return make_mutants(textwrap.dedent(source), "module")


def changes_in(line: str, kind: str, before: str = "") -> list[str]:
    """Return what stands in the last line of a function after each mutant of a kind."""
    source = f"def f(x):\n    {before or 'pass'}\n    {line}\n"
    return [mutant.apply(source).splitlines()[-1].strip() for mutant in mutants_of(source) if mutant.change.kind == kind]


@pytest.mark.parametrize(
    ("kind", "line", "expected"),
    [
        ("arithmetic", "y = a + b", ["y = a - b"]),
        ("arithmetic", "y = (a) * (b)", ["y = (a) / (b)"]),
        ("arithmetic", "y = a // b % c", ["y = a // b * c", "y = a * b % c"]),
        ("arithmetic", "y = a ** b", ["y = a * b"]),
        ("arithmetic", "y = -a", ["y = (a)"]),
        ("arithmetic", "y = é + a", ["y = é - a"]),  # bytes are no characters
        ("arithmetic", "total += a", ["total -= a"]),
        ("comparison", "y = a < b", ["y = a <= b"]),
        ("comparison", "y = 0 < a <= b", ["y = 0 <= a <= b", "y = 0 < a < b"]),
        ("comparison", "y = a is not b", ["y = a is b"]),
        ("comparison", "y = a not in b", ["y = a in b"]),
        ("comparison", "y = island is b", ["y = island is not b"]),
        ("boolean", "y = a and b or c", ["y = a and b and c", "y = a or b or c"]),
        ("boolean", "y = not a", ["y = (a)"]),
        ("condition", "y = a if b else c", ["y = a if not (b) else c"]),
        ("constant", "y = 3", ["y = 4"]),
        ("constant", "y = 1", ["y = 2", "y = 0"]),
        ("constant", "y = 0.25", ["y = 0.5"]),
        ("constant", "y = True", ["y = False"]),
        ("word", "y = z.sum(reduction='none')", ["y = z.sum(reduction=\"mean\")"]),
        ("keyword", "y = g(a, dim=b)", ["y = g(a)"]),
        ("keyword", "y = g(dim=b, out=c)", ["y = g(out=c)", "y = g(dim=b)"]),
        ("keyword", "y = g(dim=b)", ["y = g()"]),
        ("slice", "y = a[b:c:d]", ["y = a[:c:d]", "y = a[b::d]", "y = a[b:c:1]"]),
        ("function", "y = a.argmax()", ["y = a.argmin()"]),
        ("function", "y = max(a, b)", ["y = min(a, b)"]),
        ("function", "y = a.detach().b", ["y = a.b"]),
        ("removed", "a.load(b)", ["pass"]),
        ("removed", "a.b = c", ["pass"]),
        ("removed", "a[b] = c", ["pass"]),
        ("removed", "total += a", ["pass"]),
    ],
)  # fmt: skip
def test_each_kind(kind: str, line: str, expected: list[str]):
    assert changes_in(line, kind) == expected


@pytest.mark.parametrize(
    ("returns", "line", "expected"),
    [
        ("bool", "return a", "return not (a)"),
        ("int", "return a + b", "return (a + b) + 1"),
        ("float", "return a", "return (a) * 2"),
        ("Tensor", "return a.b", "return -(a.b)"),
        ("dict[str, int]", "return a", "return {}"),
        ("list[int]", "return a", "return []"),
        ("tuple[int, str]", "return a, b", "return (b, a)"),
        ("Path | None", "return a", "return None"),
    ],
)
def test_what_is_returned_is_another_value_of_its_kind(returns: str, line: str, expected: str):
    source = f"def f(a, b) -> {returns}:\n    {line}\n"
    (found,) = (mutant for mutant in mutants_of(source) if mutant.change.kind == "returned")
    assert found.apply(source).splitlines()[-1].strip() == expected


def test_a_block_under_a_condition_is_left_out_and_its_condition_turned_round():
    source = "def f(a):\n    if a:\n        b = 2\n        a.c()\n    return b\n"
    texts = [mutant.apply(source) for mutant in mutants_of(source) if mutant.change.kind in ("condition", "removed")]
    assert "def f(a):\n    if a:\n        pass\n    return b\n" in texts
    assert "def f(a):\n    if not (a):\n        b = 2\n        a.c()\n    return b\n" in texts
    assert "def f(a):\n    if a:\n        b = 2\n        pass\n    return b\n" in texts


def test_a_block_runs_without_what_surrounds_it():
    source = "def f(a):\n    with torch.no_grad():\n        return a\n"
    texts = [mutant.apply(source) for mutant in mutants_of(source) if mutant.change.kind == "context"]
    assert texts == ["def f(a):\n    if True:\n        return a\n"]


def test_defaults_and_fields_are_mutated():
    source = """
    LIMIT = 3

    class Rule:
        patience: int = 10

        def update(self, factor: float = 0.5) -> None:
            pass
    """
    assert [(mutant.place.name, mutant.old, mutant.change.new) for mutant in mutants_of(source)] == [
        ("LIMIT", "3", "4"), ("Rule.patience", "10", "11"), ("Rule.update", "0.5", "1.0"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        '"""A docstring with 3 words."""',
        'raise ValueError(f"{a + 1} of 2")',
        "raise InputError.about('a', must=f'be {a + 1}', got=b[1:])",
        'print(f"{a + 1}", 3, sep=x)',
        "tqdm.write(str(a + 1))",
        "from a import b",
        "y: dict[str, 3] = z",
        "add('--epochs', metavar='N', help='of ' + str(3))",
        "command.add_parser('x', help='a' + 'b', description=c[1:])",
        'y = f"{a + 1}"',
        'y = "a" + b',
        "y = folder / name",
        "return refuse('a', 3, b[1:])",
        "super().__init__()",
    ],
)
def test_text_is_left_alone(line: str):
    source = f"def f(x):\n    {line}\n"
    assert [mutant.id for mutant in mutants_of(source)] == []


def test_annotations_and_decorators_are_left_alone():
    assert mutants_of("@cache(3)\ndef f(a: Literal[1] = b) -> Annotated[int, 3]:\n    pass\n") == []


SOURCE = """
def f(x):
    y = x + 1
    return y


class C:
    def g(self, x):
        return x * 2
"""


def test_ids_do_not_depend_on_the_lines_above():
    moved = f'"""A module."""\n\nimport os\n\n\ndef before(a):\n    return a - 3\n{SOURCE}'
    known = {mutant.id: mutant for mutant in mutants_of(SOURCE)}
    found = {mutant.id: mutant for mutant in mutants_of(moved) if not mutant.id.startswith("module:before")}
    assert known.keys() == found.keys()
    assert len(known) == 5
    assert {mutant.place.sha256 for mutant in known.values()} == {mutant.place.sha256 for mutant in found.values()}
    for id, mutant in found.items():
        assert mutant.apply(moved).endswith(known[id].apply(SOURCE))


def test_the_hash_is_that_of_the_function_alone():
    edited = SOURCE.replace("x * 2", "x * 3")
    hashes = [{mutant.place.name: mutant.place.sha256 for mutant in mutants_of(text)} for text in (SOURCE, edited)]
    assert hashes[0]["f"] == hashes[1]["f"]
    assert hashes[0]["C.g"] != hashes[1]["C.g"]


def test_a_mutant_changes_its_own_place_and_nothing_else():
    for mutant in mutants_of(SOURCE):
        changed = mutant.apply(SOURCE)
        start, end = mutant.change.start, mutant.change.end
        assert SOURCE[start:end] == mutant.old
        assert changed == SOURCE[:start] + mutant.change.new + SOURCE[end:]


@pytest.fixture(scope="module")
def of_the_port() -> list[Mutant]:
    return read_mutants(PROJECT / "torch_port")


def test_the_mutants_of_the_port_compile_and_have_an_id_each(of_the_port: list[Mutant]):
    assert len(of_the_port) > 2000
    assert len({mutant.id for mutant in of_the_port}) == len(of_the_port)
    for mutant in of_the_port[::100]:  # each was compiled in its own definition when it was made
        ast.parse(mutant.apply((PROJECT / "torch_port" / f"{mutant.module}.py").read_text(encoding="utf-8")))


def test_mistakes_that_were_made_are_among_them(of_the_port: list[Mutant]):
    """Some of those that passed before somebody asked for them."""
    texts = {(mutant.module, mutant.place.name, mutant.old, mutant.change.new) for mutant in of_the_port}
    assert ("inference", "make_predictor", "1", "0") in texts  # softmax over the wrong axis
    assert ("train_command", "run_train", '"train"', '"val"') in texts  # class weights from validation
    assert ("training_module", "ClassifierTraining._count", ".nan_to_num(0.0)", "") in texts
    assert ("losses", "EpochLoss.update", ".detach()", "") in texts
    assert ("losses", "make_class_weights", "ones", "zeros") in texts
    assert ("losses", "EpochLoss.__init__", '"sum"', '"mean"') in texts
