"""A command as those of the harness are: it runs a side, another side beside it, and asks a warm process.

``long_command.py FOLDER HOW``: each process leaves its number in FOLDER, and does something for a very long time.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import typer

from parity.errors import BadInputError
from parity.lines import Worker, WorkerError
from parity.options import run_app
from parity.processes import run_side

SIDE = """
import os, signal, sys, time
from pathlib import Path
if {stubborn}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
Path(r"{folder}", f"{name}-{{os.getpid()}}").touch()
time.sleep(1000)
"""
app = typer.Typer(add_completion=False)


@app.command()
def run(folder: Path, how: str) -> None:
    """Do all of it."""
    (folder / "python").write_text(f"#!/bin/sh\nexec \"{sys.executable}\" -c '{side(folder, 'warm', how)}'\n")
    (folder / "python").chmod(0o755)
    os.environ["PARITY_PORT_PYTHON"], os.environ["PARITY_LEGACY_PYTHON"] = sys.executable, str(folder / "python")
    with ThreadPoolExecutor(2) as pool:
        pool.submit(beside, folder, how)
        pool.submit(ask, folder)
        while len(list(folder.glob("*-*"))) < 2:
            time.sleep(0.01)
        run_side("port", ["-c", side(folder, "main", how)], log=folder / "main.txt", listen=print)


def side(folder: Path, name: str, how: str) -> str:
    return SIDE.format(folder=folder, name=name, stubborn=how == "stubborn")


def beside(folder: Path, how: str) -> None:
    """As `parity.evaluation`: what the port refuses is a finding."""
    try:
        run_side("port", ["-c", side(folder, "beside", how)], log=folder / "beside.txt", listen=print)
    except BadInputError as error:
        (folder / "finding").write_text(str(error))


def ask(folder: Path) -> None:
    """As `parity.faults.pool`: the next is asked when one gives no answer."""
    for number in range(2):
        with Worker("legacy", ["x"], log=folder / "warm.txt", environment={}) as worker:
            try:
                worker.ask("anything")
            except WorkerError as error:
                (folder / f"answer{number}").write_text(str(error))


if __name__ == "__main__":
    run_app(app, "parity", interrupted="the same command resumes")
