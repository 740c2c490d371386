from __future__ import annotations

import struct
import warnings

import numpy as np
import pytest
from PIL import Image

from tests import pictures
from torch_port.errors import DataError
from torch_port.images import check_images, read_image


def claim_size(path, height, width):
    """Make a JPEG file's header claim another size."""
    content = bytearray(path.read_bytes())
    start = content.index(b"\xff\xc0") + 5
    content[start : start + 4] = struct.pack(">HH", height, width)
    path.write_bytes(bytes(content))


def test_levels_are_pillows(tmp_path, write_image):
    path = tmp_path / "a 'b' é <i>.jpg"
    write_image(path)
    found = read_image(path)
    assert found.shape == (1200, 1600, 3)
    assert found.dtype == np.uint8
    with Image.open(path) as image:
        assert np.array_equal(found, np.asarray(image))


def test_an_orientation_tag_is_ignored(tmp_path, write_image):
    write_image(tmp_path / "plain.jpg")
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    content, segment = (tmp_path / "plain.jpg").read_bytes(), exif.tobytes()
    header = b"\xff\xe1" + struct.pack(">H", len(segment) + 2)
    (tmp_path / "turned.jpg").write_bytes(content[:2] + header + segment + content[2:])
    with Image.open(tmp_path / "turned.jpg") as image:
        assert image.getexif()[0x0112] == 3
    assert np.array_equal(read_image(tmp_path / "turned.jpg"), read_image(tmp_path / "plain.jpg"))


def test_every_unusable_image_is_named(tmp_path, write_image):
    write_image(tmp_path / "good.jpg")
    write_image(tmp_path / "small.jpg", size=(300, 400))
    Image.new("L", (1600, 1200)).save(tmp_path / "grey.jpg")
    Image.new("RGB", (1600, 1200)).save(tmp_path / "really a png.jpg", "PNG")
    (tmp_path / "text.jpg").write_text("no image")
    for name, side in (("bomb.jpg", 65_000), ("large.jpg", 10_000)):  # Pillow refuses the one and warns of the other
        write_image(tmp_path / name, size=(16, 16))
        claim_size(tmp_path / name, side, side)
    names = ("missing", "small", "good", "grey", "really a png", "text", "bomb", "large")
    with pytest.raises(DataError) as caught:
        check_images([tmp_path / f"{name}.jpg" for name in names])
    lines = caught.value.text().splitlines()
    assert lines[0].startswith("`images` must be 1200 x 1600 RGB JPEG files, got 7 others in --data; copy them again")
    assert [line.removeprefix(f"  - {tmp_path}/").split(": ", 1) for line in lines[1:]] == [
        ["missing.jpg", "No such file or directory"],
        ["small.jpg", "of size 300 x 400"],
        ["grey.jpg", "of mode L (grey)"],
        ["really a png.jpg", "a PNG file"],
        ["text.jpg", "not an image"],
        ["bomb.jpg", lines[6].split(": ", 1)[1]],
        ["large.jpg", "of size 10000 x 10000"],
    ]
    assert "decompression bomb" in lines[6]


def test_a_truncated_image_is_refused_when_it_is_read(tmp_path, write_image):
    write_image(tmp_path / "cut.jpg")
    content = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 2])
    check_images([tmp_path / "cut.jpg"])
    with pytest.raises(DataError, match=r"`image` must be a whole JPEG file, got image file is truncated.* in .*cut.jpg; copy"):
        read_image(tmp_path / "cut.jpg")


@pytest.mark.parametrize("case", pictures.READ)
def test_a_file_that_the_legacy_reads_has_the_pixels_of_the_plain_image(tmp_path, case):
    pictures.READ[case](tmp_path / "x.jpg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of a damaged preview
        found = read_image(tmp_path / "x.jpg")
    pictures.READ["JPEG"](tmp_path / "plain.jpg")
    assert np.array_equal(found, read_image(tmp_path / "plain.jpg"))


@pytest.mark.parametrize("case", pictures.REFUSED)
def test_a_file_that_the_legacy_does_not_read_is_refused_by_its_header(tmp_path, case):
    if case == "no permission" and not pictures.can_be_closed():
        pytest.skip("nothing is closed to root")
    write, word = pictures.REFUSED[case]
    write(tmp_path / "x.jpg")
    with pytest.raises(DataError, match="got 1 other in --data") as caught:
        check_images([tmp_path / "x.jpg"])
    fault = str(caught.value).rpartition(f"  - {tmp_path}/x.jpg: ")[2]
    assert word in fault
    assert fault


@pytest.mark.parametrize("case", pictures.UNDECODABLE)
def test_a_file_that_cannot_be_decoded_is_named_when_it_is_read(tmp_path, case):
    pictures.UNDECODABLE[case](tmp_path / "x.jpg")
    check_images([tmp_path / "x.jpg"])
    with pytest.raises(DataError, match=r"must be a whole JPEG file, got .*truncated.* in .*x.jpg; copy"):
        read_image(tmp_path / "x.jpg")
