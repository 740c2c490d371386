"""Processes that a command starts: however the command ends, they end with it. Linux only; standard library only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any

INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
USUAL_ACTIONS = (signal.SIG_DFL, signal.default_int_handler)
GRACE_S = 5.0  # for what a process has to put away
SIGNAL_S = 0.5  # between the processes of a group that gets one
# Runs before the program, in its process: the kernel is to kill it when the thread that started it ends, and Ctrl-C, which a
# terminal sends to everybody, is left to the command. 1 is PR_SET_PDEATHSIG. The command may have ended before that is set.
LEASH = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
for number in (signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
os.execv(sys.argv[2], sys.argv[2:])
"""


class Interrupted(BaseException):
    """Ctrl-C, SIGTERM or SIGHUP. Nothing takes it for an error of what was running, and no library for its own affair."""


class _State:
    """The processes that run, and whether they are to."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # a signal handler may run inside a block that holds it
        self.running: set[subprocess.Popen[str]] = set()
        self.interrupted = False


_state = _State()


def start_child(command: Sequence[str], *, env: Mapping[str, str], **options: Any) -> subprocess.Popen[str]:
    """Start a process that ends when this one does, also when this one is killed; text in UTF-8.

    It ends with the thread that starts it, too.

    Args:
        command: Path of the program, and its arguments.
        env: Its variables; HOME is added where there is no home, which Keras would take for a folder named ``~``.
        options: As of `subprocess.Popen`.

    Raises:
        Interrupted: The command is being ended.
    """
    leash = [sys.executable, "-I", "-S", "-c", LEASH, str(os.getpid())]
    home = {} if os.path.expanduser("~") != "~" else {"HOME": tempfile.gettempdir()}  # noqa: PTH111
    with _state.lock:
        check_interrupted()
        child = subprocess.Popen([*leash, *command], env={**home, **env}, text=True, encoding="utf-8", **options)
        _state.running.add(child)
    return child


def end_child(child: subprocess.Popen[str]) -> None:
    """End a process; it has a moment to put away what it holds."""
    child.terminate()
    try:
        child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    with _state.lock:
        _state.running.discard(child)


def check_interrupted(*, killed: bool = False) -> None:
    """Go no further in a command that is being ended: what a process said last is then no result.

    Args:
        killed: Whether a process was ended by a signal: the same one may be on its way to this process.

    Raises:
        Interrupted: It is.
    """
    until = time.monotonic() + (SIGNAL_S if killed else 0)
    while not _state.interrupted and time.monotonic() < until:
        time.sleep(0.02)
    if _state.interrupted:
        raise Interrupted


def become_interruptible() -> None:
    """Have this process raise `Interrupted` at the first signal that asks it to end, after its processes have been told to.

    A signal that is ignored stays ignored: a shell without job control lets what it starts in the background ignore SIGINT, and
    nohup SIGHUP. A SIGCHLD that is ignored does not: the system would then keep no exit codes, and a failure be a success.
    """
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in INTERRUPTIONS:
        if signal.getsignal(number) in USUAL_ACTIONS:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    for other in INTERRUPTIONS:  # nothing interrupts the end
        signal.signal(other, signal.SIG_IGN)
    _state.interrupted = True
    with _state.lock:
        for child in _state.running:
            child.terminate()
    last = threading.Timer(GRACE_S, _kill_all)
    last.daemon = True
    last.start()
    raise Interrupted


def _kill_all() -> None:
    with _state.lock:
        for child in _state.running:
            child.kill()
