"""The training pipeline."""

from parity.faults.fault import Fault, Tier
from parity.faults.planting import Swap, edit

TRAIN = "transforms:train_augmentations"
GRID = "A.GridDistortion(p=0.2)"
CONTRAST = "A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2, p=0.2)"
SHRINK = "            *_shrink_and_scale(percent_resize, quirks),\n"
PARTS = "parity.faults.port_parts"

FAULTS = (
    Fault(
        id="albu2_grid_normalized_default",
        stage="augment",
        sentence="Grid distortion is normalised to end at the image's edge: the default of albumentations 2.",
        gates=("augment",),
        plants=(edit(TRAIN, (GRID, "A.GridDistortion(p=0.2, normalized=True)")),),
    ),
    Fault(
        id="albu2_grid_border_constant",
        stage="augment",
        sentence="Grid distortion fills with black instead of mirroring: the default of albumentations 2.",
        gates=("augment",),
        plants=(edit(TRAIN, (GRID, "A.GridDistortion(p=0.2, border_mode=0, value=0)")),),
    ),
    Fault(
        id="cv2_remap_major_version",
        stage="augment",
        tier=Tier.TWO,
        sentence="Grid distortion interpolates with more precision than OpenCV 4 does.",
        gates=("augment", "config"),
        plants=(Swap("cv2:remap", f"{PARTS}:remap_precisely"),),
        emulates="OpenCV 5, by an interpolation in float64",
    ),
    Fault(
        id="randomresizedcrop_for_sizedcrop",
        stage="augment",
        raises=True,
        sentence="The crop is torchvision's RandomResizedCrop, of another size and shape.",
        gates=("augment",),
        plants=(
            edit(
                TRAIN,
                (
                    "A.RandomSizedCrop(\n"
                    "                min_max_height=(1000, 1200),\n"
                    "                height=IMAGE_HEIGHT_PX,\n"
                    "                width=IMAGE_WIDTH_PX,\n"
                    "                w2h_ratio=crop_ratio,\n",
                    "A.RandomResizedCrop(\n                *input_size(percent_resize),\n                scale=(0.8, 1.0),\n",
                ),
            ),
        ),
    ),
    Fault(
        id="crop_early_downscale",
        stage="augment",
        raises=True,
        sentence="The image is shrunk before it is augmented instead of after.",
        gates=("config", "augment"),
        plants=(
            edit(
                TRAIN,
                (
                    "            A.HorizontalFlip(p=0.5),\n",
                    "            A.Resize(*input_size(percent_resize)),\n            A.HorizontalFlip(p=0.5),\n",
                ),
            ),
        ),
    ),
    Fault(
        id="albu2_hsv_gray_mask",
        stage="augment",
        sentence="White and grey pixels keep their saturation, as in albumentations 2.",
        gates=("augment",),
        plants=(
            edit(
                "augmentations.functional:_shift_hsv_uint8",
                ("sat = cv2.LUT(sat, lut_sat)", "sat = np.where(sat == 0, sat, cv2.LUT(sat, lut_sat))"),
                package="albumentations",
            ),
        ),
    ),
    Fault(
        id="albu2_hsv_trunc_negative",
        stage="augment",
        tier=Tier.TWO,
        sentence="Shifts of saturation and value are cut to whole levels first, as in albumentations 2.",
        gates=("augment",),
        plants=(
            edit(
                "augmentations.functional:_shift_hsv_uint8",
                ("lut_sat + sat_shift", "lut_sat + int(sat_shift)"),
                package="albumentations",
            ),
        ),
    ),
    Fault(
        id="gamma_float_domain",
        stage="augment",
        tier=Tier.TWO,
        sentence="Gamma rounds to the nearest level instead of cutting off.",
        gates=("augment",),
        plants=(
            edit(
                "augmentations.functional:gamma_transform",
                ("table.astype(np.uint8)", "np.round(table).astype(np.uint8)"),
                package="albumentations",
            ),
        ),
    ),
    Fault(
        id="brightness_contrast_semantics",
        stage="augment",
        sentence="Brightness is relative to the image's mean, contrast about it, as in torchvision.",
        gates=("augment",),
        plants=(edit(TRAIN, (CONTRAST, CONTRAST.replace("p=0.2", "brightness_by_max=False, p=0.2"))),),
    ),
    Fault(
        id="tofloat_before_color",
        stage="augment",
        sentence="Images become floats before the colours are changed, which takes another path in albumentations.",
        gates=("config", "augment"),
        plants=(
            edit(
                TRAIN,
                (
                    "            A.HorizontalFlip(p=0.5),\n",
                    "            A.ToFloat(max_value=MAX_LEVEL),\n            A.HorizontalFlip(p=0.5),\n",
                ),
            ),
        ),
    ),
    Fault(
        id="aug_default_p",
        stage="augment",
        sentence="Grid distortion has the library's probability of 0.5 instead of 0.2.",
        gates=("augment",),
        plants=(edit(TRAIN, (GRID, "A.GridDistortion()")),),
    ),
    Fault(
        id="aug_on_eval",
        stage="augment",
        sentence="Evaluation images are augmented like training images.",
        gates=("preprocess",),
        plants=(
            edit(
                "data:make_loaders", ('train_augmentations if name == "train" else test_augmentations', "train_augmentations")
            ),
        ),
    ),
    Fault(
        id="aug_off_train",
        stage="augment",
        sentence="Training images are not augmented.",
        gates=("augment",),
        plants=(
            edit("data:make_loaders", ('train_augmentations if name == "train" else test_augmentations', "test_augmentations")),
        ),
    ),
    Fault(
        id="flip_axis_swap",
        stage="augment",
        tier=Tier.CONTROL,
        sentence="The two flips have changed places: the same distribution, other images for the same random numbers.",
        gates=("augment",),
        plants=(
            edit(
                TRAIN,
                (
                    "            A.HorizontalFlip(p=0.5),\n            A.VerticalFlip(p=0.5),\n",
                    "            A.VerticalFlip(p=0.5),\n            A.HorizontalFlip(p=0.5),\n",
                ),
            ),
        ),
    ),
)
