"""Grad-CAM of both sides and their difference as three small WebP files."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image

from parity.files import write_whole

LIMIT_BYTES = 15_000
WIDTH_PX = 400
SIDES = ("reference", "candidate", "difference")
_QUALITIES = (80, 65, 50, 35, 20)


def write_gradcam_triptych(
    image: np.ndarray, reference: np.ndarray, candidate: np.ndarray, *, folder: Path, name: str
) -> list[dict[str, Any]]:
    """Write the overlay of each side and their absolute difference below `folder`/assets.

    A map that is not finite (a dead map) is shown as the hatched image. The difference is drawn from black to white, where
    white is its own maximum: that scale is returned, because without it the picture says nothing about size.

    Args:
        image: float, H W C, in [0, 1].
        reference: float, H W, in [0, 1], or not finite.
        candidate: The same for the candidate.
        folder: The folder of the report.
        name: Beginning of the file names, for example ``gradcam-0``: letters, digits, points and hyphens.

    Returns:
        For reference, candidate and difference: `path` (relative to `folder`), `sha256`; the third has its `scale` as well.

    Raises:
        ValueError: The image is not H W 3, or a map is not H W.
    """
    image = np.asarray(image, dtype=np.float64)
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"`image` must have the shape (H, W, 3), got {image.shape} in {name}; pass one RGB image")
    for side, values in (("reference", reference), ("candidate", candidate)):
        if np.shape(values) != image.shape[:2]:
            raise ValueError(
                f"`{side}` must have the shape {image.shape[:2]}, got {np.shape(values)} in {name}; resize it first"
            )
    image = np.clip(np.nan_to_num(image), 0.0, 1.0)
    maps = [np.asarray(values, dtype=np.float64) for values in (reference, candidate)]
    distance = np.abs(maps[1] - maps[0])
    scale = float(distance.max()) if np.isfinite(distance).all() else None
    pictures = [*(_overlay(image, values) for values in maps), _draw_distance(image, distance, scale)]
    written = [
        _write_webp(picture, folder, f"assets/{name}-{side}.webp") for side, picture in zip(SIDES, pictures, strict=True)
    ]
    return [*written[:2], {**written[2], "scale": scale}]


def _overlay(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the greyed image under the map: the stronger the map, the more of its colour."""
    if not np.isfinite(values).all():
        return _hatch(image)
    values = np.clip(values, 0.0, 1.0)
    colours = np.asarray(matplotlib.colormaps["viridis"](values))[..., :3]
    strength = (0.68 * values)[..., np.newaxis]
    blended: np.ndarray = (1.0 - strength) * _grey(image) + strength * colours
    return blended


def _draw_distance(image: np.ndarray, distance: np.ndarray, scale: float | None) -> np.ndarray:
    if scale is None:
        return _hatch(image)
    shown = distance / scale if scale > 0.0 else distance
    return np.repeat(shown[..., np.newaxis], 3, axis=2)


def _grey(image: np.ndarray) -> np.ndarray:
    luminance = (image @ np.array([0.299, 0.587, 0.114]))[..., np.newaxis]
    return 0.75 * np.repeat(luminance, 3, axis=2) + 0.25 * image


def _hatch(image: np.ndarray) -> np.ndarray:
    rows, columns = np.indices(image.shape[:2])
    lines = np.expand_dims((rows + columns) % 16 < 3, axis=2)
    return np.where(lines, 0.25, 0.5 + 0.5 * _grey(image))


def _write_webp(picture: np.ndarray, folder: Path, path: str) -> dict[str, Any]:
    content = _encode(Image.fromarray((np.clip(picture, 0.0, 1.0) * 255.0).round().astype(np.uint8), "RGB"))
    write_whole(folder / path, content)
    return {"path": path, "sha256": hashlib.sha256(content).hexdigest()}


def _encode(picture: Image.Image) -> bytes:
    """Return WebP of at most `LIMIT_BYTES`: first at lower quality, then smaller."""
    width = min(WIDTH_PX, picture.width)
    while True:
        height = max(1, round(picture.height * width / picture.width))
        small = picture.resize((width, height), Image.Resampling.LANCZOS)
        for quality in _QUALITIES:
            buffer = io.BytesIO()
            small.save(buffer, "WEBP", quality=quality, method=2)
            if buffer.tell() <= LIMIT_BYTES or width <= 8:
                return buffer.getvalue()
        width = max(8, width * 3 // 4)
