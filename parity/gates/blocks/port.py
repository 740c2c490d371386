"""Every block of the port, fed with what the legacy's block got."""

from __future__ import annotations

import numpy as np
import torch

from parity.architecture import TAPS
from parity.artefact import RecordingWriter
from parity.contract import DTYPES, KINDS
from parity.sides.port import PortSide


def record(side: PortSide, out: RecordingWriter) -> None:
    legacy = side.workspace.recording("legacy", "blocks")
    faults: dict[str, str] = {}
    cases = [case for kind in KINDS for case in side.workspace.tap_cases(kind)]
    for case in side.track(cases, "blocks"):
        given, axes = side.workspace.image(case), "NHWC"
        for tap in TAPS:
            place = f"{case.kind}/{case.index}/{tap.name}"
            for dtype in DTYPES:
                try:
                    found = _run_block(side, tap.name, given, axes, dtype)
                    out.write_array(f"{dtype}/{place}", found, tap.axes if found.ndim == 2 else "NCHW")
                except (KeyError, RuntimeError, ValueError) as error:
                    faults[f"{dtype}/{place}"] = f"the port's block raised {type(error).__name__}: {error}"
            given, axes = legacy.read_rounded(f"float64/{place}"), tap.axes
    out.write_value("faults", faults)


def _run_block(side: PortSide, tap: str, given: np.ndarray, axes: str, dtype: str) -> np.ndarray:
    block = side.model(dtype).blocks()[tap]
    with torch.inference_mode():
        return block(side.tensor(given, dtype, axes)).cpu().numpy()
