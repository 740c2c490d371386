"""Hash of the decoded pixels of every file, read by the port's own reader."""

from __future__ import annotations

import numpy as np

from parity.artefact import RecordingWriter, hash_array
from parity.sides.port import PortSide
from torch_port import data


def record(side: PortSide, out: RecordingWriter) -> None:
    paths = {case.image: case.path for case in side.workspace.all_cases}
    paths |= {f"fixture {path.name}": str(path) for path in side.workspace.fixture_paths}
    hashes = {name: hash_array(np.asarray(data.read_image(path))) for name, path in side.track(list(paths.items()), "decode")}
    out.write_value("sha256", hashes)
