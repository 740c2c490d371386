"""Draws images that look like stained lung tissue: glands (aca), alveoli (nor), sheets with keratin pearls (scc).

Shapes are drawn at half size and enlarged, then fine grain is added: that costs a quarter of drawing at full size.
Only numpy's integer generators and exactly rounded arithmetic are used, so that the same seed gives the same pixels.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

HEIGHT_PX, WIDTH_PX = 1200, 1600
HALF_HEIGHT, HALF_WIDTH = HEIGHT_PX // 2, WIDTH_PX // 2
GRAIN = 9

WHITE = (243, 238, 243)
STROMA = (232, 172, 200)
SEPTUM = (214, 140, 180)
GLAND = (196, 130, 186)
SHEET = (176, 112, 172)
KERATIN = (238, 118, 140)
NUCLEUS = (92, 60, 138)
TUMOUR_NUCLEUS = (74, 44, 116)

Point = tuple[float, float]
Colour = tuple[int, int, int]


def draw_tissue(kind: str, rng: np.random.Generator, tint: NDArray[np.int64]) -> Image.Image:
    """Draw one image.

    Args:
        kind: What to draw: ``aca``, ``nor`` or ``scc``.
        rng: The source of every random choice.
        tint: int64 (3,), added to the colour channels: the stain of this patient's slide.

    Returns:
        An RGB image of 1600x1200 pixels.
    """
    half = PAINTERS[kind](rng)
    # A slow change of light and stain over the slide.
    shade = _noise(rng, 200, -10, 11) + _noise(rng, 40, -7, 8)
    pixels = np.asarray(half, dtype=np.int16) + shade[:, :, None] + tint.astype(np.int16)
    smooth = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    full = np.asarray(smooth.resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.BILINEAR), dtype=np.int16)
    grain = rng.integers(-GRAIN, GRAIN + 1, (HEIGHT_PX, WIDTH_PX, 1), dtype=np.int16)
    return Image.fromarray(np.clip(full + grain, 0, 255).astype(np.uint8))


def _noise(rng: np.random.Generator, cell: int, low: int, high: int) -> NDArray[np.int16]:
    """Smooth noise in [low, high) at half size: random values ``cell`` pixels apart, interpolated."""
    shape = (HALF_HEIGHT // cell + 2, HALF_WIDTH // cell + 2)
    coarse = Image.fromarray(rng.integers(low + 128, high + 128, shape, dtype=np.uint8))
    fine = coarse.resize((HALF_WIDTH, HALF_HEIGHT), Image.Resampling.BICUBIC)
    return np.asarray(fine, dtype=np.int16) - 128


def _blob(
    rng: np.random.Generator,
    centre: Point,
    radius: float,
    roughness: float,
    points: int = 26,
) -> list[Point]:
    """An irregular, slightly stretched closed outline around ``centre``."""
    stretch, turn = rng.uniform(0.75, 1.3), rng.uniform(0, math.pi)
    harmonics = [(k, rng.uniform(0, roughness / k), rng.uniform(0, 2 * math.pi)) for k in (2, 3, 5)]
    outline = []
    for angle in (2 * math.pi * i / points for i in range(points)):
        r = radius * (1 + sum(size * math.sin(k * angle + phase) for k, size, phase in harmonics))
        x, y = r * stretch * math.cos(angle), r / stretch * math.sin(angle)
        outline.append(
            (
                centre[0] + x * math.cos(turn) - y * math.sin(turn),
                centre[1] + x * math.sin(turn) + y * math.cos(turn),
            )
        )
    return outline


def _shrink(outline: list[Point], centre: Point, factor: float) -> list[Point]:
    return [(centre[0] + factor * (x - centre[0]), centre[1] + factor * (y - centre[1])) for x, y in outline]


def _nucleus(
    pen: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    at: Point,
    size: float,
    colour: Colour,
) -> None:
    """One oval nucleus of a random direction and darkness."""
    long, short = size * rng.uniform(0.9, 1.4), size * rng.uniform(0.6, 0.9)
    turn, dark = rng.uniform(0, math.pi), int(rng.integers(-14, 15))
    cos, sin = math.cos(turn), math.sin(turn)
    ring = [(long * math.cos(a), short * math.sin(a)) for a in (2 * math.pi * i / 9 for i in range(9))]
    oval = [(at[0] + x * cos - y * sin, at[1] + x * sin + y * cos) for x, y in ring]
    pen.polygon(oval, fill=(colour[0] + dark, colour[1] + dark, colour[2] + dark))


def _scatter(
    pen: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    count: int,
    size: float,
    colour: Colour = NUCLEUS,
) -> None:
    for _ in range(count):
        _nucleus(
            pen,
            rng,
            (rng.uniform(0, HALF_WIDTH), rng.uniform(0, HALF_HEIGHT)),
            size,
            colour,
        )


def _canvas(colour: Colour) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("RGB", (HALF_WIDTH, HALF_HEIGHT), colour)
    return picture, ImageDraw.Draw(picture)


def _centres(rng: np.random.Generator, columns: int, rows: int) -> list[Point]:
    """Points on a shaken grid that reaches over the edges, in random order."""
    step_x, step_y = HALF_WIDTH / columns, HALF_HEIGHT / rows
    grid = [
        ((i + rng.uniform(0.2, 0.8)) * step_x, (j + rng.uniform(0.2, 0.8)) * step_y)
        for i in range(-1, columns + 1)
        for j in range(-1, rows + 1)
    ]
    return [grid[i] for i in rng.permutation(len(grid))]


def paint_glands(rng: np.random.Generator) -> Image.Image:
    """Adenocarcinoma: glands, each a ring of crowded nuclei around a pale lumen, in pink stroma."""
    picture, pen = _canvas(STROMA)
    _scatter(pen, rng, 160, 3.5)
    for centre in _centres(rng, int(rng.integers(5, 7)), int(rng.integers(4, 6))):
        radius = rng.uniform(48, 70)
        outline = _blob(rng, centre, radius, 0.35)
        pen.polygon(outline, fill=GLAND)
        pen.polygon(_shrink(outline, centre, rng.uniform(0.35, 0.55)), fill=WHITE)
        for ring in (0.9, 0.72):
            for x, y in _shrink(outline, centre, ring):
                _nucleus(
                    pen,
                    rng,
                    (x + rng.uniform(-3, 3), y + rng.uniform(-3, 3)),
                    5.5,
                    NUCLEUS,
                )
    return picture


def paint_alveoli(rng: np.random.Generator) -> Image.Image:
    """Normal lung: air spaces between thin walls with few nuclei."""
    columns, rows = int(rng.integers(7, 10)), int(rng.integers(5, 8))
    centres = np.array(_centres(rng, columns, rows)) / 4
    y, x = np.mgrid[0 : HALF_HEIGHT // 4, 0 : HALF_WIDTH // 4]
    distance = np.sqrt((x[..., None] - centres[:, 0]) ** 2 + (y[..., None] - centres[:, 1]) ** 2)
    nearest = np.partition(distance, 1, axis=-1)
    # 0 in the middle of a wall between two air spaces, grows towards their centres.
    depth = np.clip((nearest[..., 1] - nearest[..., 0]) * 20, 0, 255).astype(np.uint8)
    wall = Image.fromarray(depth).resize((HALF_WIDTH, HALF_HEIGHT), Image.Resampling.BICUBIC)
    thickness = _noise(rng, 50, 25, 75)
    mask = Image.fromarray(((np.asarray(wall) < thickness) * 255).astype(np.uint8))
    picture, _ = _canvas(WHITE)
    tissue, pen = _canvas(SEPTUM)
    _scatter(pen, rng, 2200, 3.5)
    picture.paste(tissue, mask=mask.filter(ImageFilter.GaussianBlur(1)))
    return picture


def paint_sheets(rng: np.random.Generator) -> Image.Image:
    """Squamous cell carcinoma: sheets of large dark nuclei with layered, bright keratin pearls."""
    picture, pen = _canvas(SHEET)
    for _ in range(3):
        band = _blob(
            rng,
            (rng.uniform(0, HALF_WIDTH), rng.uniform(0, HALF_HEIGHT)),
            rng.uniform(40, 70),
            0.5,
        )
        pen.polygon(band, fill=STROMA)
    for at in _centres(rng, 38, 28):
        _nucleus(pen, rng, at, 6.5, TUMOUR_NUCLEUS)
    for centre in _centres(rng, 3, 2):
        outline = _blob(rng, centre, rng.uniform(45, 80), 0.2)
        for layer, factor in enumerate((1.0, 0.84, 0.68, 0.52, 0.36, 0.2)):
            lift = 18 if layer % 2 else 0
            pen.polygon(
                _shrink(outline, centre, factor),
                fill=(KERATIN[0], KERATIN[1] + lift, KERATIN[2] + lift),
            )
    return picture


PAINTERS: dict[str, Callable[[np.random.Generator], Image.Image]] = {
    "aca": paint_glands,
    "nor": paint_alveoli,
    "scc": paint_sheets,
}
