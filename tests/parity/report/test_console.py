import re
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from parity.report import render_console
from parity.report.console import WIDTH

ESCAPE = "\x1b["


@pytest.mark.parametrize("verdict", ["PASS", "FAIL", "NOT_RUN", "INCONCLUSIVE"])
def test_says_the_verdict_and_the_headline(make_report: Any, verdict: str) -> None:
    report = make_report(verdict=verdict)
    text = render_console(report)
    assert report["headline"] in " ".join(text.split())
    assert ("first failing gate: blocks: conv4/block2" in text) == (verdict == "FAIL")


def test_table_has_a_row_per_gate_with_all_figures(make_report: Any) -> None:
    report = make_report(verdict="FAIL")
    report["gates"][8]["checks"][0].update(
        id="blocks/float32/x/max_rel", verdict="FAIL", observed="nan", limit=2e-6, noise_floor=7e-7
    )
    lines = render_console(report).splitlines()
    assert lines[0].split("  ")[0] == "gate"
    assert re.search(r"verdict +worst check +observed +limit +headroom +noise floor$", lines[0])
    assert re.fullmatch(
        r"blocks +FAIL +float32/x/max_rel +NaN +2e-06 +– +7e-07", next(x for x in lines if x.startswith("blocks"))
    )
    assert re.fullmatch(
        r"freeze +PASS +exact/values/differences +0 +0 +inf +–", next(x for x in lines if x.startswith("freeze"))
    )
    assert (
        "not run, not required: augment, loss, gradients, optimizer, bn_state, schedule, commands, lockstep, metrics, training"
        in lines
    )


def test_a_required_gate_that_was_not_run_has_a_row(make_report: Any) -> None:
    assert re.search(r"^gradcam +NOT RUN +interrupted *$", render_console(make_report(verdict="NOT_RUN")), re.MULTILINE)


def test_a_gate_that_fails_without_a_failing_check_says_why(make_report: Any) -> None:
    report = make_report()
    report["gates"][3].update(verdict="FAIL", expected=30, compared=29)
    assert re.search(r"^decode +FAIL +29 of 30 recorded pairs compared", render_console(report), re.MULTILINE)


@pytest.mark.parametrize("hostile", [False, True])
def test_fits_the_width(make_report: Any, hostile: bool) -> None:
    report = make_report(verdict="FAIL", images=40, hostile=hostile)
    wide = "\N{LUNGS}" * 300
    report["place"]["words"] = wide
    for gate in report["gates"]:
        gate["gate"] += wide
        gate["reason"] = wide
        for check in gate["checks"]:
            check["id"] += wide
    lines = render_console(report).splitlines()
    assert max(map(cell_len, lines)) <= WIDTH
    assert sum(line.count("\N{LUNGS}") for line in lines) > 300


def test_the_path_is_last_and_whole(make_report: Any) -> None:
    folder = Path("runs") / ("x" * 200)
    assert render_console(make_report(), folder=folder).splitlines()[-1] == f"report: {folder}/report.html"


def test_nothing_controls_the_terminal(hostile_report: dict[str, Any]) -> None:
    hostile_report["place"]["words"] = "\x1b[2J\x07\r\u202eend"
    text = render_console(hostile_report)
    assert r"\x1b[2J\x07\r\u202eend" in text
    assert text.replace("\n", "").isprintable()


def test_colour_only_where_it_is_asked_for(make_report: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    report = make_report(verdict="FAIL")
    plain, painted = render_console(report, colour=False), render_console(report, colour=True)
    assert ESCAPE not in plain
    assert f"{ESCAPE}1;31mFAIL{ESCAPE}0m" in painted
    assert re.sub(r"\x1b\[[\d;]*m", "", painted) == plain
    assert render_console(report) == plain, "the output of the tests is no terminal"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert render_console(report) == painted
    monkeypatch.setenv("NO_COLOR", "1")
    assert render_console(report) == plain


def test_a_demo_says_so(make_report: Any) -> None:
    report = make_report()
    assert "Demo: synthetic tissue" not in render_console(report)
    report["run"]["demo"] = True
    assert "Demo: synthetic tissue" in render_console(report)


def test_a_report_without_gates_still_has_its_headline(make_report: Any) -> None:
    report = make_report(verdict="NOT_RUN")
    report.update(gates=[], ledger=[])
    text = render_console(report)
    assert text.splitlines()[-1].endswith("legacy unwitnessed)")
    assert "decisions:" not in text
