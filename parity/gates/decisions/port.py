"""The port's own ``predict`` command on folders of the evaluated images: every image, and some with their maps."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from parity.artefact import RecordingWriter
from parity.errors import BadInputError, CommandFailed
from parity.gates.decisions.contract import MAPPED, MAPS, RUNS, link_images, predicted_cases
from parity.predictions import Predictions, read_predictions
from parity.sides.command_line import flatten, run_command
from parity.sides.port import PortSide
from torch_port.__main__ import main

SKIPPED = 1  # the exit code where images were skipped


def record(side: PortSide, out: RecordingWriter) -> None:
    for run in side.track(RUNS, "decisions predict"):
        with TemporaryDirectory(dir=side.workspace.folder) as folder:
            _record_run(side, out, run, Path(folder))


def _record_run(side: PortSide, out: RecordingWriter, run: str, folder: Path) -> None:
    images, table, maps = folder / "images", folder / "predictions.csv", folder / "maps"
    cases = predicted_cases(side.workspace, run)
    link_images(images, cases)
    options = {
        "--checkpoint": side.workspace.port_weights,
        "--arch": side.spec.arch,
        "--image-scale": side.spec.image_scale,
        "--device": side.spec.device,
        "--out": table,
        **({"--gradcam": maps} if run == MAPPED else {}),
    }
    code = run_command(main, ["predict", images, *flatten(options)], allowed=(0, SKIPPED))
    out.write_value(f"{run}/exit_code", code)
    out.write_value(f"{run}/rows", _read_rows(table))
    if run == MAPPED:
        paths = {case.image: maps / f"{Path(case.image).stem}.npz" for case in cases}
        written = {image: np.load(path) for image, path in paths.items() if path.is_file()}
        out.write_value("maps/predicted", {image: int(arrays["predicted"]) for image, arrays in written.items()})
        if written:
            out.write_array(MAPS, np.stack([arrays["raw"] for arrays in written.values()]), "NHW")
        out.write_value("maps/overlays", sorted(path.stem for path in maps.glob("*.png")))


def _read_rows(table: Path) -> Predictions:
    """Return the rows of a table; one that cannot be read is a finding, for the port wrote it."""
    try:
        return read_predictions(table)
    except BadInputError as error:
        raise CommandFailed(str(error)) from error
