"""A real browser, the one of the system, and reports for it to open. No browser is downloaded."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from parity.report import render_html
from tests.parity.report.fixture_report import make_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
VERDICTS = ("PASS", "NOT_RUN", "INCONCLUSIVE")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def full_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with a row of every kind, pictures, and names that try to break it."""
    folder = tmp_path_factory.mktemp("full")
    report = make_report(verdict="FAIL", images=13, hostile=True, folder=folder)
    for gate in report["gates"]:
        gate["checks"] = [*gate["checks"][:4:2], *gate["checks"][9:11]]
    for index, verdict in enumerate(("WAIVED", "INCONCLUSIVE", "NOT_RUN")):
        report["gates"][index]["verdict"] = report["gates"][index]["checks"][0]["verdict"] = verdict
    report["gates"][8]["checks"][2]["worst"] = "x" * 200
    for key, rows in (("ledger", 9), ("per_class", 4), ("confusion", 2), ("gradcam", 6)):
        report[key] = report[key][:rows]
    for curve in report["curves"].values():
        curve.update({key: curve[key][-8:] for key in ("taps", "float64", "float32", "noise_floor")})
    report["gradcam"][0]["assets"]["difference"] = "assets/lost.webp"
    report["run"]["demo"] = True
    report["waivers"] = [
        {"check": "blocks/float32/stem/conv/max_rel", "reason": "why", "owner": "us", "expiry": "2027-01-31", "waived": 1}
    ]
    return write_page(report, folder)


@pytest.fixture(scope="session")
def short_pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each verdict the page of a run that recorded little else."""
    return {verdict: write_short_page(verdict, tmp_path_factory.mktemp("short")) for verdict in VERDICTS}


def write_short_page(verdict: str, folder: Path) -> Path:
    report = make_report(verdict=verdict, images=3, folder=folder)
    report.update(ledger=[], per_class=[], confusion=[], curves={}, lockstep=None, throughput=[], declared=[], faults=None)
    report["gates"] = [{**gate, "checks": gate["checks"][:1]} for gate in report["gates"]]
    report["gradcam"] = report["gradcam"][:1]
    report["run"]["environments"] = {}
    return write_page(report, folder)


def write_page(report: dict[str, Any], folder: Path) -> Path:
    page = folder / "report.html"
    page.write_text(render_html(report, folder=folder), encoding="utf-8")
    return page
