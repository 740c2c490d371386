"""The processes that tests of a mutant run in: which functions they run, how they end, and that nothing of them is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from parity.workspace import PROJECT

HOOK = Path(__file__).with_name("hook")
PORT = """
import os, signal

def plain(): pass

class Thing:
    def method(self):
        def inner(): pass
        inner()

def forked():
    if (child := os.fork()) == 0:
        in_the_child()
        os._exit(0)
    os.waitpid(child, 0)

def in_the_child(): pass

def killed(): os.kill(os.getpid(), signal.SIGKILL)

def never(): pass
"""


def test_functions_are_noted_in_every_process_up_to_its_end(tmp_path: Path):
    (tmp_path / "torch_port").mkdir()
    (tmp_path / "torch_port" / "__init__.py").touch()
    (tmp_path / "torch_port" / "part.py").write_text(PORT)
    (tmp_path / "other.py").write_text("def elsewhere(): pass\n")
    program = (
        "import other; from torch_port import part; other.elsewhere(); part.plain(); part.plain(); part.Thing().method(); "
        "part.forked(); part.killed()"
    )
    trace = tmp_path / "trace.txt"
    variables = {**os.environ, "PYTHONPATH": f"{tmp_path}:{HOOK}", "MUTANTS_TRACE": str(trace)}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=variables, cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    noted = [line.partition(":")[2] for line in trace.read_text().splitlines() if not line.endswith(("<module>", ":Thing"))]
    assert list(dict.fromkeys(noted)) == ["plain", "Thing.method", "forked", "in_the_child", "killed"]


@pytest.fixture
def small_tests(tmp_path: Path) -> Path:
    (tmp_path / "test_it.py").write_text(
        "import subprocess, sys, time\n"
        "def test_good(): print('seen')\n"
        "def test_bad(): assert 1 == 2\n"
        "def test_hung():\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"    open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n"
        "    time.sleep(600)\n"
    )
    return tmp_path


def run(words: list[str], log: Path, limit_s: float) -> int | None:
    """Ask a server that has imported no library but pytest."""
    program = "import pytest\nfrom tests.mutants import server\nserver.LIBRARIES = ()\nserver.main()"
    request = json.dumps({"words": words, "log": str(log), "limit_s": limit_s})
    variables = {**os.environ, "PYTHONPATH": str(PROJECT)}
    answer = subprocess.run(
        [sys.executable, "-c", program], env=variables, input=request + "\n", capture_output=True, text=True, check=True
    )  # fmt: skip
    return json.loads(answer.stdout)


@pytest.mark.parametrize(("name", "code"), [("good", 0), ("bad", 1), ("none", 4)])
def test_the_code_is_that_of_pytest(name: str, code: int, small_tests: Path):
    log = small_tests / "log.txt"
    words = ["-p", "no:cacheprovider", "-q", f"--rootdir={small_tests}", f"{small_tests / 'test_it.py'}::test_{name}"]
    assert run(words, log, 60.0) == code
    assert ("1 passed" in log.read_text()) == (code == 0)
    assert ("FAILED" in log.read_text()) == (code == 1)


def test_what_hangs_ends_with_all_that_it_started(small_tests: Path):
    words = ["-p", "no:cacheprovider", "-q", f"--rootdir={small_tests}", f"{small_tests / 'test_it.py'}::test_hung"]
    start = time.monotonic()
    assert run(words, small_tests / "log.txt", 2.0) is None
    assert time.monotonic() - start < 30
    child = Path("/proc") / (small_tests / "pid").read_text() / "stat"
    assert not child.exists() or child.read_text().rpartition(")")[2].split()[0] == "Z"
