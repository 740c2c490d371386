"""From full size to the network's input size."""

from parity.faults.fault import Fault, Tier
from parity.faults.planting import edit, swap

PREPARE = "transforms:_shrink_and_scale"
RESIZE = "A.Resize(*input_size(percent_resize))"

FAULTS = (
    Fault(
        id="resize_antialias",
        stage="resize",
        sentence="Shrinking averages over every pixel (torchvision's default) instead of taking the nearest four.",
        gates=("preprocess",),
        plants=(swap(PREPARE, "shrink_antialiased", PREPARE),),
    ),
    Fault(
        id="resize_nearest",
        stage="resize",
        sentence="Shrinking takes the nearest pixel, the default of torch's interpolate.",
        gates=("preprocess",),
        plants=(edit(PREPARE, (RESIZE, "A.Resize(*input_size(percent_resize), interpolation=0)")),),
    ),
    Fault(
        id="resize_align_corners",
        stage="resize",
        tier=Tier.TWO,
        sentence="Shrinking aligns the centres of the corner pixels.",
        gates=("preprocess",),
        plants=(swap(PREPARE, "shrink_with_aligned_corners", PREPARE),),
    ),
    Fault(
        id="resize_float_no_rounding",
        stage="resize",
        sentence="The image is shrunk after the division by 255, so levels are not rounded.",
        gates=("preprocess",),
        plants=(edit(PREPARE, (f"[{RESIZE}, A.ToFloat(max_value=MAX_LEVEL)]", f"[A.ToFloat(max_value=MAX_LEVEL), {RESIZE}]")),),
    ),
    Fault(
        id="fixed_scale_rounding",
        stage="resize",
        tier=Tier.THREE,
        sentence="The input size is rounded instead of cut off: another size at a scale of 0.29.",
        gates=("config",),
        plants=(
            edit("transforms:input_size", ("int(percent_resize * IMAGE_WIDTH_PX)", "round(percent_resize * IMAGE_WIDTH_PX)")),
        ),
    ),
)
