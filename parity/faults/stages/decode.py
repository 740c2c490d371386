"""From the file to levels."""

from parity.faults.fault import Fault
from parity.faults.planting import edit

READ = 'return imageio.imread(file, plugin="pillow")'

FAULTS = (
    Fault(
        id="jpeg_fast_dct",
        stage="decode",
        sentence="The JPEG is decoded by another algorithm than the legacy's accurate inverse cosine transform.",
        gates=("decode",),
        plants=(
            edit(
                "images:read_image",
                (
                    READ,
                    "image = Image.open(file)\n"
                    "            image.draft('RGB', (IMAGE_WIDTH_PX // 2, IMAGE_HEIGHT_PX // 2))\n"
                    "            return np.asarray(image.resize((IMAGE_WIDTH_PX, IMAGE_HEIGHT_PX)))",
                ),
            ),
        ),
        emulates="TensorFlow's fast integer transform, which the port's environment does not have, by Pillow's draft mode",
    ),
    Fault(
        id="bgr_channel_order",
        stage="decode",
        sentence="The channels come as blue, green, red, as OpenCV reads them.",
        gates=("decode", "preprocess"),
        plants=(edit("images:read_image", (READ, READ + "[..., ::-1].copy()")),),
    ),
)
