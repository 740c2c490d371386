"""How both recorders of the lockstep gate write a training, for its comparison to read."""

from __future__ import annotations

import numpy as np

from parity.artefact import RecordingWriter
from parity.training import TrainingRun

STATISTICS = ("mean", "variance")


def write_inputs(out: RecordingWriter, run: TrainingRun) -> None:
    """Write what was trained and validated on: the batches in order, the validation batch last, and the masks."""
    for number, (images, labels) in enumerate([*run.batches, run.val_batch]):
        out.write_array(f"inputs/{number}/images", images, "NHWC")
        out.write_array(f"inputs/{number}/labels", labels, "NK")
    for number, mask in enumerate(run.masks):
        out.write_array(f"inputs/mask{number}", mask, "NC")


def write_run(out: RecordingWriter, run: TrainingRun) -> None:
    """Write losses, statistics before and after each step, and what there was after the last one."""
    out.write_array("float64/loss", np.array(run.losses), "N")
    out.write_array("float64/predictions", run.predictions, "NK")
    for name, values in run.state.items():
        out.write_array(f"float64/{name}", values, "N")
    for name in run.statistics[0]:
        out.write_array(f"float64/{name}", np.stack([step[name] for step in run.statistics]), "NC")


def seeded_mask(number: int, *, again: bool = False) -> str:
    """Return the name of the dropout mask of a step of the training with a seed, or of its repetition."""
    return f"seeded/{'again' if again else 'mask'}{number}"
