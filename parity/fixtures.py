"""What both sides are given beside the data set.

JPEGs that make decoding faults visible (an orientation tag, pure white and grey, both chroma samplings), the traces of
the schedule gate, and what the train commands of the gate commands are given.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from parity.contract import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX
from parity.files import whole_file
from parity.gates.commands.contract import GATE as COMMANDS
from parity.gates.commands.fixtures import write_commands_fixtures
from parity.gates.schedule.contract import GATE as SCHEDULE
from parity.gates.schedule.contract import TRACES_FILE
from parity.gates.schedule.traces import write_schedule_fixtures

ORIENTATION_TAG = 0x0112
ROTATED = 6


def write_fixtures(folder: Path) -> None:
    """Write the fixture files, always the same bytes for the same Pillow and hypothesis.

    What only one gate reads is in a folder of that gate's name: `Workspace.gate_fixtures`.
    """
    write_schedule_fixtures(folder / SCHEDULE / TRACES_FILE)
    write_commands_fixtures(folder / COMMANDS)
    pixels = _pixels()
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = ROTATED
    variants: dict[str, dict[str, Any]] = {
        "orientation": {"exif": exif, "subsampling": "4:2:0"},
        "chroma-444": {"subsampling": "4:4:4"},
        "progressive": {"subsampling": "4:2:0", "progressive": True},
    }
    for name, options in variants.items():
        path = folder / f"{name}.jpg"
        with whole_file(path) as partial:
            Image.fromarray(pixels).save(partial, format="JPEG", quality=90, **options)


def _pixels() -> np.ndarray:
    """Return noise in H&E colours with a pure white, a pure grey and a black field, (H, W, C) uint8."""
    noise = np.random.default_rng(17).integers(-40, 40, (IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX, 3))
    pixels = np.clip(np.array([200, 120, 170]) + noise, 0, 255).astype(np.uint8)
    for third, level in enumerate((255, 128, 0)):
        pixels[400 * third : 400 * (third + 1), :400] = level
    return pixels
