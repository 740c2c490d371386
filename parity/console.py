"""Progress on the terminal: bars where there is a terminal, one line for each step where there is none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from parity.processes import Listener


@contextmanager
def show_progress() -> Iterator[Listener]:
    """Yield a function that shows the progress messages of a run."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _print_steps()
        return
    columns = (TextColumn("{task.description:<40}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        tasks: dict[str, TaskID] = {}

        def listen(message: dict[str, Any]) -> None:
            name = f"{message['side']}: {message['step']}"
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=None)
            progress.update(tasks[name], completed=message["done"], total=message["of"] or None)

        yield listen


def _print_steps() -> Listener:
    seen: set[str] = set()

    def listen(message: dict[str, Any]) -> None:
        name = f"{message['side']}: {message['step']}"
        if name not in seen:
            seen.add(name)
            sys.stderr.write(f"{name}\n")  # one call: the two evaluate commands report from two threads
            sys.stderr.flush()

    return listen
