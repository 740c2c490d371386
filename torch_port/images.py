"""Read image files, and refuse what is not a 1200 x 1600 RGB JPEG."""

from __future__ import annotations

import stat
import warnings
from collections.abc import Iterable
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
from PIL import Image, UnidentifiedImageError

from torch_port.errors import DataError, count_of
from torch_port.transforms import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX

EXPECTED = f"be {IMAGE_HEIGHT_PX} x {IMAGE_WIDTH_PX} RGB JPEG files"
REMEDY = "copy them again from their source, or take them out of data.csv"


def read_image(path: str | Path) -> np.ndarray:
    """Read an image as the legacy's generator does: imageio v3 by Pillow, an orientation tag is ignored.

    Args:
        path: The file.

    Returns:
        Levels, uint8, (H, W, 3), RGB.

    Raises:
        DataError: The file is missing, damaged, or not a 1200 x 1600 RGB JPEG.
    """
    check_images([path])
    try:
        with Path(path).open("rb") as file:
            return imageio.imread(file, plugin="pillow")
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError.about("image", must="be a whole JPEG file", got=str(error), place=path, remedy=REMEDY) from error


def check_images(paths: Iterable[str | Path]) -> None:
    """Check that each file exists and that its header is that of a 1200 x 1600 RGB JPEG.

    Raises:
        DataError: Some are not; all of them are named.
    """
    faults = [f"{path}: {fault}" for path in paths if (fault := _header_fault(path))]
    if faults:
        raise DataError.about(
            "images",
            must=EXPECTED,
            got=f"{count_of(len(faults), 'other')}",
            place="--data",
            remedy=REMEDY,
            faults=faults,
        )


def _header_fault(path: str | Path) -> str:
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):  # a pipe would be waited for
            return "a folder or a device"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a size that is refused below, or of a preview that is not read
            with Path(path).open("rb") as file, Image.open(file) as image:
                kind, mode, (width, height) = image.format, image.mode, image.size
    except UnidentifiedImageError:
        return "not an image"
    except Exception as error:  # Pillow's readers of other formats raise anything
        return getattr(error, "strerror", None) or str(error) or type(error).__name__
    if kind not in ("JPEG", "MPO"):  # an MPO file is a JPEG file with a preview behind it
        return f"a {kind} file"
    if mode != "RGB":
        return f"of mode {mode}" + (" (grey)" if mode == "L" else "")
    if (height, width) != (IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX):
        return f"of size {height} x {width}"
    return ""
