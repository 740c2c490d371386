"""Runs tests in processes that are forked from one that has imported the libraries: seconds less for each mutant.

``python -m tests.mutants.server`` runs in a copy of the project, in the port's test environment. Of the project it imports
nothing: each forked process imports the files as they are then. A line of JSON in (``words`` of pytest, ``log``, ``limit_s``),
a line out: the exit code, or null where it took too long.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from importlib import import_module

LIBRARIES = (
    "torch", "lightning.pytorch", "torchmetrics", "pandas", "sklearn.metrics", "albumentations", "cv2", "captum.attr", "h5py",
    "safetensors.torch", "matplotlib.pyplot", "pytest",
)  # fmt: skip
PARENT_ENDS = 1  # prctl's PR_SET_PDEATHSIG
PAUSE_S = 0.1


def run_forked(words: list[str], log: str, limit_s: float) -> int | None:
    """Run pytest in a process of its own; it ends with all that it has started."""
    child = os.fork()
    if child == 0:
        _run(words, log)
    until, code = time.monotonic() + limit_s, None
    while code is None and time.monotonic() < until:
        time.sleep(PAUSE_S)
        ended, status = os.waitpid(child, os.WNOHANG)
        code = os.waitstatus_to_exitcode(status) if ended else None
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        return code
    if code is None:
        os.waitpid(child, 0)
    return code


def _run(words: list[str], log: str) -> None:
    code = 70
    try:
        ctypes.CDLL(None).prctl(PARENT_ENDS, signal.SIGKILL)
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        code = int(import_module("pytest").main(words))
        sys.stdout.flush()
    finally:
        os._exit(code)


def main() -> None:
    """Answer until the input ends."""
    for library in LIBRARIES:
        import_module(library)
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        answers.write(json.dumps(run_forked(**json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
