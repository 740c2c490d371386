"""What disk a run needs, said before it begins."""

from __future__ import annotations

import shutil

from parity.architecture import tap_shapes
from parity.contract import BATCH_SIZE, CLASSES, PROFILES, RunSpec
from parity.dataset import DatasetFacts
from parity.errors import bad_input
from parity.workspace import Workspace

FLOAT_BYTES = {"float32": 4, "float64": 8}
WEIGHTS_BYTES = 300_000_000
TRAINED_BYTES = 700_000_000  # while the port's `train` lasts: its state, written anew beside the old one, and the best weights


def needed_bytes(spec: RunSpec, images: int) -> int:
    """Return an upper bound of what a run writes: inputs, both sides' block outputs in both precisions, weights."""
    pixels = spec.height_px * spec.width_px * 3 * FLOAT_BYTES["float32"]
    evaluated = min(images, spec.images * len(spec.splits)) if spec.images else images
    augmented = (PROFILES[spec.profile].augmented_batches or -(-images // BATCH_SIZE)) * BATCH_SIZE
    taps = 0
    for shape in tap_shapes(spec.height_px, spec.width_px, len(CLASSES)).values():
        count = 1
        for length in shape:
            count *= length
        taps += count * sum(FLOAT_BYTES.values())
    # Two kinds of images; `tap_images` of each through the blocks gate and one of each through inference, on two sides.
    trained = TRAINED_BYTES if "commands" in spec.gates else 0
    return (evaluated + augmented) * pixels + 2 * 2 * (spec.tap_images + 1) * taps + WEIGHTS_BYTES + trained


def check_disk(spec: RunSpec, facts: DatasetFacts, workspace: Workspace) -> int:
    """Return the bytes that the run may write.

    Raises:
        BadInputError: The disk does not have them.
    """
    needed = needed_bytes(spec, facts.images)
    already = sum(path.stat().st_size for path in workspace.folder.rglob("*") if path.is_file())
    free = shutil.disk_usage(workspace.folder).free
    if free + already < needed:
        raise bad_input(
            "--out", f"have {needed / 1e9:.1f} GB free", f"{free / 1e9:.1f} GB", str(workspace.folder),
            "free space, choose another folder, or ask for fewer --images",
        )  # fmt: skip
    return needed
