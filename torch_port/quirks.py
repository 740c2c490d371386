"""The legacy pipeline's quirks: what each is, and a switch for it.

A function that has a quirk takes ``quirks`` and reads its switch there. The port is faithful by default, with
one declared exception (``mid_epoch_reshuffle``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SENTENCES: Mapping[str, str] = {
    "unit_range_input": "The network is fed images in [0, 1] although its ImageNet weights expect [-1, 1].",
    "mid_epoch_reshuffle": (
        "Keras shuffles the batches, and the generator reshuffles images when batch 0 is asked for: about "
        "a sixth of the images is not seen in an epoch, and as many are seen twice."
    ),
    "nearest_gradcam_input": (
        "Grad-CAM resizes its image to the nearest pixel, evaluation bilinearly: it explains another input."
    ),
    "one_hot_auc": ("ROC-AUC is asked for as one-vs-one, but with one-hot labels it is the mean of one-vs-rest areas."),
    "square_crop_stretch": "The training crop is a square that is then stretched to 4:3.",
    "nan_gradcam_on_dead_map": "A Grad-CAM map whose maximum is exactly 0 is divided by it and becomes NaN.",
    "validation_draws_randomness": (
        "Reading an evaluation image draws global random numbers: the size of the validation set "
        "shifts the training augmentation."
    ),
}


@dataclass(frozen=True, kw_only=True)
class Quirks:
    """A switch for each quirk: on is what the legacy does (see ``SENTENCES``).

    Attributes:
        unit_range_input: Off: images are scaled to [-1, 1].
        mid_epoch_reshuffle: Off, the declared exception: every epoch is a new permutation of the images.
        nearest_gradcam_input: Off: Grad-CAM is fed what the network is fed in evaluation.
        one_hot_auc: Off: the mean of one-vs-one areas, as the legacy asks for.
        square_crop_stretch: Off: the training crop is 4:3.
        nan_gradcam_on_dead_map: Off: such a map is zero.
        validation_draws_randomness: Off: evaluation leaves the random numbers alone.
    """

    unit_range_input: bool = True
    mid_epoch_reshuffle: bool = False
    nearest_gradcam_input: bool = True
    one_hot_auc: bool = True
    square_crop_stretch: bool = True
    nan_gradcam_on_dead_map: bool = True
    validation_draws_randomness: bool = True


DEFAULT = Quirks()
