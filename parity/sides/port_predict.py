"""The port's own ``predict`` command on a folder of images of a run [torch]."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from parity.command_line import flatten, run_command
from parity.errors import BadInputError, CommandFailed
from parity.gates.decisions.contract import link_images, predict_options
from parity.predictions import Predictions, read_predictions
from parity.sides.port import PortSide
from parity.workspace import Case
from torch_port.__main__ import main

SKIPPED = 1  # the exit code where images were skipped


def run_predict(side: PortSide, cases: Iterable[Case], folder: Path, maps: Path | None = None) -> tuple[int, Predictions]:
    """Run the command and return its exit code and the rows that it wrote.

    Args:
        side: The port.
        cases: Images.
        folder: For links to them, and for the table.
        maps: Folder for the maps; None asks for none.

    Raises:
        CommandFailed: It refused something, or its table cannot be read.
    """
    images, table = folder / "images", folder / "predictions.csv"
    link_images(images, cases)
    options = predict_options(side.spec, side.workspace.port_weights, table) | ({"--gradcam": maps} if maps else {})
    code = run_command(main, ["predict", images, *flatten(options)], allowed=(0, SKIPPED))
    try:
        return code, read_predictions(table)
    except BadInputError as error:  # the port wrote it: no fault of the users' input
        raise CommandFailed(str(error)) from error
