"""What is stored of survivors, and which functions and tests a mutant is shown to."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from parity.errors import BadInputError
from parity.workspace import PROJECT
from tests.mutants import copies
from tests.mutants.__main__ import choose, parse, summarise
from tests.mutants.copies import Copy
from tests.mutants.generate import make_mutants
from tests.mutants.judged import is_judged, list_stale, read_judged
from tests.mutants.runs import Known, UnitTest
from tests.mutants.users import read_mentions, users_of

SOURCE = "LIMIT = 3\n\n\ndef f(x):\n    return x + LIMIT\n\n\ndef g(x):\n    return f(x) * 2\n\n\ndef h(x):\n    return x\n"
ENTRY = '[[mutant]]\nid = "{id}"\nsource = "{source}"\nverdict = "{verdict}"\nreason = "{reason}"\n'
REASON = "Nothing that is computed differs."


def write(path: Path, *entries: str) -> Path:
    path.write_text("\n".join(entries))
    return path


def test_the_entries_of_the_project_are_whole_and_name_tests_that_exist():
    for entry in read_judged().values():
        if entry.test:
            path, _, name = entry.test.partition("::")
            assert f"def {name.partition('[')[0]}(" in (PROJECT / path).read_text(encoding="utf-8"), entry.test


def test_an_entry_holds_until_its_function_changes(tmp_path: Path):
    mutants = make_mutants(SOURCE, "m")
    chosen = next(mutant for mutant in mutants if mutant.place.name == "g")
    values = {"id": chosen.id, "source": chosen.place.sha256, "verdict": "equivalent", "reason": REASON}
    judged = read_judged(write(tmp_path / "judged.toml", ENTRY.format(**values)))
    assert [mutant.id for mutant in mutants if is_judged(mutant, judged)] == [chosen.id]
    assert list_stale(mutants, judged) == []
    others = make_mutants(SOURCE.replace("return f(x)", "x = x\n    return f(x)"), "m")
    assert not any(is_judged(mutant, judged) for mutant in others)
    assert list_stale(others, judged) == [chosen.id]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"verdict": "fine"}, "verdict 'fine'"),
        ({"reason": "no"}, "no reason"),
        ({"verdict": "unit test"}, "a test for `unit test`, and only for it"),
    ],
)
def test_an_entry_that_is_not_whole_is_refused(change: dict[str, str], message: str, tmp_path: Path):
    values = {"id": "m:f:constant:0:0:1", "source": "0" * 16, "verdict": "equivalent", "reason": REASON, **change}
    with pytest.raises(ValueError, match=message):
        read_judged(write(tmp_path / "judged.toml", ENTRY.format(**values)))


def test_a_mutant_is_judged_once(tmp_path: Path):
    entry = ENTRY.format(id="m:f", source="0" * 16, verdict="equivalent", reason=REASON)
    with pytest.raises(ValueError, match="m:f: there twice"):
        read_judged(write(tmp_path / "judged.toml", entry, entry))


def test_a_constant_is_shown_to_those_that_mention_it(tmp_path: Path):
    (tmp_path / "m.py").write_text(SOURCE)
    (tmp_path / "n.py").write_text("import m\n\n\ndef k(x):\n    return m.LIMIT\n")
    mentions = read_mentions(tmp_path)
    users = {mutant.place.name: users_of(mutant, mentions) for mutant in make_mutants(SOURCE, "m")}
    assert users == {"LIMIT": {"m:f", "n:k"}, "f": {"m:f"}, "g": {"m:g"}}


def test_the_fastest_that_run_the_function_come_first():
    known = Known(base=None)  # type: ignore[arg-type] - the folder of the legacy is not asked for
    known.gates = {gate: frozenset() for gate in ("convert", *(known_gates()))} | {
        "loss": frozenset({"m:f"}), "metrics": frozenset({"m:f", "m:g"}), "optimizer": frozenset({"m:h"}),
    }  # fmt: skip
    known.seconds = {"loss": 2.0, "metrics": 1.0, "optimizer": 0.1}
    known.tests = [
        UnitTest(id=id, seconds=s, touched=frozenset({name}))
        for id, s, name in (("a", 3, "m:f"), ("b", 1, "m:f"), ("c", 0, "m:g"))
    ]
    assert known.likely_gates({"m:f"}) == ["metrics", "loss"]
    assert [test.id for test in known.likely_tests({"m:f"})] == ["b", "a"]


def known_gates() -> tuple[str, ...]:
    from parity.faults.runs import suite_gates

    return suite_gates()


def test_a_sample_repeats_and_a_module_is_chosen():
    mutants = [
        mutant for name in ("losses", "order") for mutant in make_mutants((PROJECT / f"torch_port/{name}.py").read_text(), name)
    ]
    first, again, other = (choose(parse(["--sample", "20", "--seed", seed]), mutants) for seed in ("3", "3", "4"))
    assert len({mutant.id for mutant in first}) == 20
    assert first == again != other
    assert {mutant.module for mutant in choose(parse(["--module", "losses"]), mutants)} == {"losses"}
    assert choose(parse(["--id", first[0].id]), mutants) == [first[0]]


def test_only_what_changed_since_a_revision_is_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def git(*words: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=tmp_path, check=True, capture_output=True
        )

    monkeypatch.setattr(copies, "PROJECT", tmp_path)
    (tmp_path / "torch_port").mkdir()
    path = tmp_path / "torch_port" / "m.py"
    path.write_text(SOURCE)
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "one")
    edited = SOURCE.replace("f(x) * 2", "f(x) * 3") + "\n\ndef new(x):\n    return -x\n"
    found = copies.changed_since("HEAD", make_mutants(edited, "m"))
    assert {mutant.place.name for mutant in found} == {"g", "new"}
    with pytest.raises(BadInputError, match="`--since` must be a revision with torch_port, got "):
        copies.changed_since("nothing", [])


def test_what_is_not_judged_is_shown():
    row = {"id": "m:f", "verdict": "survived", "by": "", "how": "", "seconds": 2.0, "old": "a", "new": "b", "source": "0" * 16}
    seen = {**row, "verdict": "killed", "by": "gate loss", "how": "values"}
    text = summarise([row, seen, {**seen, "by": "unit tests", "how": "time"}], [row], ["m:gone"])
    assert text.splitlines()[0] == (
        "3 mutants: 1 seen by gates (0 because the port raised), 0 by unit tests, 1 by time, "
        "1 survived, of which 0 are judged; 6 s in all"
    )
    assert "not judged: m:f" in text
    assert "m:gone is gone, or its code has changed" in text


def test_a_copy_has_the_mutant_and_the_project_has_not(tmp_path: Path):
    copy = Copy(tmp_path / "copy")
    path, own = copy.folder / "torch_port/losses.py", PROJECT / "torch_port/losses.py"
    mutant = make_mutants(own.read_text(encoding="utf-8"), "losses")[0]
    before = own.read_bytes()
    with copy.planted(mutant):
        assert path.read_text(encoding="utf-8") == mutant.apply(before.decode())
        assert own.read_bytes() == before
    assert path.read_bytes() == before
    with pytest.raises(KeyboardInterrupt), copy.planted(mutant):
        raise KeyboardInterrupt
    assert path.read_bytes() == before
