import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from parity.errors import BadInputError
from parity.report import render_report

NAMES = ["report.html", "report.md", "junit.xml", "recommendation.md"]
ROOT = Path(__file__).parents[3]


def test_writes_every_rendering_beside_the_report(plain_folder: Path) -> None:
    assert sorted(path.name for path in plain_folder.iterdir()) == sorted([*NAMES, "report.json", "assets"])


def test_rendered_again_elsewhere_the_bytes_are_the_same(hostile_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(hostile_folder / "report.json", copy)
    shutil.copytree(hostile_folder / "assets", copy / "assets")
    # Another process has other hash seeds, another locale and another working folder.
    command = (
        "import sys, pathlib; from parity.report import render_report\n"
        "print(*render_report(pathlib.Path(sys.argv[1])), sep='\\n')"
    )
    environment = {
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "7",
        "LC_ALL": "C",
        "HOME": str(tmp_path),
        "TZ": "Asia/Tokyo",
    }
    result = subprocess.run(
        [sys.executable, "-c", command, str(copy)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.splitlines() == [str(copy / name) for name in NAMES]
    for name in NAMES:
        assert (copy / name).read_bytes() == (hostile_folder / name).read_bytes()


def test_a_faulty_report_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text('{"schema": "parity-report/0"}')
    (tmp_path / "report.md").write_text("old")
    with pytest.raises(BadInputError, match="`schema` must be 'parity-report/1', got 'parity-report/0'"):
        render_report(tmp_path)
    assert (tmp_path / "report.md").read_text() == "old"
    assert not (tmp_path / "report.html").exists()


def test_an_older_rendering_is_replaced(make_report: Any, tmp_path: Path) -> None:
    from parity.report import write_report

    write_report(make_report(images=3, folder=tmp_path), tmp_path / "report.json")
    for name in NAMES:
        (tmp_path / name).write_text("old")
    assert [path.name for path in render_report(tmp_path)] == NAMES
    assert all((tmp_path / name).read_text() != "old" for name in NAMES)
