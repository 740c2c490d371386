"""Real subprocesses: progress, refusals, crashes and a missing environment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from parity.errors import BadInputError
from parity.lines import Worker
from parity.processes import interpreter, run_side


@pytest.fixture(autouse=True)
def this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARITY_PORT_PYTHON", sys.executable)


def run(tmp_path: Path, program: str) -> list[dict[str, Any]]:
    heard: list[dict[str, Any]] = []
    run_side("port", ["-c", program], log=tmp_path / "log" / "port.txt", listen=heard.append)
    return heard


def test_progress_is_heard_and_the_rest_is_logged(tmp_path: Path):
    program = """
import sys
print('{"step": "a", "done": 1, "of": 2}')
print("{no json")
print("words")
print("more", file=sys.stderr)
"""
    assert run(tmp_path, program) == [{"step": "a", "done": 1, "of": 2}]
    log = (tmp_path / "log" / "port.txt").read_text()
    assert {"{no json", "words", "more"} <= set(log.splitlines())


def test_a_refusal_is_told_in_its_own_words(tmp_path: Path):
    with pytest.raises(BadInputError, match=r"^the file is grey$"):
        run(tmp_path, 'print(\'{"error": "the file is grey"}\'); raise SystemExit(2)')


def test_the_last_line_of_a_command_that_ends_with_2_is_its_message(tmp_path: Path):
    with pytest.raises(BadInputError, match=r"^usage: wrong$"):
        run(tmp_path, 'import sys; print("noise", file=sys.stderr); print("usage: wrong", file=sys.stderr); sys.exit(2)')


def test_a_crash_shows_its_last_words_and_where_they_are(tmp_path: Path):
    with pytest.raises(BadInputError, match=r"stopped with code 1") as caught:
        run(tmp_path, "raise RuntimeError('boom')")
    assert "RuntimeError: boom" in str(caught.value)
    assert "port.txt" in str(caught.value)


def test_a_missing_environment_says_how_to_make_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PARITY_LEGACY_PYTHON", "/nowhere/python")
    with pytest.raises(BadInputError, match=r"run nox -s parity"):
        interpreter("legacy")


def test_no_process_of_ours_takes_a_whole_gpu(tmp_path: Path):
    """TensorFlow takes it at its first operation, unless this variable is there when it is imported."""
    show = "import json, os; print(json.dumps({'growth': os.environ.get('TF_FORCE_GPU_ALLOW_GROWTH')}), flush=True)"
    assert run(tmp_path, show) == [{"growth": "true"}]
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "told.py").write_text(f"import sys; sys.stdin.readline(); {show}")
    with Worker("port", ["told"], log=tmp_path / "worker.txt", environment={"PYTHONPATH": str(folder)}) as worker:
        assert worker.ask("tell") == {"growth": "true"}
