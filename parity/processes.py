"""Runs a side's program in the side's environment and passes its progress on."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from parity.errors import BadInputError, bad_input
from parity.workspace import PROJECT

INTERPRETER_VARIABLES = {"legacy": "PARITY_LEGACY_PYTHON", "port": "PARITY_PORT_PYTHON"}
BAD_INPUT = 2
LOG_LINES_SHOWN = 12
# glibc gives every large array back to the system and has it zeroed again for the next one, which costs either side up to a
# third of its time. It changes no number.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 33),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 33),
    "MALLOC_TOP_PAD_": str(1 << 28),
    "MALLOC_ARENA_MAX": "2",
}

# TensorFlow takes nearly all of a GPU's memory at its first operation, also from the process beside it.
SHARE_GPU = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}

Listener = Callable[[dict[str, Any]], None]


def interpreter(side: str) -> str:
    """Return the Python of a side's environment.

    Raises:
        BadInputError: There is none.
    """
    variable = INTERPRETER_VARIABLES[side]
    path = os.environ.get(variable) or str(PROJECT / ".nox" / side / "bin" / "python")
    if not Path(path).exists():
        raise bad_input(variable, f"be the Python of the {side} environment", path, "the environment", "run nox -s parity")
    return path


def run_side(side: str, arguments: Sequence[str], *, log: Path, listen: Listener) -> None:
    """Run ``python <arguments>`` in the environment of `side`.

    Args:
        side: ``legacy`` or ``port``.
        arguments: For example ``["-m", "parity.sides.legacy", RUN]``.
        log: File that takes everything the program prints.
        listen: Called with each progress line.

    Raises:
        BadInputError: The program refused its input, or stopped; the message is its own.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    said = ""
    environment = {**KEEP_MEMORY, **os.environ, **SHARE_GPU, "PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1"}
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            [interpreter(side), *arguments], cwd=PROJECT, env=environment, text=True, encoding="utf-8",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
        ) as process,
    ):  # fmt: skip
        try:
            for line in process.stdout or ():
                message = _read_message(line)
                if message is None:
                    errors.write(line)
                    errors.flush()
                elif "error" in message:
                    said = str(message["error"])
                else:
                    listen(message)
            code = process.wait()
        except BaseException:
            process.terminate()
            raise
    if code:
        raise BadInputError(said or _last_words(side, arguments, code, log))


def _read_message(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def _last_words(side: str, arguments: Sequence[str], code: int, log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    if code == BAD_INPUT and lines:
        return lines[-1]
    shown = "\n  ".join(lines[-LOG_LINES_SHOWN:])
    return f"the {side} side stopped with code {code} in {' '.join(arguments[:3])}; its last words, from {log}:\n  {shown}"
