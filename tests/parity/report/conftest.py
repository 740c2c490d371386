import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from parity.report import read_report, render_report, write_report


def _load_fixture_report() -> ModuleType:
    """Tests have no packages, so the generator is loaded from its file; it also runs by itself, to look at a report."""
    spec = importlib.util.spec_from_file_location("fixture_report", Path(__file__).with_name("fixture_report.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def fixture_report() -> ModuleType:
    return _load_fixture_report()


@pytest.fixture
def make_report(fixture_report: ModuleType) -> Callable[..., dict[str, Any]]:
    return fixture_report.make_report


@pytest.fixture(scope="session")
def hostile_folder(fixture_report: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A failed run over 691 images with hostile names, rendered."""
    return _write_run(tmp_path_factory.mktemp("hostile"), fixture_report, verdict="FAIL", images=691, hostile=True)


@pytest.fixture(scope="session")
def plain_folder(fixture_report: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A passed run over 30 images, rendered."""
    return _write_run(tmp_path_factory.mktemp("plain"), fixture_report, verdict="PASS", images=30)


def _write_run(folder: Path, fixture_report: ModuleType, **options: Any) -> Path:
    write_report(fixture_report.make_report(folder=folder, **options), folder / "report.json")
    render_report(folder)
    return folder


@pytest.fixture
def hostile_report(hostile_folder: Path) -> dict[str, Any]:
    return read_report(hostile_folder / "report.json")


@pytest.fixture
def huge_report(make_report: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """Far more of everything than a run can give, every name 200 characters long, nothing passed."""
    report = make_report(verdict="FAIL", images=691, hostile=True)
    check = report["gates"][8]["checks"][9]
    for gate in report["gates"]:
        gate["checks"] = [{**check, "id": f"{gate['gate']}/{'<' * 200}/{i}", "reason": "|" * 5000} for i in range(100)]
    report["gates"] *= 3
    report["ledger"] = [{**row, "changed": True, "image": "&" * 200} for row in report["ledger"]] * 4
    report["per_class"] *= 50
    report["confusion"] *= 50
    report["curves"] = {f"gate{i}": {**report["curves"]["blocks"], "taps": ["`" * 200] * 23} for i in range(30)}
    losses = [1.0986122886681098] * 5000
    steps = [*range(5000)]
    columns = {"reference": losses, "candidate": losses, "difference": [0.0] * 5000}
    report["lockstep"] = {"steps": steps, "epoch_starts": steps, **columns}
    report["gradcam"] *= 40
    report["throughput"] *= 300
    report["declared"] *= 300
    waiver = {"check": "*" * 300, "reason": "@" * 300, "owner": "#" * 300, "expiry": "2027-01-01", "waived": 1}
    report["waivers"] = [waiver] * 300
    report["run"]["environments"]["core"]["packages"] = {f"package{i}": "_" * 200 for i in range(1000)}
    return report
