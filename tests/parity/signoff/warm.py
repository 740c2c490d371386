"""The command line of a project, warm: its harness is imported once, and every command runs in a process forked from there.

A program: `python warm.py PROJECT`. Each line of standard input is a command, as JSON: words, and the files for what it
prints. The answer is its exit code.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any


def serve(root: Path) -> None:
    sys.path[0] = str(root)
    os.chdir(root)
    from parity import __file__ as where
    from parity.cli import main

    assert Path(where).parent == root / "parity", where
    sys.argv = ["parity", "signoff", "verify"]
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        main()  # what is imported only when it is needed is imported now
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            run(main, json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def run(main: Any, command: dict[str, Any]) -> None:
    """Run a command and end; an exception that is not caught ends the process as it ends any other."""
    for stream, place in ((0, os.devnull), (1, command["stdout"]), (2, command["stderr"])):
        os.dup2(os.open(place, os.O_RDONLY if stream == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    sys.argv = ["parity", *command["words"]]
    try:
        main()
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(end.code or 0))  # taking everything down again would take most of the time
    os._exit(0)


if __name__ == "__main__":
    serve(Path(sys.argv[1]).resolve())
