"""The port's own commands, run inside a warm process with a fault in it [torch]; real runs start processes of their own."""

from __future__ import annotations

import io
import shutil
import sys
import traceback
from contextlib import redirect_stderr
from typing import Any

from parity.errors import describe_raised
from parity.evaluation import EVALUATED_GATES, evaluation_command
from parity.files import write_whole
from parity.workspace import EVALUATION_ERROR, Workspace
from torch_port.__main__ import main

COMMAND_GATES = EVALUATED_GATES  # they read what `evaluate` writes


def evaluate(workspace: Workspace) -> dict[str, Any] | None:
    """Run ``evaluate`` on the run's raw files, as a user would; return what it raised.

    What it refuses, or raises, is left for the gate as `parity.evaluation` leaves it.
    """
    out = workspace.evaluation_output("port")
    shutil.rmtree(out, ignore_errors=True)
    words = evaluation_command("port", workspace.spec, workspace.port_weights, out)[2:]  # after -m torch_port
    said, raised = io.StringIO(), None
    try:
        with redirect_stderr(said):
            code = main(words)
    except SystemExit as error:
        code = error.code
    except Exception as error:
        traceback.print_exc(file=said)
        code, raised = 1, describe_raised(error)
    sys.stderr.write(said.getvalue())
    if code:
        last = [line for line in said.getvalue().splitlines() if line.strip()][-1:]
        write_whole(out / EVALUATION_ERROR, last[0] if last else f"exit code {code}")
    return raised
