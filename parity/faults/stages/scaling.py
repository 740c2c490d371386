"""From levels to the network's range."""

from parity.faults.fault import Fault
from parity.faults.planting import edit

PREPARE = "transforms:_shrink_and_scale"
SCALE = "A.ToFloat(max_value=MAX_LEVEL)"

FAULTS = (
    Fault(
        id="norm_imagenet_mean_std",
        stage="scaling",
        sentence="Images are normalised with ImageNet's mean and deviation; the legacy feeds [0, 1].",
        gates=("preprocess",),
        plants=(edit(PREPARE, (SCALE, "A.Normalize(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))")),),
    ),
    Fault(
        id="scale_missing",
        stage="scaling",
        sentence="Levels from 0 to 255 are fed as they are.",
        gates=("preprocess",),
        plants=(edit(PREPARE, (SCALE, "A.ToFloat(max_value=1)")),),
    ),
    Fault(
        id="scale_twice",
        stage="scaling",
        sentence="Levels are divided by 255 twice.",
        gates=("preprocess",),
        plants=(edit(PREPARE, (SCALE, "A.ToFloat(max_value=MAX_LEVEL**2)")),),
    ),
)
