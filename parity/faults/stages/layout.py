"""The order of the axes."""

from parity.faults.fault import Fault
from parity.faults.planting import edit

FAULTS = (
    Fault(
        id="nhwc_view_not_permute",
        stage="layout",
        sentence="Channels are moved to the front by a reshape, which mixes pixels and channels.",
        gates=("preprocess",),
        plants=(edit("data:LungHistDataset._read", ("image.transpose(2, 0, 1)", "image.reshape(3, *image.shape[:2])")),),
    ),
)
