"""Commands that are ended from outside, in real processes: what they say, and that none of their processes is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from parity.children import GRACE_S
from parity.workspace import PROJECT

COMMAND = Path(__file__).with_name("long_command.py")
NAMES = {"main", "beside", "warm"}


def start(folder: Path, how: str = "usual", ignored: Collection[signal.Signals] = ()) -> subprocess.Popen[str]:
    """Start the command in a session of its own, with the default action of every signal that it is not to ignore."""

    def set_actions() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    process = subprocess.Popen(
        [sys.executable, str(COMMAND), str(folder), how], cwd=PROJECT, env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=set_actions,
    )  # fmt: skip
    assert wait_until(lambda: set(children(folder)) == NAMES, 60), process.communicate()
    return process


def wait_until(is_so: Callable[[], bool], limit_s: float) -> bool:
    until = time.monotonic() + limit_s
    while not is_so() and time.monotonic() < until:
        time.sleep(0.01)
    return is_so()


def children(folder: Path) -> dict[str, int]:
    """Return the processes that the command has started, by name."""
    return {path.name.partition("-")[0]: int(path.name.partition("-")[2]) for path in folder.glob("*-*")}


def is_there(pid: int) -> bool:
    """Whether a process runs; one that nobody has asked for its exit code yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("end", "everyone"),
    [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGHUP, True)],
)
def test_an_interrupted_command_says_so_and_leaves_no_process(tmp_path: Path, end: signal.Signals, everyone: bool):
    process = start(tmp_path)
    (os.killpg if everyone else os.kill)(process.pid, end)
    stdout, stderr = process.communicate(timeout=GRACE_S)
    assert process.returncode == 130
    assert stderr == "\nparity: interrupted; the same command resumes\n"
    assert not stdout
    assert not any(map(is_there, children(tmp_path).values()))
    assert not (tmp_path / "finding").exists()
    assert not list(tmp_path.glob("answer*"))
    assert set(children(tmp_path)) == NAMES  # nothing was started again


def test_processes_that_do_not_listen_are_killed(tmp_path: Path):
    process = start(tmp_path, "stubborn")
    process.terminate()
    _, stderr = process.communicate(timeout=3 * GRACE_S)
    assert process.returncode == 130
    assert stderr.endswith("parity: interrupted; the same command resumes\n")
    assert not any(map(is_there, children(tmp_path).values()))


def test_a_second_ctrl_c_changes_nothing(tmp_path: Path):
    process = start(tmp_path, "stubborn")
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
    assert "Traceback" not in process.communicate(timeout=3 * GRACE_S)[1]
    assert process.returncode == 130


def test_a_killed_command_leaves_no_process(tmp_path: Path):
    process = start(tmp_path, "stubborn")
    process.kill()
    process.communicate()
    assert wait_until(lambda: not any(map(is_there, children(tmp_path).values())), 2)


def test_a_command_in_the_background_ignores_ctrl_c_and_ends_when_it_is_told_to(tmp_path: Path):
    """A shell without job control, and nohup."""
    process = start(tmp_path, ignored=(signal.SIGINT, signal.SIGHUP))
    for number in (signal.SIGINT, signal.SIGHUP):
        os.killpg(process.pid, number)
    time.sleep(0.5)
    assert process.poll() is None
    assert all(map(is_there, children(tmp_path).values()))
    process.terminate()
    assert process.communicate(timeout=GRACE_S)[1] == "\nparity: interrupted; the same command resumes\n"
    assert process.returncode == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nox_waits_for_what_an_interrupted_command_has_to_say(number: signal.Signals):
    """A terminal sends Ctrl-C to both; SIGTERM is often sent to nox alone."""
    python = os.environ.get("PARITY_NOX_PYTHON")
    if python is None:
        pytest.skip("not started by nox")
    command = (
        "import signal, sys, time\n"
        "def end(*_): print('ended', flush=True); time.sleep(1); print('said', flush=True); sys.exit(7)\n"
        f"signal.signal({int(number)}, end); print('ready', flush=True); time.sleep(60)"
    )
    call = f"noxfile.run_to_its_end([sys.executable, '-c', {command!r}], dict(os.environ))"
    with subprocess.Popen(
        [python, "-c", f"import os, sys, noxfile; sys.exit({call})"], cwd=PROJECT, stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.communicate(timeout=10)[0] == "ended\nsaid\n"
    assert process.returncode == 7
