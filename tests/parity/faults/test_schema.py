"""The JSON Schema of the scorecard, held against what the suite makes of hand-written rows."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema
import pytest

from parity.faults.scorecard import make_scorecard
from parity.workspace import PROJECT

from .test_scorecard import perfect

SCHEMA = json.loads((PROJECT / "parity" / "faults" / "schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_the_schema_is_one():
    rules = jsonschema.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA)
    assert list(rules.iter_errors(SCHEMA)) == []


def test_a_scorecard_follows_it():
    card = make_scorecard(**perfect())
    assert list(VALIDATOR.iter_errors(json.loads(json.dumps(card)))) == []


def test_a_fault_may_be_not_asked():
    assert list(VALIDATOR.iter_errors(changed(("faults", 0, "verdict"), "NOT_ASKED"))) == []


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    card: Any = copy.deepcopy(make_scorecard(**perfect()))
    place = card
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return dict(card)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "parity-faults/2"),
        (("faults", 0, "verdict"), "MAYBE"),
        (("faults", 0, "gates"), {"loss": "NOT_ASKED"}),
        (("faults", 0, "tier"), "4"),
        (("faults", 0, "detected"), "yes"),
        (("score", "of"), -1),
        (("correct_port", "runs", 0, "seconds"), None),
        (("extra",), 1),
    ],
    ids=["schema", "verdict", "gate", "tier", "detected", "score", "seconds", "extra"],
)
def test_what_a_scorecard_cannot_say_does_not(path: tuple[Any, ...], value: Any):
    assert list(VALIDATOR.iter_errors(changed(path, value))) != []
