"""report.json: read, write and check it against ``schema.json``.

The checker knows the few keywords that ``schema.json`` uses, so that a report is checked wherever it is rendered; the tests
hold it against the `jsonschema` package.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.errors import BadInputError, bad_input
from parity.files import write_whole

Report = dict[str, Any]

SCHEMA_NAME = "parity-report/1"
SHOWN_FAULTS = 20
_REMEDY = "render it with the version that recorded it, or record the run again"

_IS_TYPE: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: _IS_TYPE["number"](value) and math.isfinite(value) and value == int(value),
}


@functools.cache
def read_schema() -> Mapping[str, Any]:
    """Return the JSON Schema of report.json."""
    schema: dict[str, Any] = json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))
    return schema


def read_report(path: Path) -> Report:
    """Read and check a report.json.

    Raises:
        BadInputError: The file is missing, is not JSON, has another schema name, or does not follow the schema (all faults at
            once).
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        found = error.strerror or type(error).__name__
        raise bad_input("report.json", "be readable", found, str(path), "give the folder of a finished run") from error
    except (ValueError, RecursionError) as error:
        raise bad_input("report.json", "be JSON", str(error), str(path), _REMEDY) from error
    check_report(report, place=str(path))
    return dict(report)


def write_report(report: Report, path: Path) -> None:
    """Check a report and write it as JSON; numbers that JSON cannot write become the words nan, inf and -inf.

    Raises:
        BadInputError: The report does not follow the schema; nothing is written.
    """
    plain = to_plain(report)
    check_report(plain, place=str(path))
    text = json.dumps(plain, indent=1, ensure_ascii=True, allow_nan=False) + "\n"
    write_whole(path, text)


def check_report(report: Any, *, place: str) -> None:
    """Raise BadInputError with every fault of a report, at most `SHOWN_FAULTS` of them in words."""
    name = report.get("schema") if isinstance(report, dict) else None
    if name != SCHEMA_NAME:
        raise bad_input("schema", f"be {SCHEMA_NAME!r}", name, place, _REMEDY)
    faults = list(find_faults(report, read_schema())) or list(_length_faults(report))
    if faults:
        shown = faults[:SHOWN_FAULTS]
        if len(faults) > len(shown):
            shown.append(f"and {len(faults) - len(shown)} more faults")
        raise BadInputError("\n".join([f"report.json does not follow {SCHEMA_NAME} in {place}; {_REMEDY}:", *shown]))


def find_faults(value: Any, rule: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """Yield a sentence for each way in which `value` breaks `rule`, a part of the schema."""
    if "$ref" in rule:
        rule = read_schema()["$defs"][rule["$ref"].rpartition("/")[2]]
    subject = place or "report"
    types = [rule["type"]] if isinstance(rule.get("type"), str) else rule.get("type", [])
    if types and not any(_IS_TYPE[name](value) for name in types):
        yield f"`{subject}` must be {' or '.join(types)}, got {_short(value)}"
        return
    if "const" in rule and value != rule["const"]:
        yield f"`{subject}` must be {rule['const']!r}, got {_short(value)}"
    if "enum" in rule and value not in rule["enum"]:
        yield f"`{subject}` must be one of {', '.join(rule['enum'])}, got {_short(value)}"
    if isinstance(value, dict):
        yield from _object_faults(value, rule, place)
    elif isinstance(value, list):
        yield from _array_faults(value, rule, place)
    else:
        yield from _scalar_faults(value, rule, subject)


def _object_faults(value: Mapping[str, Any], rule: Mapping[str, Any], place: str) -> Iterator[str]:
    known, others = rule.get("properties", {}), rule.get("additionalProperties", True)
    prefix = f"{place}." if place else ""
    for key in rule.get("required", []):
        if key not in value:
            yield f"`{prefix}{key}` must be there, got nothing"
    for key, item in value.items():
        if key in known:
            yield from find_faults(item, known[key], f"{prefix}{key}")
        elif others is False:
            yield f"`{prefix}{_short(key)}` must not be there: the schema does not know it"
        elif others is not True:
            yield from find_faults(item, others, f"{prefix}{key}")


def _array_faults(value: list[Any], rule: Mapping[str, Any], place: str) -> Iterator[str]:
    if not rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", math.inf):
        yield f"`{place}` must hold {rule['minItems']} items, got {len(value)}"
    for index, item in enumerate(value):
        yield from find_faults(item, rule.get("items", {}), f"{place}[{index}]")


def _scalar_faults(value: Any, rule: Mapping[str, Any], subject: str) -> Iterator[str]:
    if isinstance(value, str):
        if len(value) < rule.get("minLength", 0):
            yield f"`{subject}` must not be empty, got ''"
        if "pattern" in rule and not re.search(rule["pattern"].replace("$", r"\Z"), value):
            yield f"`{subject}` must match {rule['pattern']}, got {_short(value)}"
    elif _IS_TYPE["number"](value) and value < rule.get("minimum", -math.inf):
        yield f"`{subject}` must be at least {rule['minimum']}, got {_short(value)}"


def _length_faults(report: Report) -> Iterator[str]:
    """Yield what JSON Schema cannot say: rows that belong together have the same length."""
    for gate, curve in report["curves"].items():
        for key in ("float64", "float32", "noise_floor", "limit_float64", "limit_float32"):
            if isinstance(curve[key], list) and len(curve[key]) != len(curve["taps"]):
                yield f"`curves.{gate}.{key}` must hold {len(curve['taps'])} numbers, got {len(curve[key])}"
    columns = ("reference", "candidate", "difference")
    lockstep = report["lockstep"] or {"steps": [], **{column: [] for column in columns}}
    for column in columns:
        if len(lockstep[column]) != len(lockstep["steps"]):
            yield f"`lockstep.{column}` must hold {len(lockstep['steps'])} numbers, got {len(lockstep[column])}"
    for index, row in enumerate(report["confusion"]):
        n = len(row["classes"])
        for side in ("reference", "candidate"):
            if [len(line) for line in row[side]] != [n] * n:
                yield f"`confusion[{index}].{side}` must be {n} x {n}, got {_short(row[side])}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _refuse_constant(name: str) -> float:
    raise ValueError(f"JSON has no {name}: write it as a word, as write_report does")


def to_plain(value: Any) -> Any:
    """Return a value as report.json has it: lists, Python's numbers, and words for those that JSON cannot write."""
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, np.generic):
        return to_plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value
