"""Requests to a warm process in a side's environment, and its answers: one JSON object a line. Standard library only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from parity.children import check_interrupted, end_child, start_child
from parity.processes import SHARE_GPU, interpreter
from parity.workspace import PROJECT

Handler = Callable[..., dict[str, Any]]


def serve(handlers: Mapping[str, Handler]) -> None:
    """Answer requests from standard input until it ends; whatever else is printed goes to the error output."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what C libraries print, too
    sys.stdout = sys.stderr
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = handlers[request.pop("do")](**request)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class WorkerError(Exception):
    """A warm process could not do what it was asked for, or has ended."""


class Worker:
    """A warm process of a side.

    Args:
        side: ``legacy`` or ``port``: whose environment.
        program: Words after ``python -m``: a module whose ``main`` calls `serve`, and its arguments.
        log: File that takes everything the program prints; added to.
        environment: Variables that it is started with, over those of this process.
        limit_s: How long a request may take; None: for ever.
    """

    def __init__(
        self, side: str, program: Sequence[str], *, log: Path, environment: Mapping[str, str], limit_s: float | None = None
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log, self.limit_s = log, limit_s
        variables = {**os.environ, **SHARE_GPU, "PYTHONPATH": str(PROJECT), **environment}
        with log.open("a", encoding="utf-8") as errors:
            self._process = start_child(
                [interpreter(side), "-m", *program], cwd=PROJECT, env=variables,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, process_group=0,
            )  # fmt: skip

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, do: str, **words: Any) -> dict[str, Any]:
        """Send a request and return the answer.

        Raises:
            WorkerError: The process refused, has ended, or took longer than its limit, after which it is ended.
        """
        if self.limit_s is None:
            return self._ask(do, words)
        late = threading.Event()

        def end() -> None:
            late.set()
            self._kill_group()

        timer = threading.Timer(self.limit_s, end)
        timer.start()
        try:
            return self._ask(do, words)
        except WorkerError as error:
            if late.is_set():
                raise WorkerError(f"took longer than {self.limit_s:g} s to {do} {words.get('gate', '')}".rstrip()) from error
            raise
        finally:
            timer.cancel()

    def _ask(self, do: str, words: Mapping[str, Any]) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps({"do": do, **words}) + "\n")
            stdin.flush()
            line = stdout.readline()
        except (BrokenPipeError, OSError):
            line = ""
        if not line:
            code = self._process.wait()
            check_interrupted(killed=code < 0)
            raise WorkerError(f"the process ended with code {code}; see {self.log}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def _kill_group(self) -> None:
        """End the process and those that it has started, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the process, and what it has started and left."""
        end_child(self._process)
        self._kill_group()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):  # of what the process did not live to read
                    stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
