"""Real subprocesses: progress, refusals, crashes and a missing environment."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from parity.errors import BadInputError, LostSideError
from parity.lines import Worker, WorkerError
from parity.processes import interpreter, run_side
from parity.workspace import PROJECT


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


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("shell", [False, True], ids=["itself", "in a shell"])
def test_a_side_that_was_ended_says_nothing_about_itself(
    tmp_path: Path, number: signal.Signals, shell: bool, monkeypatch: pytest.MonkeyPatch
):
    """By the system where memory runs out, or by somebody; an environment's Python may be a shell around it."""
    if shell:
        (tmp_path / "python").write_text(f'#!/bin/sh\n"{sys.executable}" "$@"\nexit $?\n')
        (tmp_path / "python").chmod(0o755)
        monkeypatch.setenv("PARITY_PORT_PYTHON", str(tmp_path / "python"))
    program = f"import os, signal; signal.signal(2, signal.SIG_DFL); print('words', flush=True); os.kill(os.getpid(), {number})"
    with pytest.raises(LostSideError, match=rf"^the port side was ended by {number.name} in -c ") as caught:
        run(tmp_path, program)
    assert str(caught.value).endswith("; what was recorded stays, and the same command resumes")
    assert ("when memory runs out: free memory, take fewer --images" in str(caught.value)) == (number == signal.SIGKILL)


@pytest.mark.parametrize(
    "words",
    [
        "raise MemoryError",
        'raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can\'t allocate memory: you tried to")',
        'print("  what():  std::bad_alloc", file=sys.stderr); os.abort()',
    ],
)
def test_a_side_that_has_too_little_memory_says_nothing_about_itself(tmp_path: Path, words: str):
    with pytest.raises(LostSideError, match=r"^the port side had too little memory in -c .*; free memory, take fewer"):
        run(tmp_path, f"import os, sys; {words}")


@pytest.mark.parametrize("words", ["os.kill(os.getpid(), 11)", "sys.exit(1)", "sys.exit(3)", "raise KeyError"])
def test_a_side_that_ends_by_itself_is_not_lost(tmp_path: Path, words: str):
    with pytest.raises(BadInputError, match=r"^the port side stopped with code (-11|1|3) in -c ") as caught:
        run(tmp_path, f"import os, sys; {words}")
    assert not isinstance(caught.value, LostSideError)


def test_a_failure_is_one_where_exit_codes_are_thrown_away(tmp_path: Path):
    """Who ignores SIGCHLD hands that on, and the system then keeps no exit codes: each would be 0."""
    program = (
        "import sys, typer; from pathlib import Path\n"
        "from parity.options import run_app; from parity.processes import run_side\n"
        "app = typer.Typer()\n@app.command()\ndef run():\n"
        "    run_side('port', ['-c', 'raise SystemExit(3)'], log=Path(sys.argv[0] + 'log.txt'), listen=print)\n"
        "sys.argv = [str(Path(sys.argv[1])) + '/']\nrun_app(app, 'parity', interrupted='')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=PROJECT, capture_output=True, text=True, check=False,
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
    )  # fmt: skip
    assert done.returncode == 2, done
    assert "the port side stopped with code 3" in done.stderr


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


HANGS = """
import subprocess, sys, time
from parity.lines import serve

def hang(gate):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print("child", child.pid, flush=True)
    time.sleep(600)

serve({"record": hang, "greet": lambda: {"said": "hello"}})
"""


def test_a_request_that_takes_too_long_ends_the_process_and_what_it_has_started(tmp_path: Path):
    (tmp_path / "hangs.py").write_text(HANGS, encoding="utf-8")
    environment = {"PYTHONPATH": f"{tmp_path}:{PROJECT}"}
    with Worker("port", ["hangs"], log=tmp_path / "log.txt", environment=environment, limit_s=20) as worker:
        assert worker.ask("greet") == {"said": "hello"}
        worker.limit_s = 3
        with pytest.raises(WorkerError, match=r"^took longer than 3 s to record gradcam$"):
            worker.ask("record", gate="gradcam")
        assert worker.has_ended
    child = int((tmp_path / "log.txt").read_text(encoding="utf-8").split()[-1])
    for _ in range(100):  # a killed process is gone when its parent, by now the system, has been told
        if not Path(f"/proc/{child}").exists() or " Z " in Path(f"/proc/{child}/stat").read_text(encoding="utf-8"):
            break
        time.sleep(0.05)
    else:
        pytest.fail(f"process {child} goes on")


def test_a_process_that_is_ended_in_time_leaves_nothing_that_it_has_started(tmp_path: Path):
    (tmp_path / "starts.py").write_text(
        HANGS.replace("    time.sleep(600)\n", "    return {'pid': child.pid}\n"), encoding="utf-8"
    )
    environment = {"PYTHONPATH": f"{tmp_path}:{PROJECT}"}
    with Worker("port", ["starts"], log=tmp_path / "log.txt", environment=environment) as worker:
        child = worker.ask("record", gate="loss")["pid"]
        assert Path(f"/proc/{child}").exists()
    time.sleep(0.5)
    assert not Path(f"/proc/{child}").exists() or " Z " in Path(f"/proc/{child}/stat").read_text(encoding="utf-8")
