"""One set of image files for the checks of the three packages, with what each has to make of them. Needs Pillow alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from PIL import Image

SIZE = (1600, 1200)  # width, height


def make_picture(mode: str = "RGB", size: tuple[int, int] = SIZE, seed: int = 1) -> Image.Image:
    """Return a smooth picture."""
    pixels = bytes((37 * seed * (number + 1) ** 2) % 251 for number in range(8 * 6 * 3))
    return Image.frombytes("RGB", (8, 6), pixels).resize(size, Image.Resampling.BILINEAR).convert(mode)


def _save(picture: Image.Image, path: Path, kind: str = "JPEG", **options: object) -> None:
    picture.save(path, kind, **options)


def _save_with_orientation(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    _save(make_picture(), path, exif=exif)


def _claim_size(path: Path, side: int) -> None:
    _save(make_picture(), path)
    content = bytearray(path.read_bytes())
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = side.to_bytes(2, "big") * 2
    path.write_bytes(content)


def _cut(path: Path, keep: float) -> None:
    _save(make_picture(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])


def _damage_preview(path: Path) -> None:
    """Make Pillow warn of a malformed MPO, which it reads as a JPEG."""
    _save(make_picture(), path, "MPO", save_all=True, append_images=[make_picture(size=(160, 120))])
    content = path.read_bytes()
    index = content.index(b"MPF\0")
    directory = content[index:].replace(b"\x01\xb0", b"\x09\xb0", 1)  # the tag of the number of images
    path.write_bytes(content[:index] + directory)


def _link(path: Path, target: Path | str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _link_to_image(path: Path) -> None:
    _save(make_picture(), path.with_name(".image"))
    _link(path, ".image")


def _close(path: Path) -> None:
    _save(make_picture(), path)
    path.chmod(0)


# Read, with the very pixels of the plain JPEG.
READ: dict[str, Callable[[Path], object]] = {
    "JPEG": lambda path: _save(make_picture(), path),
    "progressive": lambda path: _save(make_picture(), path, progressive=True),
    "EXIF orientation": _save_with_orientation,
    "MPO with a preview": lambda path: _save(
        make_picture(), path, "MPO", save_all=True, append_images=[make_picture(size=(160, 120), seed=2)]
    ),
    "MPO of two whole images": lambda path: _save(
        make_picture(), path, "MPO", save_all=True, append_images=[make_picture(seed=2)]
    ),
    "MPO with a grey preview": lambda path: _save(
        make_picture(), path, "MPO", save_all=True, append_images=[make_picture("L", seed=2)]
    ),
    "MPO with a damaged index": _damage_preview,
    "garbage behind the image": lambda path: (_save(make_picture(), path), path.write_bytes(path.read_bytes() + b"x\0" * 999)),
    "a link to an image": _link_to_image,
}

# Refused by their header, before anything is computed; a word that every message has.
REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: path.unlink(missing_ok=True), ""),
    "empty": (lambda path: path.write_bytes(b""), ""),
    "text": (lambda path: path.write_text("no image"), ""),
    "PNG": (lambda path: _save(make_picture(), path, "PNG"), ""),
    "TIFF": (lambda path: _save(make_picture(), path, "TIFF"), ""),
    "GIF": (lambda path: _save(make_picture("P"), path, "GIF"), ""),
    "JPEG 2000": (lambda path: _save(make_picture(), path, "JPEG2000"), ""),
    "WebP": (lambda path: _save(make_picture(), path, "WEBP"), ""),
    "grey": (lambda path: _save(make_picture("L"), path), "mode"),
    "grey MPO": (
        lambda path: _save(make_picture("L"), path, "MPO", save_all=True, append_images=[make_picture(seed=2)]), "mode"
    ),
    "CMYK": (lambda path: _save(make_picture("CMYK"), path), "CMYK"),
    "smaller": (lambda path: _save(make_picture(size=(800, 600)), path), "800"),
    "turned": (lambda path: _save(make_picture(size=(1200, 1600)), path), "1200"),
    "one row short": (lambda path: _save(make_picture(size=(1600, 1199)), path), "1199"),
    "a size that Pillow warns of": (lambda path: _claim_size(path, 10_000), "10000"),
    "a size that Pillow refuses": (lambda path: _claim_size(path, 65_000), "exceeds limit"),
    "a header alone": (lambda path: path.write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF"), ""),
    "a damaged header of another format": (lambda path: path.write_bytes(b"P6 1600 x 255\n"), ""),
    "a folder": (lambda path: (path.unlink(missing_ok=True), path.mkdir()), "folder"),
    "a pipe": (lambda path: (path.unlink(missing_ok=True), os.mkfifo(path)), "device"),
    "a device": (lambda path: _link(path, "/dev/zero"), "device"),
    "a link to nothing": (lambda path: _link(path, "nowhere"), ""),
    "a link to itself": (lambda path: _link(path, path.name), ""),
    "no permission": (_close, ""),
}  # fmt: skip

# The header is right: the core refuses them at once, the sides when they read them.
UNDECODABLE: dict[str, Callable[[Path], object]] = {
    "cut in the middle": lambda path: _cut(path, 0.5),
    "cut near the end": lambda path: _cut(path, 0.98),
}


def can_be_closed() -> bool:
    """Return whether files can be closed to this user."""
    return os.geteuid() != 0
