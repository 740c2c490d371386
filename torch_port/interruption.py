"""SIGTERM and SIGHUP end a command as Ctrl-C does: nothing is left behind."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
USUAL_ACTIONS = (signal.SIG_DFL, signal.default_int_handler)


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt inside the block at the first signal that asks to end; a signal that is ignored stays ignored.

    A shell without job control lets commands in the background ignore SIGINT, and nohup SIGHUP: that is their user's wish.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (*INTERRUPTIONS, signal.SIGCHLD)}
    for number in INTERRUPTIONS:
        if before[number] in USUAL_ACTIONS:
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, action in before.items():
            if action is not None:  # it was not set from Python
                signal.signal(number, action)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Interrupt once: what cleans up is not interrupted again, nor told that workers have been ended by the same signal."""
    for other in INTERRUPTIONS:
        signal.signal(other, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    raise KeyboardInterrupt
