"""Commands in processes of their own, which are the same however the tests themselves were started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PYTHON = (sys.executable, "-m", "torch_port")


def start(*words: str, program: Collection[str] = PYTHON, ignored: Collection[signal.Signals] = ()) -> subprocess.Popen[str]:
    """Start a command in a session of its own.

    Args:
        words: Of the command.
        program: What takes them.
        ignored: Signals that it ignores. All others have their default action, which is not so by itself: a shell without
            job control lets what it starts in the background ignore SIGINT, and the tests hand that on.
    """

    def set_actions() -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    return subprocess.Popen(
        [*program, *words], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, preexec_fn=set_actions,
    )  # fmt: skip


def wait_until(process: subprocess.Popen[str], is_time: Callable[[], bool]) -> None:
    """Wait while the command runs."""
    until = time.monotonic() + 120
    while not is_time():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
