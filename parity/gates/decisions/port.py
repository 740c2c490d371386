"""The port's own ``predict`` command on a folder of all evaluated images."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from parity.artefact import RecordingWriter
from parity.sides.port import PortSide
from parity.sides.port_predict import run_predict


def record(side: PortSide, out: RecordingWriter) -> None:
    with TemporaryDirectory(dir=side.workspace.folder) as folder:
        code, rows = run_predict(side, side.workspace.cases("evaluation"), Path(folder))
    out.write_value("predict/exit_code", code)
    out.write_value("predict/rows", rows)
