from typing import Any
from xml.etree import ElementTree

import pytest

from parity.report import render_junit
from parity.report.text import make_printable


def parse(report: dict[str, Any]) -> ElementTree.Element:
    return ElementTree.fromstring(render_junit(report).encode())


def cases_of(root: ElementTree.Element, gate: str) -> list[ElementTree.Element]:
    return root.findall(f"testsuite[@name='parity.{gate}']/testcase")


@pytest.mark.parametrize("verdict", ["PASS", "FAIL", "NOT_RUN", "INCONCLUSIVE"])
def test_one_case_per_check_and_one_for_each_gate_without(make_report: Any, verdict: str) -> None:
    report = make_report(verdict=verdict)
    root = parse(report)
    assert [suite.get("name") for suite in root] == [f"parity.{gate['gate']}" for gate in report["gates"]]
    for gate in report["gates"]:
        names = [case.get("name") for case in cases_of(root, gate["gate"])]
        assert names == ([check["id"].removeprefix(f"{gate['gate']}/") for check in gate["checks"]] or ["gate"])


@pytest.mark.parametrize(
    ("verdict", "totals"),
    [("PASS", ("0", "0")), ("FAIL", ("64", "0")), ("NOT_RUN", ("0", "0")), ("INCONCLUSIVE", ("0", "1"))],
)
def test_totals_are_the_sums(make_report: Any, verdict: str, totals: tuple[str, str]) -> None:
    root = parse(make_report(verdict=verdict))
    assert (root.get("failures"), root.get("errors")) == totals
    assert int(root.get("tests", "0")) == len(root.findall("testsuite/testcase"))
    for suite in root:
        for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(key, "-1")) == len(suite.findall(f"testcase/{tag}"))


def test_a_failure_has_its_figures(make_report: Any) -> None:
    (failure, *_) = parse(make_report(verdict="FAIL")).findall("testsuite/testcase/failure")
    assert failure.get("type") == "FAIL"
    assert failure.get("message") == "FAIL: batch norm of the block"
    assert failure.text
    assert "check: blocks/float64/conv2/block3/out/norm_rel\nobserved: 0.0131\nlimit: 1e-10\n" in failure.text
    assert "headroom: 7.6e-9x\nunit: relative\nworst: evaluation image 3 (scc_md_20x_3.jpg)" in failure.text


def test_what_was_not_run_is_skipped(make_report: Any) -> None:
    root = parse(make_report(verdict="NOT_RUN"))
    (case,) = cases_of(root, "gradcam")
    assert case[0].tag == "skipped"
    assert case[0].get("message") == "NOT_RUN: interrupted"
    (case,) = cases_of(root, "augment")
    assert case[0].get("message") == "informing only, NOT_RUN: a later issue builds this gate"


def test_a_gate_that_only_informs_is_no_failure(make_report: Any) -> None:
    report = make_report()
    (throughput,) = (gate for gate in report["gates"] if gate["gate"] == "throughput")
    throughput["verdict"] = throughput["checks"][0]["verdict"] = "FAIL"
    root = parse(report)
    assert cases_of(root, "throughput")[0][0].tag == "skipped"
    assert root.get("failures") == "0"


def test_a_gate_cannot_fail_unseen(make_report: Any) -> None:
    report = make_report()
    report["gates"][3].update(verdict="FAIL", reason="29 of 30 compared")
    root = parse(report)
    case = cases_of(root, "decode")[0]
    assert case.get("name") == "gate"
    assert case[0].tag == "failure"
    assert case[0].get("message") == "FAIL: 29 of 30 compared"
    assert root.get("failures") == "1"


def test_any_text_gives_valid_xml(make_report: Any, fixture_report: Any) -> None:
    everything = "".join(
        map(chr, [*range(0x800), 0x2028, *range(0xD7F0, 0xE010), *range(0xFDC0, 0xFE10), *range(0xFFF0, 0x10010)])
    )
    report = make_report(verdict="FAIL")
    texts = [everything, *fixture_report.HOSTILE_NAMES]
    for gate, text in zip(report["gates"], texts * 2, strict=False):
        gate.update(gate=text, reason=text)
        gate["checks"] = [
            {**check, "id": text, "reason": text, "worst": text, "verdict": "FAIL"} for check in gate["checks"][:2]
        ]
    report["headline"] = everything
    root = parse(report)
    assert root.find("testsuite/properties/property[@name='headline']").get("value") == make_printable(everything)
    messages = {item.get("message") for item in root.findall("testsuite/testcase/failure")}
    assert f"FAIL: {make_printable(everything)}" in messages


def test_properties_name_the_run(make_report: Any) -> None:
    root = parse(make_report())
    found = {item.get("name"): item.get("value") for item in root.findall("testsuite/properties/property")}
    assert found["verdict"] == "PASS"
    assert found["run"] == "20260314-091502-quick-3f1c0b1a"
    assert root[0][0].tag == "properties", "the schema wants them before the test cases"
