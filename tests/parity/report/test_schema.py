import copy
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from parity.errors import BadInputError
from parity.report.schema import check_report, find_faults, read_report, read_schema, write_report

VALIDATOR = jsonschema.Draft202012Validator(read_schema())
STRANGE = (None, True, -1, 0.5, "", "odd", [], [1], {}, {"odd": 1})


def test_schema_is_a_json_schema() -> None:
    rules = jsonschema.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA)
    assert list(rules.iter_errors(read_schema())) == []


@pytest.mark.parametrize("verdict", ["PASS", "FAIL", "NOT_RUN", "INCONCLUSIVE"])
def test_report_of_each_verdict_follows_the_schema(make_report: Any, tmp_path: Path, verdict: str) -> None:
    write_report(make_report(verdict=verdict), tmp_path / "report.json")
    VALIDATOR.validate(json.loads((tmp_path / "report.json").read_text()))
    assert read_report(tmp_path / "report.json")["verdict"] == verdict


def test_checker_agrees_with_jsonschema_on_every_mutation(make_report: Any) -> None:
    report = make_report(verdict="FAIL", images=5)
    found = {True: 0, False: 0}
    for mutant in _mutations(_one_of_each(report)):
        valid = VALIDATOR.is_valid(mutant)
        found[valid] += 1
        assert (next(find_faults(mutant, read_schema()), None) is None) == valid, mutant
    assert found[False] > 1000
    assert found[True] > 500


def _one_of_each(value: Any, key: str = "") -> Any:
    """Keep the first item of every list but of those whose length the schema fixes."""
    if isinstance(value, dict):
        return {name: _one_of_each(item, name) for name, item in value.items()}
    return [_one_of_each(item) for item in value[: 2 if key in ("margin", "dead") else 1]] if isinstance(value, list) else value


def _mutations(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in list(_paths(report)):
        for change in ("delete", "add", *STRANGE):
            mutant = copy.deepcopy(report)
            parent: Any = mutant
            for key in path[:-1]:
                parent = parent[key]
            if change == "delete":
                del parent[path[-1]]
            elif change == "add":
                if not isinstance(parent[path[-1]], dict):
                    continue
                parent[path[-1]]["unknown"] = 1
            else:
                parent[path[-1]] = change
            yield mutant


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ():
        yield from _paths(item, (*path, key))


def test_every_fault_is_told_at_once(make_report: Any) -> None:
    report = make_report()
    del report["headline"]
    report["verdict"] = "GOOD"
    report["gates"][0]["checks"][0]["n"] = -1
    with pytest.raises(BadInputError) as error:
        check_report(report, place="here")
    message = str(error.value)
    assert "`headline` must be there" in message
    assert "`verdict` must be one of PASS, WAIVED, FAIL, NOT_RUN, INCONCLUSIVE, got 'GOOD'" in message
    assert "`gates[0].checks[0].n` must be at least 0, got -1" in message


def test_faults_in_words_are_few(make_report: Any) -> None:
    report = make_report()
    report["ledger"] = [{}] * 100
    with pytest.raises(BadInputError, match=r"and 980 more faults$"):
        check_report(report, place="here")


@pytest.mark.parametrize("name", ["parity-report/2", None, 1])
def test_other_schema_names_are_refused(make_report: Any, name: Any) -> None:
    with pytest.raises(BadInputError, match=r"`schema` must be 'parity-report/1', got .* in here; render it"):
        check_report({**make_report(), "schema": name}, place="here")


@pytest.mark.parametrize("value", [None, [], "text", 3])
def test_what_is_no_object_is_refused(value: Any) -> None:
    with pytest.raises(BadInputError, match="`schema` must be 'parity-report/1', got None"):
        check_report(value, place="here")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "`report.json` must be JSON"),
        (b"\xff\xfe", "`report.json` must be JSON"),
        (b'{"schema": NaN}', "JSON has no NaN: write it as a word"),
        (b"[" * 100_000, "`report.json` must be JSON"),
    ],
)
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(BadInputError, match=message):
        read_report(tmp_path / "report.json")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"`report\.json` must be readable, got 'No such file"):
        read_report(tmp_path / "report.json")


@pytest.mark.parametrize("key", ["float64", "float32", "noise_floor"])
def test_curves_have_one_number_per_tap(make_report: Any, key: str) -> None:
    report = make_report()
    report["curves"]["blocks"][key].pop()
    with pytest.raises(BadInputError, match=rf"`curves.blocks.{key}` must hold 23 numbers, got 22"):
        check_report(report, place="here")


@pytest.mark.parametrize("side", ["reference", "candidate", "difference"])
def test_lockstep_has_one_loss_per_step(make_report: Any, side: str) -> None:
    report = make_report()
    report["lockstep"][side].pop()
    with pytest.raises(BadInputError, match=rf"`lockstep.{side}` must hold 12 numbers, got 11"):
        check_report(report, place="here")


def test_lockstep_may_be_null_but_not_absent(make_report: Any) -> None:
    report = make_report()
    report["lockstep"] = None
    check_report(report, place="here")
    del report["lockstep"]
    with pytest.raises(BadInputError, match="`lockstep` must be there"):
        check_report(report, place="here")


@pytest.mark.parametrize("matrix", [[[1, 2], [3, 4]], [[1, 2, 3]] * 2, [[1], [2], [3]], []])
def test_confusion_matrices_are_square(make_report: Any, matrix: Any) -> None:
    report = make_report()
    report["confusion"][1]["candidate"] = matrix
    with pytest.raises(BadInputError, match=r"`confusion\[1\].candidate` must be 3 x 3"):
        check_report(report, place="here")


def test_numbers_without_json_are_written_as_words(make_report: Any, tmp_path: Path) -> None:
    report = make_report()
    check = report["gates"][0]["checks"][0]
    check.update(observed=math.nan, limit=math.inf, noise_floor=-math.inf)
    write_report(report, tmp_path / "report.json")
    check = read_report(tmp_path / "report.json")["gates"][0]["checks"][0]
    assert (check["observed"], check["limit"], check["noise_floor"]) == ("nan", "inf", "-inf")


def test_a_faulty_report_is_not_written(make_report: Any, tmp_path: Path) -> None:
    report = make_report()
    report["coverage"] = {}
    with pytest.raises(BadInputError, match=r"`coverage\.expected` must be there"):
        write_report(report, tmp_path / "report.json")
    assert not list(tmp_path.iterdir())


def test_numpy_scalars_and_tuples_are_written(make_report: Any, tmp_path: Path) -> None:
    import numpy as np

    report = make_report()
    report["gates"][0]["checks"][0].update(observed=np.float32(0.5), n=np.int64(7))
    report["run"]["command"] = ("nox", "-s", "parity")
    write_report(report, tmp_path / "report.json")
    found = read_report(tmp_path / "report.json")
    assert found["gates"][0]["checks"][0]["observed"] == 0.5
    assert found["gates"][0]["checks"][0]["n"] == 7
    assert found["run"]["command"] == ["nox", "-s", "parity"]


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "assets/../x.webp", "/etc/passwd", "assets/", "assets/a\n", "https://a/b"]
)
def test_assets_lie_beside_the_report(make_report: Any, path: str) -> None:
    report = make_report()
    report["assets"] = [{"path": path, "sha256": "0" * 64}]
    with pytest.raises(BadInputError, match=r"`assets\[0\].path` must match"):
        check_report(report, place="here")
