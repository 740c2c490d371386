"""junit.xml follows the schema of the format, junit.xsd, whatever the run and its names."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import xmlschema

from parity.contract import GATES
from parity.report import render_junit

SCHEMA = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))


def faults_of(xml: str) -> list[str]:
    return [f"{error.path}: {error.reason}" for error in SCHEMA.iter_errors(ElementTree.fromstring(xml.encode()))]


def count_cases(xml: str) -> int:
    return len(ElementTree.fromstring(xml.encode()).findall("testsuite/testcase"))


@pytest.mark.parametrize("hostile", [False, True], ids=["plain", "hostile"])
@pytest.mark.parametrize("verdict", ["PASS", "FAIL", "NOT_RUN", "INCONCLUSIVE"])
def test_every_verdict_is_valid_with_a_case_for_each_check(make_report: Any, verdict: str, hostile: bool) -> None:
    report = make_report(verdict=verdict, hostile=hostile)
    xml = render_junit(report)
    assert faults_of(xml) == []
    checks = sum(len(gate["checks"]) for gate in report["gates"])
    gates_without = sum(not gate["checks"] for gate in report["gates"])
    assert checks > 200
    assert count_cases(xml) == checks + gates_without


def test_a_huge_run_is_valid(huge_report: dict[str, Any]) -> None:
    xml = render_junit(huge_report)
    assert faults_of(xml) == []
    checks, gates_unlike_their_checks = 3 * len(GATES) * 100, sum(gate["verdict"] != "FAIL" for gate in huge_report["gates"])
    assert count_cases(xml) == checks + gates_unlike_their_checks


def test_what_is_rare_is_valid(make_report: Any) -> None:
    report = make_report(verdict="FAIL", hostile=True)
    report["broken"] = ["gates.toml changed \x00 <&>", "no power"]
    report["gates"][3].update(verdict="WAIVED")
    report["gates"][3]["checks"][0].update(verdict="WAIVED", reason="", worst="")
    report["gates"][4].update(verdict="FAIL", reason="29 of 30 compared")
    report["run"]["elapsed_s"] = 1234567.25
    xml = render_junit(report)
    assert faults_of(xml) == []
    assert '<testsuite name="parity.rules" tests="2" failures="2"' in xml


def test_a_run_without_gates_is_valid(make_report: Any) -> None:
    xml = render_junit({**make_report(verdict="NOT_RUN"), "gates": []})
    assert faults_of(xml) == []
    assert count_cases(xml) == 0


@pytest.mark.parametrize(
    ("found", "instead", "fault"),
    [
        (' failures="0"', "", "missing required attribute 'failures'"),
        (' skipped="0"', ' skipped="none"', "invalid literal"),
        (' errors="0"', ' errors="-1"', "must be non negative"),
        (' time="142.100"', ' time="2 min"', "doesn't match any pattern"),
        ('classname="parity.freeze" ', "", "missing required attribute 'classname'"),
        ('name="exact/values/differences"', 'name=""', "length cannot be lesser than 1"),
        ('name="exact/values/differences"', 'name="a" verdict="PASS"', "'verdict' attribute not allowed"),
        ("<properties>", "<properties><property name='a'/>", "missing required attribute 'value'"),
        ("</properties>", "</properties><properties/>", "Unexpected child with tag 'properties'"),
        ("</testsuite>", "<properties/></testsuite>", "Unexpected child with tag 'properties'"),
        ("</testsuite>", "<testsuite/></testsuite>", "Unexpected child with tag 'testsuite'"),
        ("</testsuite>", "words</testsuite>", "character data between child elements not allowed"),
        (' type="FAIL"', "", "missing required attribute 'type'"),
        ("</failure>", "</failure><error type='a'/>", "Unexpected child with tag 'error'"),
        ("</failure>", "<b>words</b></failure>", "a simple content element can't have child elements"),
        ("<skipped ", "<skipped type='a' ", "'type' attribute not allowed"),
    ],
)
def test_the_schema_refuses_what_is_broken(make_report: Any, found: str, instead: str, fault: str) -> None:
    whole = render_junit(make_report(verdict="FAIL"))
    broken = whole.replace(found, instead, 1)
    assert broken != whole
    faults = faults_of(broken)
    assert faults
    assert fault in faults[0]


def test_the_schema_refuses_another_root() -> None:
    (fault,) = faults_of("<suites/>")
    assert "is not an element of the schema" in fault
