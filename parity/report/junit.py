"""report.json -> junit.xml: one test suite per gate, one test case per check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from parity.report.notation import show_figure, show_headroom
from parity.report.schema import Report
from parity.report.summary import check_headroom, shorten_check_id
from parity.report.text import make_printable


def render_junit(report: Report) -> str:
    """Return JUnit XML.

    FAIL is a failure and INCONCLUSIVE an error. NOT_RUN and WAIVED are skipped, and so is what does not pass at a gate that
    only informs, because it decides nothing. A gate whose verdict none of its checks bears (it has none, or compared less than
    it expected) gets a test case of its own, and so does a broken rule.
    """
    report = make_printable(report)
    suites = [*map(_make_suite, report["gates"]), *([_make_rules(report["broken"])] if report["broken"] else [])]
    root = ElementTree.Element("testsuites", name=f"parity {report['verdict']}", time=f"{report['run']['elapsed_s']:.3f}")
    for key in ("tests", "failures", "errors"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in suites)))
    root.extend(suites)
    if suites:
        suites[0].insert(0, _make_properties(report))
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _make_properties(report: Report) -> ElementTree.Element:
    properties = ElementTree.Element("properties")
    words = {"schema": report["schema"], "verdict": report["verdict"], "headline": report["headline"]}
    for name, value in {**words, "run": report["run"]["id"], "started": report["run"]["started"]}.items():
        ElementTree.SubElement(properties, "property", name=name, value=value)
    return properties


def _make_rules(broken: Sequence[str]) -> ElementTree.Element:
    count = str(len(broken))
    suite = ElementTree.Element("testsuite", name="parity.rules", tests=count, failures=count, errors="0", skipped="0")
    for number, words in enumerate(broken, start=1):
        case = ElementTree.SubElement(suite, "testcase", classname="parity.rules", name=f"rule {number}")
        ElementTree.SubElement(case, "failure", message=words, type="FAIL")
    return suite


def _make_suite(gate: Mapping[str, Any]) -> ElementTree.Element:
    name = f"parity.{gate['gate']}"
    cases = [_make_case(name, shorten_check_id(check["id"], gate["gate"]), gate, check) for check in gate["checks"]]
    if gate["verdict"] not in {check["verdict"] for check in gate["checks"]}:
        # No check says what the gate says: it was not run, or it compared less than it expected.
        cases.insert(0, _make_case(name, "gate", gate, None))
    suite = ElementTree.Element("testsuite", name=name, tests=str(len(cases)))
    for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(key, str(sum(case.find(tag) is not None for case in cases)))
    suite.extend(cases)
    return suite


def _make_case(suite: str, name: str, gate: Mapping[str, Any], check: Mapping[str, Any] | None) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=suite, name=name)
    verdict = check["verdict"] if check else gate["verdict"]
    if verdict == "PASS":
        return case
    decides = gate["required"] and verdict not in ("NOT_RUN", "WAIVED")
    tag = {"FAIL": "failure", "INCONCLUSIVE": "error"}[verdict] if decides else "skipped"
    reason = (check["reason"] if check else gate.get("reason")) or gate["question"]
    informs = "" if gate["required"] else "informing only, "
    result = ElementTree.SubElement(case, tag, message=f"{informs}{verdict}: {reason}")
    if tag != "skipped":
        result.set("type", verdict)
    if check:
        result.text = _make_details(check)
    return case


def _make_details(check: Mapping[str, Any]) -> str:
    figures = {key: show_figure(check[key]) for key in ("observed", "limit", "noise_floor", "n")}
    rows = {
        "check": check["id"],
        **figures,
        "headroom": show_headroom(check_headroom(check)),
        "unit": check["unit"],
    }
    return "\n".join(f"{key.replace('_', ' ')}: {value}" for key, value in {**rows, "worst": check["worst"]}.items() if value)
