"""Makes checkpoints and records the legacy side of runs, one request at a time, in a process that stays warm [tensorflow].

``python -m parity.faults.legacy_worker`` answers ``shake``, ``sharpen``, ``silence`` and ``record``.
"""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tensorflow as tf

from legacy_tf.__main__ import main as main_of_legacy
from parity.architecture import GRADCAM_LEGACY_LAYER
from parity.evaluation import EVALUATED_GATES, evaluation_command
from parity.lines import serve
from parity.recorder import SideRecorder
from parity.sides.legacy_head import LAST_LAYER
from parity.workspace import Workspace

SHAKEN_BY = 0.02
DEADENED_BY = 8.0
SHIFTED = (f"{GRADCAM_LEGACY_LAYER}/bias", "post_bn/moving_mean")


def shake(source: str, target: str, seed: int) -> dict[str, Any]:
    """Write a checkpoint whose every number is another one's times 1 and two percent more or less.

    A network of another seed that is trained no more would do as well for most gates, but its Grad-CAM maps are often dead:
    of the demo's shaken by three percent 5 in 480 are, by two percent none.
    """
    rng = np.random.default_rng(seed)
    return _rewrite(source, target, lambda name, values: values * rng.normal(1.0, SHAKEN_BY, values.shape))


def sharpen(source: str, target: str, factor: float) -> dict[str, Any]:
    """Write a checkpoint whose logits are those of another one times a factor."""
    return _rewrite(source, target, lambda name, values: factor * values if name.startswith(f"{LAST_LAYER}/") else values)


def silence(source: str, target: str) -> dict[str, Any]:
    """Write a checkpoint whose layer that Grad-CAM looks at gives nothing but zeros."""
    return _rewrite(source, target, lambda name, values: 0 * values if name.startswith(f"{GRADCAM_LEGACY_LAYER}/") else values)


def deaden(source: str, target: str, seed: int) -> dict[str, Any]:
    """Write a checkpoint of the same function, many of whose Grad-CAM maps have nothing positive.

    A number is added to each channel of the layer that Grad-CAM looks at, and the batch norm behind it takes it away again.
    This adds the same everywhere to a map: something negative or positive, as the gradients have it.
    """
    rng = np.random.default_rng(seed)
    added: dict[int, np.ndarray] = {}

    def change(name: str, values: np.ndarray) -> np.ndarray:
        if name not in SHIFTED:
            return values
        shift = added.setdefault(values.size, DEADENED_BY * rng.choice([-1.0, 1.0], values.shape))
        return (values + shift).astype(values.dtype)

    return _rewrite(source, target, change)


def _rewrite(source: str, target: str, change: Callable[[str, np.ndarray], np.ndarray]) -> dict[str, Any]:
    """Write a file of weights as another one with each tensor changed, given its name (layer/weight) and its values."""
    shutil.copyfile(source, target)
    with h5py.File(target, "r+") as file:

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                item[...] = change(name.partition("/")[2].removesuffix(":0"), item[...])

        file.visititems(visit)
    return {}


def record(run: str) -> dict[str, Any]:
    """Record the legacy side of a run."""
    workspace = Workspace(Path(run))
    SideRecorder("legacy", workspace).record()
    if EVALUATED_GATES & set(workspace.spec.gates):
        out = workspace.evaluation_output("legacy")
        shutil.rmtree(out, ignore_errors=True)
        words = evaluation_command("legacy", workspace.spec, workspace.spec.checkpoint, out)[2:]  # after -m legacy_tf
        if code := main_of_legacy(words):
            raise ChildProcessError(f"evaluate ended with code {code}")
    tf.keras.backend.clear_session()
    gc.collect()
    return {}


def main() -> None:
    """Answer until the input ends."""
    serve({"shake": shake, "sharpen": sharpen, "silence": silence, "deaden": deaden, "record": record})


if __name__ == "__main__":
    main()
