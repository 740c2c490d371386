"""The data set, the split and the start weights that both `train` commands are given.

``backbone.h5.gz`` is a weights file of the headless ResNet50V2, written by Keras 2.15: `tests/checkpoints/write_backbone.py`.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from parity.contract import CLASSES, IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX
from parity.files import whole_file, write_whole
from parity.gates.commands.contract import COUNTS, DATA, OPTIONS, OTHER_RESOLUTION, SPLIT, WEIGHTS, Image, list_images

PACKED = Path(__file__).with_name(f"{WEIGHTS}.gz")
CELLS, DEVIATION = (12, 16, 3), 12.0


def write_commands_fixtures(folder: Path) -> None:
    """Write them, always the same bytes for the same Pillow."""
    images = [image for resolution in (OPTIONS["resolution"], OTHER_RESOLUTION) for image in list_images(resolution)]
    rows = ["superclass,subclass,resolution,image_id,patient_id"]
    for image in images:
        subclass = "" if image.folder == "nor" else "bd"
        rows.append(f"{CLASSES[image.label]},{subclass},{image.resolution},{image.number},{image.patient}")
        with whole_file(folder / DATA / "images" / image.folder / image.name) as partial:
            _draw(image).save(partial, format="JPEG", quality=75)
    patients = [f"{split}-{name},{split}" for split in COUNTS for name in CLASSES]
    write_whole(folder / DATA / "data.csv", "\n".join(rows) + "\n")
    write_whole(folder / SPLIT, "\n".join(("patient_id,split", *patients)) + "\n")
    write_whole(folder / WEIGHTS, gzip.decompress(PACKED.read_bytes()))


def _draw(image: Image) -> Pillow.Image:
    """Return soft spots about the level of an image."""
    noise = np.random.default_rng(image.number).normal(0.0, DEVIATION, CELLS)
    spots = np.clip(image.level + noise, 0, 255).astype(np.uint8)
    return Pillow.fromarray(spots).resize((IMAGE_WIDTH_PX, IMAGE_HEIGHT_PX), Pillow.Resampling.BILINEAR)
